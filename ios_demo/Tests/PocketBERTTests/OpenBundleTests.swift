import Foundation
import Support
import Testing

@testable import PocketBERT

struct OpenBundleTests {
  private let temporary = try? Temporary()

  private static let paths: [String] = {
    let manifest = try? readManifest(BundleFiles(folder: Fixture.bundle).read("manifest.json"))
    return manifest?.platforms["ios"] ?? []
  }()

  private func copy() throws -> URL { try #require(temporary).copyBundle() }

  @Test("a good bundle opens, with its key and without")
  func good() throws {
    for key in [try Fixture.publicKey(), nil] {
      let bundle = try ModelBundle(at: Fixture.bundle, publicKey: key)
      #expect(try bundle.artifact(for: "executorch").path == "executorch/model.pte")
      #expect(try bundle.url(of: "vectors.json").path == Fixture.bundle.appendingPathComponent("vectors.json").path)
    }
    #expect(Self.paths.count > 3)
  }

  @Test("a folder without a bundle is told")
  func absent() throws {
    let folder = try #require(temporary).folder
    for place in [folder, folder.appendingPathComponent("absent")] {
      guard case .noBundle = problem({ _ = try ModelBundle(at: place) }) else {
        Issue.record("\(place) opens")
        return
      }
    }
  }

  @Test("a bundle has no model for a backend that is not on this platform, and no file that is not")
  func otherPlatform() throws {
    let bundle = try Fixture.open()
    guard case .unsupportedArtifact(let message) = problem({ _ = try bundle.artifact(for: "tflite") }) else {
      Issue.record("it has one")
      return
    }
    #expect(message.contains("tflite"))
    #expect(problem { _ = try bundle.url(of: "parity.json") }?.damagedPath == "parity.json")
    let folder = try copy()
    try rewriteManifest(in: folder) { $0["platforms"] = JSON(["android": .array([])]) }
    guard case .unsupportedArtifact(let other) = problem({ _ = try ModelBundle(at: folder) }) else {
      Issue.record("it opens")
      return
    }
    #expect(other.contains("ios"))
  }

  @Test("a file with one other bit is found", arguments: paths)
  func otherBit(_ path: String) throws {
    let folder = try copy()
    let file = folder.appendingPathComponent(path)
    var bytes = try Data(contentsOf: file)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: file)
    #expect(problem { _ = try ModelBundle(at: folder) }?.damagedPath == path)
  }

  @Test("a file that is absent, cut, a folder or a link to elsewhere is found", arguments: paths)
  func notAFile(_ path: String) throws {
    let folder = try copy()
    let file = folder.appendingPathComponent(path)
    let elsewhere = try #require(temporary).folder.appendingPathComponent("elsewhere")
    func isDamaged() -> Bool { problem { _ = try ModelBundle(at: folder) }?.damagedPath == path }
    try FileManager.default.moveItem(at: file, to: elsewhere)
    #expect(isDamaged())
    try Data().write(to: file)
    #expect(isDamaged())
    try FileManager.default.removeItem(at: file)
    try FileManager.default.createSymbolicLink(at: file, withDestinationURL: elsewhere)
    #expect(isDamaged())
    try FileManager.default.removeItem(at: file)
    try FileManager.default.createDirectory(at: file, withIntermediateDirectories: true)
    #expect(isDamaged())
  }

  @Test("a file that the manifest does not list is ignored")
  func unlisted() throws {
    let folder = try copy()
    try Data(count: 9).write(to: folder.appendingPathComponent("report.html"))
    _ = try ModelBundle(at: folder, publicKey: Fixture.publicKey())
  }

  @Test("a manifest with another byte is refused, wherever it is")
  func everyByte() throws {
    let bytes = try BundleFiles(folder: Fixture.bundle).read("manifest.json")
    for place in bytes.indices {
      for flip: UInt8 in [0x01, 0x20, 0xFF] {
        var changed = bytes
        changed[place] ^= flip
        let refused = problem { _ = try readManifest(changed) }?.damagedPath
        if refused != "manifest.json" { Issue.record("\(flip) at \(place) passes") }
      }
    }
    let folder = try copy()
    var changed = bytes
    changed[9] ^= 1
    try Data(changed).write(to: folder.appendingPathComponent("manifest.json"))
    #expect(problem { _ = try ModelBundle(at: folder, publicKey: Fixture.publicKey()) }?.isUntrusted == true)
    #expect(problem { _ = try ModelBundle(at: folder) }?.damagedPath == "manifest.json")
  }

  @Test("a manifest that states its hash twice or never, or is cut, is refused")
  func hashStatedOnce() throws {
    let bytes = try BundleFiles(folder: Fixture.bundle).read("manifest.json")
    let member = Array("\"manifest_sha256\":\"\(String(repeating: "0", count: 64))\",".utf8)
    for other in [[], [UInt8](bytes.prefix(1)), bytes + member, bytes + bytes, member, Array(bytes.dropLast())] {
      #expect(problem { _ = try readManifest(other) }?.damagedPath == "manifest.json")
    }
  }

