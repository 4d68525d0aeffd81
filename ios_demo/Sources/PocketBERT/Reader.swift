import Foundation

/// Reads texts with one engine, which it closes.
///
/// ```swift
/// let reader = try await Reader(bundleAt: folder, with: CoreMLFactory())
/// let answer = try await reader.ask("Who designed the lighthouse?", in: text)
/// await reader.close()
/// ```
public struct Reader: Sendable {
  public let bundle: ModelBundle
  public let engine: any Engine

  /// Opens a bundle and an engine for it.
  ///
  /// - Parameters:
  ///   - folder: The bundle's.
  ///   - publicKey: 32 bytes of Ed25519; given, the bundle must be signed by its owner.
  ///   - factory: Opens the engine.
  /// - Throws: `PocketBERTError`, or `CancellationError`.
  public init(
    bundleAt folder: URL, publicKey: Data? = nil, with factory: some EngineFactory
  ) async throws {
    let bundle = try ModelBundle(at: folder, publicKey: publicKey)
    let artifact = try bundle.artifact(for: factory.backend)
    self.init(bundle, engine: try await factory.open(artifact, of: bundle) { _ in })
  }

  public init(_ bundle: ModelBundle, engine: any Engine) {
    self.bundle = bundle
    self.engine = engine
  }

  /// Closes the engine.
  public func close() async {
    await engine.close()
  }
}
