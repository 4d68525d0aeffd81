import Foundation
import Observation
import PocketBERT

/// What the screens show and do.
///
/// One thing runs at a time, an answer or a self test. What is begun ends what ran before, which notices that between two
/// windows. Whatever fails becomes a state.
@MainActor
@Observable
public final class Demo {
  public private(set) var state: DemoState
  /// The text in the parts that are laid out by themselves; made once, not at each key of the question.
  private(set) var chunks: [Chunk]

  @ObservationIgnored private let openBundle: @Sendable () throws -> ModelBundle
  @ObservationIgnored private let choices: Choices
  @ObservationIgnored private var factories: [any EngineFactory]
  @ObservationIgnored private let slot = EngineSlot()
  @ObservationIgnored private var bundle: ModelBundle?
  @ObservationIgnored private var work: Task<Void, Never>?

  /// - Parameters:
  ///   - factories: Of all engines, in the order of the switch.
  ///   - input: What the fields hold at first.
  ///   - choices: That are remembered.
  ///   - openBundle: Finds, checks and reads the bundle; not called on the main thread.
  public init(
    factories: [any EngineFactory], input: Input, choices: Choices = Choices(),
    openBundle: @escaping @Sendable () throws -> ModelBundle
  ) {
    self.factories = factories
    self.choices = choices
    self.openBundle = openBundle
    let engines = factories.map { EngineChoice(backend: $0.backend, label: $0.label) }
    var input = input
    if !engines.contains(where: { $0.backend == input.backend }) { input.backend = engines.first?.backend ?? "" }
    state = DemoState(engines: engines, input: input)
    chunks = Chunk.cut(input.text)
    use(choices.computeUnits)
    load()
  }

  /// Returns when nothing runs any more.
  public func settle() async {
    while let current = work {
      await current.value
      if current == work { return }
    }
  }

  /// Looks for the bundle again.
  public func retry() {
    if case .failed = state.bundle { load() }
  }

  /// What lies over the screen. Another one ends what runs on this one.
  public var sheet: Sheet? {
    get { state.sheet }
    set {
      if newValue == state.sheet { return }
      stop()
      state.sheet = newValue
    }
  }

  /// The text, or as much of it as can be asked about.
  public var text: String {
    get { state.input.text }
    set { if !newValue.utf8.elementsEqual(text.utf8) { change(text: newValue) } }
  }

  /// The question, or the beginning of a long one.
  public var question: String {
    get { state.input.question }
    set {
      if newValue.utf8.elementsEqual(question.utf8) { return }
      stop()
      state.input.question = beginning(of: newValue, most: Input.mostOfQuestion).text
      state.answer = .idle
    }
  }

  /// The second text of a model that classifies two, or the beginning of a long one.
  public var pair: String {
    get { state.input.pair }
    set {
      if newValue.utf8.elementsEqual(pair.utf8) { return }
      stop()
      state.input.pair = beginning(of: newValue, most: Input.mostToEdit).text
      state.answer = .idle
      classifySoon()
    }
  }

  /// That is to answer. A question that was asked is asked again of another one.
  public var backend: String {
    get { state.input.backend }
    set { if newValue != backend { choose(newValue) } }
  }

  /// The engines that may run on one unit or another.
  var enginesWithUnits: [EngineChoice] {
    factories.filter { $0 is any ComputeUnitsFactory }.map { EngineChoice(backend: $0.backend, label: $0.label) }
  }

  /// What such an engine may run on, and nil is what the manifest says. A question that it was asked is asked again.
  public var computeUnits: ComputeUnits? {
    get { state.computeUnits }
    set { if newValue != computeUnits { choose(newValue) } }
  }

  /// How many texts the model classifies; nil where it answers questions, or is not open.
  var numClassifiedTexts: Int? { bundle?.numClassifiedTexts }

  /// The libraries of the engines, for the screen about the app.
  var libraries: [Library] { factories.flatMap(\.libraries) }

  /// Takes a text and a question about it from a sample.
  public func takeSample(_ text: String, question: String) {
    self.question = question
    self.text = text
  }

  /// Takes the text of a file, which may have to come from elsewhere first.
  public func openFile(_ file: URL) {
    guard bundle != nil else { return }
    stop()
    state.answer = .opening
    begin { [self] in
      let read = await Task.detached { Result { try file.reading { try readText(of: $0) } } }.value
      if Task.isCancelled { return }
      switch read {
      case .success(let text):
        state.answer = .idle
        change(text: text)
      case .failure(let error): state.answer = .failed(Problem.ofEngine(error, "", isOpening: false))
      }
    }
  }

  /// Asks the question, in place of what runs.
  public func ask() {
    guard bundle != nil, chosen != nil else { return }
    stop()
    state.answer = .answering
    ask(after: .zero)
  }

  private func ask(after pause: Duration) {
    guard let bundle, let factory = chosen else { return }
    let input = state.input
    begin { [self] in
      if pause > .zero {
        guard (try? await Task.sleep(for: pause)) != nil else { return }  // something else was begun
        state.answer = .answering
      }
      let answer = await answer(input, bundle, factory)
      if !Task.isCancelled { state.answer = answer }
    }
  }

