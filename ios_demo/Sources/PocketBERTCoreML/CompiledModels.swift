import CoreML
import Foundation

/// The folder with what Core ML made of packages for this device, which takes long and is done once.
///
/// What lies there is called as the hash of the manifest: a changed bundle is compiled anew, and what belonged to the one
/// before is removed. Bundles of other folders keep theirs.
actor CompiledModels {
  /// Those of this app: all its factories share them, so that two do not compile the same.
  static let own = CompiledModels()

  /// What a compiled package is found by.
  struct Name: Hashable, Sendable {
    /// Of the bundle's folder.
    let folder: String
    /// Of its manifest.
    let hash: String
  }

  private let folder: URL?
  private var works: [Name: Task<URL, any Error>] = [:]

  /// - Parameter folder: Where to keep them; the app's own in Application Support otherwise.
  init(folder: URL? = nil) {
    self.folder = folder
  }

  /// Returns where the compiled package of this name lies, or nothing where it was not compiled yet.
  func find(_ name: Name) throws -> URL? {
    let place = try url(of: name)
    return FileManager.default.fileExists(atPath: place.path) ? place : nil
  }

  /// Compiles a package, and keeps the result under this name. Two that ask at once wait for one.
  ///
  /// A caller that is cancelled waits no longer; the work goes on, so that it need not begin anew.
  func compile(_ package: URL, as name: Name) async throws -> URL {
    let work = works[name] ?? Task { try await make(package, name) }
    works[name] = work
    // Waiting for a task does not end where the one who waits is cancelled; waiting for a stream does.
    let (ended, end) = AsyncStream.makeStream(of: Never.self)
    Task {
      _ = await work.result
      end.finish()
    }
    for await _ in ended {}
    try Task.checkCancellation()
    return try await work.value
  }

  /// Removes what does not load, as after a change of the system.
  func remove(_ name: Name) throws {
    try FileManager.default.removeItem(at: url(of: name))
  }

  private func make(_ package: URL, _ name: Name) async throws -> URL {
    defer { works[name] = nil }
    let made = try await MLModel.compileModel(at: package)
    let manager = FileManager.default
    let folder = try place(of: name)
    try manager.createDirectory(at: folder, withIntermediateDirectories: true)
    for old in try manager.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    where old.pathExtension == "mlmodelc" {
      try manager.removeItem(at: old)
    }
    var place = try url(of: name)
    try manager.moveItem(at: made, to: place)
    var values = URLResourceValues()
    values.isExcludedFromBackup = true  // it can be made again
    try place.setResourceValues(values)
    return place
  }

  private func url(of name: Name) throws -> URL {
    try place(of: name).appendingPathComponent("\(name.hash).mlmodelc", isDirectory: true)
  }

  /// Returns the folder of what was made of bundles of one folder.
  private func place(of name: Name) throws -> URL {
    try place().appendingPathComponent(name.folder, isDirectory: true)
  }

  /// Returns the folder of all.
  func place() throws -> URL {
    if let folder { return folder }
    let own = try FileManager.default.url(
      for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
    return own.appendingPathComponent("PocketBERT", isDirectory: true)
  }
}
