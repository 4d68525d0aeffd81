import CryptoKit
import Foundation

/// The files of a bundle's folder.
struct BundleFiles: Sendable {
  let folder: URL

  /// Returns where a file lies on this device.
  func url(of path: String) -> URL {
    folder.appendingPathComponent(path, isDirectory: false)
  }

  func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: url(of: path).path)
  }

  /// Returns the bytes of a file.
  ///
  /// - Throws: `damagedBundle` where it is absent or cannot be read.
  func read(_ path: String) throws(PocketBERTError) -> [UInt8] {
    try read(path, most: .max)
  }

  /// Returns the bytes of a file of some size.
  ///
  /// - Parameter most: So many are read; of a larger file some more, so that it is seen to be one.
  /// - Throws: `damagedBundle` where it is absent or cannot be read.
  func read(_ path: String, most: Int) throws(PocketBERTError) -> [UInt8] {
    var bytes: [UInt8] = []
    try eachPart(of: path) { part in
      bytes += part
      return bytes.count <= most
    }
    return bytes
  }

  /// Returns the bytes of a file that is what the manifest says.
  ///
  /// - Throws: `damagedBundle` where it is absent, or another.
  func read(_ path: String, sha256: String) throws(PocketBERTError) -> [UInt8] {
    let bytes = try read(path)
    guard hexadecimal(SHA256.hash(data: bytes)) == sha256 else { throw changed(path) }
    return bytes
  }

  /// Refuses a file that is not what the manifest says; no more than a part of it is in memory.
  func check(_ path: String, sha256: String) throws(PocketBERTError) {
    var hash = SHA256()
    try eachPart(of: path) { part in
      hash.update(bufferPointer: UnsafeRawBufferPointer(part))
      return true
    }
    guard hexadecimal(hash.finalize()) == sha256 else { throw changed(path) }
  }

  private static let partSize = 1 << 18

  /// Gives one part after the other to an action, until that wants no more.
  private func eachPart(
    of path: String, _ body: (UnsafeBufferPointer<UInt8>) -> Bool
  ) throws(PocketBERTError) {
    let place = try locate(path)
    guard let stream = InputStream(fileAtPath: place) else { throw unreadable(path) }
    stream.open()
    defer { stream.close() }
    let part = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: Self.partSize)
    defer { part.deallocate() }
    guard let start = part.baseAddress else { throw unreadable(path) }
    while true {
      let size = stream.read(start, maxLength: part.count)
      guard size >= 0 else { throw unreadable(path) }
      if size == 0 || !body(UnsafeBufferPointer(start: start, count: size)) { return }
    }
  }

  /// Returns where a file truly lies; a link may not lead out of the bundle.
  private func locate(_ path: String) throws(PocketBERTError) -> String {
    guard let root = realPath(folder.path), let found = realPath(url(of: path).path) else {
      throw .damagedBundle(path: path, "\(path) is missing")
    }
    var isFolder: ObjCBool = false
    let isInside = found.utf8.starts(with: "\(root)/".utf8)
    guard isInside, FileManager.default.fileExists(atPath: found, isDirectory: &isFolder),
      !isFolder.boolValue
    else { throw .damagedBundle(path: path, "\(path) is not a file of the bundle") }
    return found
  }

  private func realPath(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  private func unreadable(_ path: String) -> PocketBERTError {
    .damagedBundle(path: path, "\(path) cannot be read")
  }

  private func changed(_ path: String) -> PocketBERTError {
    .damagedBundle(path: path, "\(path) was changed: its sha256 differs")
  }
}

/// Returns a hash in the digits that a manifest has it in.
func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(
    decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 0xF)]] }, as: UTF8.self)
}