  /// Runs the self test, in place of what runs.
  public func runSelfTest() {
    guard let bundle else { return }
    stop()
    let run = SelfTestRun(bundle: bundle, factories: factories, slot: slot) { [self] steps in
      if !Task.isCancelled { state.selfTest = .running(steps) }
    }
    state.selfTest = .running(run.steps)
    begin { [self] in
      await run.run()
      if !Task.isCancelled { state.selfTest = .done(run.steps) }
    }
  }

  /// Ends what runs.
  public func cancel() {
    stop()
  }

  /// Gives memory back, as the system asks for it.
  public func freeMemory() {
    Task { await slot.freeMemory() }
  }

  private func change(text: String) {
    guard let bundle else { return }
    stop()
    let kept = beginning(of: text, most: bundle.maxTextCharacters)
    state.input.text = kept.text
    chunks = Chunk.cut(kept.text)
    state.input.numLeftOut = kept.numLeftOut
    state.answer = .idle
    if kept.numLeftOut > 0 {
      let details = "\(kept.numLeftOut) characters were left out"
      state.answer = .failed(Problem(kind: .unreadableText(.context, .tooLong), details: details))
    }
    if kept.numLeftOut == 0 { classifySoon() }
    if state.sheet == .edit && !state.input.isEditable { state.sheet = nil }
  }

  /// Classifies what was written, once no more is written for a moment; another key begins anew.
  private func classifySoon() {
    guard bundle?.numClassifiedTexts != nil, !state.input.text.isEmpty else { return }
    ask(after: Self.pause)
  }

  private static let pause = Duration.milliseconds(300)

  private func choose(_ backend: String) {
    guard state.engines.contains(where: { $0.backend == backend }) else { return }
    let asksAgain = hasAsked
    stop()
    state.input.backend = backend
    state.answer = .idle
    if asksAgain { ask() }
  }

  private func choose(_ units: ComputeUnits?) {
    let asksAgain = hasAsked
    let isOfChosen = chosen is any ComputeUnitsFactory
    stop()
    state.selfTest = .notRun  // it told of the units before
    choices.computeUnits = units
    use(units)
    if !isOfChosen { return }
    state.answer = .idle
    if asksAgain { ask() }
  }

  private func use(_ units: ComputeUnits?) {
    state.computeUnits = units
    factories = factories.map { factory in
      guard var changed = factory as? any ComputeUnitsFactory else { return factory }
      changed.computeUnits = units
      return changed
    }
  }

  /// Whether another engine is to be asked what this one was.
  private var hasAsked: Bool {
    switch state.answer {
    case .idle, .opening: false
    case .preparing, .answering, .answered, .classified: true
    case .failed(let problem): problem.isOfEngine
    }
  }

  private var chosen: (any EngineFactory)? {
    factories.first { $0.backend == state.input.backend }
  }

  private func load() {
    stop()
    state.bundle = .loading
    let open = openBundle
    begin { [self] in
      let opened = await Task.detached { Result { try open() } }.value
      if Task.isCancelled { return }
      switch opened {
      case .success(let bundle):
        self.bundle = bundle
        state.bundle = .ready(ModelFacts(bundle))
        classifySoon()
      case .failure(let error):
        state.bundle = .failed(Problem.ofBundle(error))
      }
    }
  }

  private func answer(
    _ input: Input, _ bundle: ModelBundle, _ factory: any EngineFactory
  ) async -> AnswerState {
    do {
      let reader = try await slot.open(factory, of: bundle) { stage in
        if !Task.isCancelled { state.answer = stage == .preparing ? .preparing : .answering }
      }
      let begin = ContinuousClock.now
      if let numTexts = bundle.numClassifiedTexts {
        let found = try await reader.classify(input.text, numTexts == 2 ? input.pair : nil)
        return .classified(found, milliseconds: begin.duration(to: .now) / .milliseconds(1))
      }
      let answer = try await reader.ask(input.question, in: input.text)
      return .answered(answer, milliseconds: begin.duration(to: .now) / .milliseconds(1))
    } catch let error as NotOpened {
      return .failed(Problem.ofEngine(error.reason, factory.label, isOpening: true))
    } catch {
      let problem = Problem.ofEngine(error, factory.label, isOpening: false)
      // An engine that failed may be in any state; it is opened anew next time.
      if problem.isOfEngine && !(error is CancellationError) { await slot.close() }
      return .failed(problem)
    }
  }

  /// Begins a job once what ran has ended.
  private func begin(_ job: @escaping @MainActor () async -> Void) {
    let before = work
    work = Task {
      await before?.value
      if !Task.isCancelled { await job() }
    }
  }

  /// Ends what runs.
  private func stop() {
    work?.cancel()
    if state.answer.isRunning { state.answer = .idle }
    if case .running = state.selfTest { state.selfTest = .notRun }
  }
}

extension URL {
  /// Reads a file that the person chose, which may lie outside of what belongs to the app.
  fileprivate func reading<T>(_ read: (URL) throws -> T) throws -> T {
    #if canImport(Darwin)
      let isOutside = startAccessingSecurityScopedResource()
      defer { if isOutside { stopAccessingSecurityScopedResource() } }
    #endif
    return try read(self)
  }
}
