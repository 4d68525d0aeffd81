import PocketBERT

/// One run of the self test: the reading of texts, then each engine in turn.
@MainActor
final class SelfTestRun {
  private(set) var steps: [SelfTestStep]
  private let bundle: ModelBundle
  private let factories: [any EngineFactory]
  private let slot: EngineSlot
  private let publish: @MainActor ([SelfTestStep]) -> Void

  init(
    bundle: ModelBundle, factories: [any EngineFactory], slot: EngineSlot,
    publish: @escaping @MainActor ([SelfTestStep]) -> Void
  ) {
    self.bundle = bundle
    self.factories = factories
    self.slot = slot
    self.publish = publish
    let engines = factories.map { EngineChoice(backend: $0.backend, label: $0.label) }
    steps = [SelfTestStep(engine: nil)] + engines.map { SelfTestStep(engine: $0) }
  }

  /// Runs all steps; a task that is cancelled ends it before the next row.
  func run() async {
    set(0, .running(numRows: 0))
    let bundle = bundle
    let read = await Task.detached { Result { try SelfTest(bundle).checkReading() } }.value
    switch read {
    case .success(let problems): set(0, .read(problems: problems))
    case .failure(let error): set(0, .failed(Problem.ofBundle(error)))
    }
    for (place, factory) in factories.enumerated() where !Task.isCancelled {
      set(place + 1, .running(numRows: 0))
      set(place + 1, await check(factory, place + 1))
    }
  }

  private func check(_ factory: any EngineFactory, _ place: Int) async -> StepProgress {
    do {
      let reader = try await slot.open(factory, of: bundle) { stage in
        set(place, stage == .preparing ? .preparing : .running(numRows: 0))
      }
      let (rows, noted) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
      async let result = Self.test(bundle, reader.engine, noted)
      for await numRows in rows { set(place, .running(numRows: numRows)) }
      return .asked(try await result)
    } catch let error as NotOpened {
      return .failed(Problem.ofEngine(error.reason, factory.label, isOpening: true))
    } catch {
      if !(error is CancellationError) { await slot.close() }
      return .failed(Problem.ofEngine(error, factory.label, isOpening: false))
    }
  }

  private nonisolated static func test(
    _ bundle: ModelBundle, _ engine: any Engine, _ noted: AsyncStream<Int>.Continuation
  ) async throws -> EngineResult {
    defer { noted.finish() }
    return try await SelfTest(bundle).check(engine) { noted.yield($0) }
  }

  private func set(_ place: Int, _ progress: StepProgress) {
    steps[place].progress = progress
    publish(steps)
  }
}
