import Foundation

/// An opened bundle, of which every file that this platform needs was checked.
public struct ModelBundle: Sendable {
  /// Everything about the bundle but the bytes of its files.
  public internal(set) var manifest: Manifest
  /// Cuts texts as the student's tokenizer does.
  public let tokenizer: any Tokenizer
  /// That it was made for, with its rules.
  internal(set) var task: any ModelTask
  private let files: BundleFiles
  private let paths: Set<ExactString>

  /// What paths in the manifest are relative to.
  public var folder: URL { files.folder }

  /// Of a text that the model is given, in code points; of a longer one nothing is read.
  public var maxTextCharacters: Int { task.maxTextCharacters }

  /// Opens a bundle: checks its signature, its manifest and its files, each of which is read once.
  ///
  /// - Parameters:
  ///   - folder: Holds `manifest.json`.
  ///   - publicKey: 32 bytes of Ed25519; given, the bundle must be signed by its owner.
  ///   - platform: As the manifest calls it; only what it lists for that one is looked at.
  /// - Throws: What is wrong.
  public init(
    at folder: URL, publicKey: Data? = nil, platform: String = "ios"
  ) throws(PocketBERTError) {
    try self.init(at: folder, publicKey: publicKey, platform: platform, tasks: knownTasks)
  }

  /// - Parameter tasks: Those that are known.
  init(
    at folder: URL, publicKey: Data? = nil, platform: String = "ios", tasks: [any ModelTask.Type]
  ) throws(PocketBERTError) {
    let files = BundleFiles(folder: folder)
    guard files.has(manifestFile) else { throw .noBundle("there is no bundle at \(folder.path)") }
    let bytes = try files.read(manifestFile, most: Bounds.manifestBytes)
    guard bytes.count <= Bounds.manifestBytes else {
      throw .damagedBundle(path: manifestFile, "\(manifestFile) has more than \(Bounds.manifestBytes) bytes")
    }
    if let publicKey {
      let signature = files.has(signatureFile) ? try files.read(signatureFile, most: signatureBytes) : nil
      try checkSignature(of: bytes, signature, publicKey: publicKey)
    }
    let manifest = try readManifest(bytes)
    task = try openTask(of: manifest, among: tasks)
    guard let listed = manifest.platforms[ExactString(platform)] else {
      throw .unsupportedArtifact("the bundle holds nothing for \(platform)")
    }
    var kept: [ExactString: [UInt8]] = [:]
    let needed = [manifest.tokenizer.vocabulary, manifest.tokenizer.unicodeTables]
    var paths: Set<ExactString> = []
    for path in listed where paths.insert(ExactString(path)).inserted {
      let hash = manifest.files[ExactString(path)] ?? ""
      if needed.contains(where: path.isExactly) {
        kept[ExactString(path)] = try files.read(path, sha256: hash)
      } else {
        try files.check(path, sha256: hash)
      }
    }
    self.files = files
    self.manifest = manifest
    self.paths = paths
    tokenizer = try WordPieceTokenizer(manifest.tokenizer) { path throws(PocketBERTError) in
      guard let bytes = kept[ExactString(path)] else { throw notListed(path) }
      return bytes
    }
  }

  /// Returns the artifact of a backend.
  ///
  /// - Throws: `unsupportedArtifact` where the bundle has none for this platform.
  public func artifact(for backend: String) throws(PocketBERTError) -> Artifact {
    for artifact in manifest.artifacts where artifact.backend == backend {
      if paths.contains(where: { artifact.holds($0.string) }) { return artifact }
    }
    throw .unsupportedArtifact("the bundle holds no model for \(backend)")
  }

  /// Returns where a file or an artifact lies on this device.
  ///
  /// - Throws: `damagedBundle` where it is none that was checked.
  public func url(of path: String) throws(PocketBERTError) -> URL {
    let isArtifact = manifest.artifacts.contains { artifact in
      artifact.path.isExactly(path) && paths.contains { artifact.holds($0.string) }
    }
    guard isArtifact || paths.contains(ExactString(path)) else { throw notListed(path) }
    return files.url(of: path)
  }

  /// Returns the bytes of a file, whose hash is looked at again.
  func read(_ path: String) throws(PocketBERTError) -> [UInt8] {
    guard paths.contains(ExactString(path)), let hash = manifest.files[ExactString(path)] else {
      throw notListed(path)
    }
    return try files.read(path, sha256: hash)
  }
}

private func notListed(_ path: String) -> PocketBERTError {
  .damagedBundle(path: path, "\(path) is not among the files of this platform")
}
