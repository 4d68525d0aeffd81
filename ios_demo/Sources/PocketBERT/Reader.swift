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

  /// Takes a bundle and an engine that are open.
  public init(_ bundle: ModelBundle, engine: any Engine) {
    self.bundle = bundle
    self.engine = engine
  }

  /// Closes the engine.
  public func close() async {
    await engine.close()
  }
}

/// Opens an engine for a bundle, gives both to an action, and closes the engine, whatever becomes of that.
///
/// - Throws: What the opening or the action throws.
public func withReader<Result: Sendable>(
  of bundle: ModelBundle, by factory: some EngineFactory, _ action: @Sendable (Reader) async throws -> Result
) async throws -> Result {
  let artifact = try bundle.artifact(for: factory.backend)
  let reader = Reader(bundle, engine: try await factory.open(artifact, of: bundle) { _ in })
  let result: Result
  do {
    result = try await action(reader)
  } catch {
    await reader.close()
    throw error
  }
  await reader.close()
  return result
}