  @Test("a manifest of endless size is not read to its end")
  func endless() throws {
    let folder = try copy()
    try Data(count: 16_000_001).write(to: folder.appendingPathComponent("manifest.json"))
    let refused = problem { _ = try ModelBundle(at: folder) }
    #expect(refused?.damagedPath == "manifest.json" && refused?.message.contains("16000000") == true)
  }

  @Test("a signature of another length is refused", arguments: [0, 1, 63, 65, 4096])
  func signatureSize(_ size: Int) throws {
    let folder = try copy()
    try Data(count: size).write(to: folder.appendingPathComponent("manifest.sig"))
    #expect(problem { _ = try ModelBundle(at: folder, publicKey: Fixture.publicKey()) }?.isUntrusted == true)
    _ = try ModelBundle(at: folder)
  }

  @Test("a signature of garbage, with another bit, of another key, or none, is refused")
  func wrongSignature() throws {
    let folder = try copy()
    let file = folder.appendingPathComponent("manifest.sig")
    let right = try Data(contentsOf: file)
    let key = try Fixture.publicKey()
    func isRefused(_ key: Data) -> Bool {
      problem { _ = try ModelBundle(at: folder, publicKey: key) }?.isUntrusted == true
    }
    var wrong = [Data(repeating: 0xFF, count: 64)]
    for place in right.indices {
      wrong.append(right)
      wrong[wrong.count - 1][place] ^= 0x10
    }
    for signature in wrong {
      try signature.write(to: file)
      #expect(isRefused(key))
    }
    try right.write(to: file)
    // Of the first test of RFC 8032.
    let other = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    let bytes = stride(from: 0, to: 64, by: 2).compactMap { UInt8(other.dropFirst($0).prefix(2), radix: 16) }
    #expect(isRefused(Data(bytes)))
    #expect(isRefused(Data(bytes.dropLast())))
    _ = try ModelBundle(at: folder, publicKey: key)
    try FileManager.default.removeItem(at: file)
    #expect(isRefused(key))
    _ = try ModelBundle(at: folder)
  }

  @Test("a signed manifest does not vouch for one that was put in its place")
  func exchanged() throws {
    let folder = try copy()
    try rewriteManifest(in: folder) { $0["pocketbert_version"] = .string("9.9.9") }
    _ = try ModelBundle(at: folder)
    #expect(problem { _ = try ModelBundle(at: folder, publicKey: Fixture.publicKey()) }?.isUntrusted == true)
  }
}

/// Files that can be read once: each is a pipe, which is gone as soon as somebody has opened it.
private final class Pipes: Sendable {
  private let opened = Locked<[String]>([])
  private let isEnding = Locked(false)
  private let files: [URL]

  /// Puts a pipe in the place of each file of a folder.
  init(_ folder: URL, _ paths: [String]) throws {
    files = paths.map { folder.appendingPathComponent($0) }
    for (path, file) in zip(paths, files) {
      let content = try Data(contentsOf: file)
      try FileManager.default.removeItem(at: file)
      try #require(mkfifo(file.path, 0o600) == 0)
      Thread.detachNewThread { [self] in serve(path, file, content) }
    }
  }

  /// The files that were opened.
  var all: [String] { opened.withLock { $0 } }

  /// Lets the threads go that wait for somebody to read.
  func end() {
    isEnding.withLock { $0 = true }
    for file in files {
      let reader = open(file.path, O_RDONLY | O_NONBLOCK)
      if reader >= 0 { close(reader) }
    }
  }

  private func serve(_ path: String, _ file: URL, _ content: Data) {
    let pipe = open(file.path, O_WRONLY)  // waits for one who reads
    guard pipe >= 0 else { return }
    let handle = FileHandle(fileDescriptor: pipe, closeOnDealloc: true)
    if isEnding.withLock({ $0 }) { return }
    opened.withLock { $0.append(path) }
    unlink(file.path)
    try? handle.write(contentsOf: content)
  }
}

struct ReadOnceTests {
  @Test("opening a bundle reads each file of this platform once, and no other", .timeLimit(.minutes(5)))
  func once() throws {
    let temporary = try Temporary()
    let folder = try temporary.copyBundle()
    let manifest = try readManifest(BundleFiles(folder: folder).read("manifest.json"))
    let listed = try #require(manifest.platforms["ios"]) + ["manifest.json", "manifest.sig"]
    let others = manifest.files.keys.map(\.string).filter { !listed.contains($0) }
      .filter { FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path) }
    let pipes = try Pipes(folder, listed + others)
    let refusal = problem { _ = try ModelBundle(at: folder, publicKey: Fixture.publicKey()) }
    #expect(refusal == nil, "a file that is read again is missing")
    #expect(pipes.all.sorted() == listed.sorted())
    pipes.end()
  }
}
