import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

let passage = "The lamp was first lit in 1874, by a keeper of the harbour. It was changed in 1926."

/// The bundle that Python wrote, which is opened once.
enum Bundles {
  static let opened = Result { try ModelBundle(at: fixtureFolder.appendingPathComponent("bundle")) }
}

/// A gate at which engines wait; it is open unless it was closed.
final class Gate: Sendable {
  private let isShut = Locked(false)

  func shut() { isShut.withLock { $0 = true } }
  func open() { isShut.withLock { $0 = false } }

  /// Waits until it is open, or the task is cancelled.
  func pass() async throws {
    while isShut.withLock({ $0 }) {
      try Task.checkCancellation()
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  /// Waits until it is open, as an engine does that notices nothing in the middle of a row.
  func passUnnoticing() async {
    let waiting = Task.detached { try await self.pass() }
    _ = await waiting.result
  }
}

/// What engines do, and what was done with them.
final class Script: Sendable {
  struct State {
    var openingFails: PocketBERTError?
    var runningFails: (any Error)?
    var prepares = false
    var noticesCancelling = true
    /// Whether the last token of each window is the answer, and not its first.
    var takesLast = false
    /// What a classifier gives.
    var logits: [Float] = [0, 2]
    var events: [String] = []
  }

  let gate = Gate()
  let openingGate = Gate()
  private let state = Locked(State())

  var events: [String] { state.withLock { $0.events } }

  func change(_ change: @Sendable (inout State) -> Void) { state.withLock { change(&$0) } }
  func note(_ event: String) { state.withLock { $0.events.append(event) } }
  func read<T: Sendable>(_ path: @Sendable (State) -> T) -> T { state.withLock { path($0) } }
}

/// Takes the first token of each window for the answer, or does as the script says.
actor ScriptedEngine: Engine {
  nonisolated let artifact: Artifact
  private let name: String
  private let script: Script

  init(_ artifact: Artifact, _ name: String, _ script: Script) {
    self.artifact = artifact
    self.name = name
    self.script = script
  }

  func run(_ row: Row) async throws -> Outputs {
    script.note("run \(name)")
    defer { script.note("ran \(name)") }
    if script.read(\.noticesCancelling) {
      try await script.gate.pass()
    } else {
      await script.gate.passUnnoticing()
    }
    if let error = script.read(\.runningFails) { throw error }
    var logits = [Float](repeating: 0, count: row.seqLen)
    logits[script.read(\.takesLast) ? row.numTokens - 2 : row.tokenTypeIDs.firstIndex(of: 1) ?? 0] = 5
    return ["start_logits": logits, "end_logits": logits, "logits": script.read(\.logits)]
  }

  func freeMemory() { script.note("free \(name)") }
  func close() { script.note("close \(name)") }
}

struct ScriptedFactory: EngineFactory {
  let backend: String
  let label: String
  let script: Script
  var libraries: [Library] {
    [Library(name: "A library of \(label)", licence: "A licence", text: "All of\n\nthe licence.")]
  }

  func open(
    _ artifact: Artifact, of bundle: ModelBundle, onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine {
    try await open(artifact, "", onStage)
  }

  fileprivate func open(
    _ artifact: Artifact, _ units: String, _ onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine {
    script.note("open \(label)\(units)")
    if script.read(\.prepares) { onStage(.preparing) }
    try await script.openingGate.pass()
    onStage(.loading)
    if let error = script.read(\.openingFails) { throw error }
    return ScriptedEngine(artifact, label, script)
  }
}

/// The same on one compute unit or another.
struct UnitsFactory: ComputeUnitsFactory {
  var computeUnits: ComputeUnits?
  private let own: ScriptedFactory

  var backend: String { own.backend }
  var label: String { own.label }
  var libraries: [Library] { own.libraries }

  init(backend: String, label: String, script: Script) {
    own = ScriptedFactory(backend: backend, label: label, script: script)
  }

  func open(
    _ artifact: Artifact, of bundle: ModelBundle, onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine {
    try await own.open(artifact, computeUnits.map { " on \($0.rawValue)" } ?? "", onStage)
  }
}

/// A place of its own that choices are remembered in, as long as this is there.
@MainActor
final class Remembered {
  private let name = "pocketbert-test-\(UUID().uuidString)"
  let defaults: UserDefaults

  init() { defaults = UserDefaults(suiteName: name) ?? .standard }

  var choices: Choices { Choices(defaults) }

  deinit { UserDefaults().removePersistentDomain(forName: name) }
}

/// A demo with two engines, of which one has no artifact in the bundle.
@MainActor
struct DemoFixture {
  let script = Script()
  let demo: Demo

  init(
    _ input: Input = Input(text: passage, question: "What was it?"), backends: [String] = ["executorch", "second"],
    choices: Choices? = nil,
    open: @escaping @Sendable () throws -> ModelBundle = { try Bundles.opened.get().withSecondEngine() }
  ) {
    let first = UnitsFactory(backend: backends[0], label: "First", script: script)
    let second = ScriptedFactory(backend: backends[1], label: "Second", script: script)
    demo = Demo(factories: [first, second], input: input, choices: choices ?? remembered.choices, openBundle: open)
  }

  /// What the demo remembers, where nothing else was given.
  private let remembered = Remembered()

  /// Waits until something is so.
  func wait(_ isSo: () -> Bool, _ place: SourceLocation = #_sourceLocation) async throws {
    for _ in 0..<10_000 where !isSo() { try await Task.sleep(for: .milliseconds(1)) }
    #expect(isSo(), sourceLocation: place)
  }

  var answer: Answer? {
    if case .answered(let answer, _) = demo.state.answer { answer } else { nil }
  }

  var problem: Problem.Kind? {
    if case .failed(let problem) = demo.state.answer { problem.kind } else { nil }
  }
}

extension ModelBundle {
  /// Returns the same as a classifier, with the artifact for another engine, too.
  func classifying(
    _ problemType: String = "single_label_classification", isPair: Bool = false, labels: [String] = ["bad", "good"]
  ) throws -> ModelBundle {
    var changed = try withSecondEngine()
    let rules = """
      {"problem_type":"\(problemType)","pair":\(isPair),"long_text":"truncate","window_overlap_tokens":2,\
      "max_first_tokens":4,"threshold":0.5,"max_text_characters":100000,"max_unknown_share":0.5}
      """
    var fields = try JSONFields(JSONReader.read(Array(rules.utf8)))
    changed.task = try TextClassification(&fields, labels: labels, manifest.tokenizer)
    return changed
  }

  /// Returns the same with the artifact for another engine, too.
  func withSecondEngine() throws -> ModelBundle {
    var (changed, artifact) = (self, try artifact(for: "executorch"))
    artifact.backend = "second"
    changed.manifest.artifacts.append(artifact)
    return changed
  }
}
