import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

/// What becomes of a question, through every state.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct AnswerTests {
  @Test("a question is answered, with the time that it took")
  func answered() async throws {
    let made = DemoFixture()
    #expect(made.demo.state.bundle == .loading)
    await made.demo.settle()
    guard case .ready = made.demo.state.bundle else {
      Issue.record("\(made.demo.state.bundle)")
      return
    }
    made.demo.ask()
    #expect(made.demo.state.answer == .answering)
    await made.demo.settle()
    #expect(made.answer?.text == "The")
    #expect(made.script.events == ["open First", "run First", "ran First"])
    made.demo.ask()
    await made.demo.settle()
    #expect(made.script.events.filter { $0.hasPrefix("open") }.count == 1, "the engine stays open")
    made.demo.question = "And then?"
    #expect(made.demo.state.answer == .idle, "an answer belongs to its question")
  }

  @Test("the first opening says that the model is being prepared, and can be cancelled")
  func preparing() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.script.change { $0.prepares = true }
    made.script.openingGate.shut()
    made.demo.ask()
    try await made.wait { made.demo.state.answer == .preparing }
    made.demo.cancel()
    #expect(made.demo.state.answer == .idle)
    await made.demo.settle()
    #expect(made.demo.state.answer == .idle)
    made.script.openingGate.open()
    made.demo.ask()
    await made.demo.settle()
    #expect(made.answer != nil)
  }

  @Test("whatever is done while it reads ends the answer, and what comes later is the later one's")
  func cancelled() async throws {
    let changes: [@MainActor (Demo) -> Void] = [
      { $0.cancel() }, { $0.text = "Another text." }, { $0.question = "Why?" }, { $0.sheet = .about },
      { $0.takeSample(Sample.all[0].text, question: Sample.all[0].questions[0]) },
    ]
    for change in changes {
      let made = DemoFixture()
      await made.demo.settle()
      made.script.gate.shut()
      made.demo.ask()
      try await made.wait { made.script.events.contains("run First") }
      change(made.demo)
      #expect(made.demo.state.answer == .idle)
      await made.demo.settle()
      #expect(made.demo.state.answer == .idle)
      made.script.gate.open()
      made.demo.ask()
      await made.demo.settle()
      #expect(made.answer != nil, "and may be asked again")
    }
  }

  @Test("another engine in the middle of an answer gives the answer")
  func switched() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.script.gate.shut()
    made.demo.ask()
    try await made.wait { made.script.events.contains("run First") }
    made.demo.backend = "second"
    #expect(made.demo.state.answer == .answering && made.demo.state.input.backend == "second")
    made.script.gate.open()
    await made.demo.settle()
    #expect(made.answer != nil)
    let order = made.script.events.filter { !$0.hasPrefix("r") }
    #expect(order == ["open First", "close First", "open Second"], "no two are open at once")
    made.demo.backend = "of no factory"
    #expect(made.demo.state.input.backend == "second" && made.answer != nil)
  }

  @Test("what is begun waits until what ran before has ended, however long that takes to notice")
  func oneAtATime() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.script.change { $0.noticesCancelling = false }
    made.script.gate.shut()
    made.demo.ask()
    try await made.wait { made.script.events.contains("run First") }
    made.demo.backend = "second"
    made.demo.runSelfTest()
    made.demo.ask()
    try await Task.sleep(for: .milliseconds(30))
    #expect(made.script.events == ["open First", "run First"])
    made.script.gate.open()
    await made.demo.settle()
    #expect(
      made.script.events == [
        "open First", "run First", "ran First", "close First", "open Second", "run Second", "ran Second",
      ])
    #expect(made.answer != nil)
  }

  @Test("an engine that does not open is told, and another may be tried")
  func notOpened() async throws {
    for (error, stage): (PocketBERTError, Problem.EngineStage) in [
      (.unsupportedArtifact("too new"), .checkingVersion), (.engineFailed("no memory"), .loading),
    ] {
      let made = DemoFixture()
      await made.demo.settle()
      made.script.change { $0.openingFails = error }
      made.demo.ask()
      await made.demo.settle()
      #expect(made.problem == .engineFailed(stage, engine: "First"))
      made.script.change { $0.openingFails = nil }
      made.demo.backend = "second"
      await made.demo.settle()
      #expect(made.answer != nil, "a switch asks again")
    }
    let lacking = DemoFixture(backends: ["coreml-of-nobody", "second"])
    await lacking.demo.settle()
    lacking.demo.ask()
    await lacking.demo.settle()
    #expect(lacking.problem == .engineFailed(.checkingVersion, engine: "First"))
  }

  @Test("an engine that fails while it runs is closed, and opened anew")
  func failed() async throws {
    struct Broken: Error {}
    for error: any Error in [Broken(), PocketBERTError.engineFailed("it gave up")] {
      let made = DemoFixture()
      await made.demo.settle()
      made.script.change { $0.runningFails = error }
      made.demo.ask()
      await made.demo.settle()
      #expect(made.problem == .engineFailed(.running, engine: "First"))
      #expect(made.script.events.last == "close First")
      made.script.change { $0.runningFails = nil }
      made.demo.ask()
      await made.demo.settle()
      #expect(made.answer != nil)
      #expect(made.script.events.filter { $0 == "open First" }.count == 2)
    }
  }

  @Test("a warning of memory reaches the engine that is open, and none is no harm")
  func memory() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.demo.freeMemory()
    made.demo.ask()
    await made.demo.settle()
    made.demo.freeMemory()
    try await made.wait { made.script.events.last == "free First" }
    made.demo.ask()
    await made.demo.settle()
    #expect(made.answer != nil)
  }
}
