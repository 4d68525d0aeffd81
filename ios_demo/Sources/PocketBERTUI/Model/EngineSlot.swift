import PocketBERT

/// An engine did not open; the error inside says why.
struct NotOpened: Error {
  let reason: any Error
}

/// Holds at most one engine open, as two may not fit. One job after the other comes to it.
@MainActor
final class EngineSlot {
  private var held: (backend: String, units: ComputeUnits?, reader: Reader)?

  /// Opens the engine if another one, the same for other compute units, or none is open.
  ///
  /// - Parameter onStage: Is told what takes so long.
  /// - Throws: `NotOpened`, or `CancellationError`.
  func open(
    _ factory: any EngineFactory, of bundle: ModelBundle, onStage: (OpeningStage) -> Void
  ) async throws -> Reader {
    let units = (factory as? any ComputeUnitsFactory)?.computeUnits
    if let held, held.backend == factory.backend, held.units == units { return held.reader }
    await close()
    do {
      let artifact = try bundle.artifact(for: factory.backend)
      let (stages, noted) = AsyncStream.makeStream(of: OpeningStage.self)
      async let opened = Self.open(factory, artifact, bundle, noted)
      for await stage in stages { onStage(stage) }
      let reader = Reader(bundle, engine: try await opened)
      held = (factory.backend, units, reader)
      return reader
    } catch let error as CancellationError {
      throw error
    } catch {
      throw NotOpened(reason: error)
    }
  }

  /// Closes what is open.
  func close() async {
    guard let closed = held else { return }
    held = nil
    await closed.reader.close()
  }

  /// Gives back what can be had again.
  func freeMemory() async {
    await held?.reader.engine.freeMemory()
  }

  private nonisolated static func open(
    _ factory: any EngineFactory, _ artifact: Artifact, _ bundle: ModelBundle,
    _ noted: AsyncStream<OpeningStage>.Continuation
  ) async throws -> any Engine {
    defer { noted.finish() }
    return try await factory.open(artifact, of: bundle) { noted.yield($0) }
  }
}
