import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

/// The model of the screens, through every state.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct DemoTests {
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

  @Test("a question or a text that cannot be read is told, and the engine stays open")
  func unreadable() async throws {
    for (question, text, part, reason): (String, String, TextPart, UnreadableReason) in [
      ("", passage, .question, .empty), ("What?", "", .context, .empty), ("What?", " \n", .context, .empty),
      ("ꙮ ꙮ", passage, .question, .unknownScript), ("What?", "ꙮ ꙮ", .context, .unknownScript),
    ] {
      let made = DemoFixture(Input(text: text, question: question))
      await made.demo.settle()
      made.demo.ask()
      await made.demo.settle()
      #expect(made.problem == .unreadableText(part, reason))
      #expect(!made.script.events.contains("close First"))
    }
  }

  @Test("of ten megabytes the beginning is kept, and that is said")
  func tenMegabytes() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    let most = try Bundles.opened.get().maxTextCharacters
    let text = String(repeating: "lamp e\u{301} 🍵\n", count: 1_000_000)
    made.demo.text = text
    #expect(made.demo.state.input.text.unicodeScalars.count == most)
    #expect(made.demo.state.input.numLeftOut == text.unicodeScalars.count - most)
    #expect(made.problem == .unreadableText(.context, .tooLong) && !made.demo.state.input.isEditable)
    made.demo.question = String(repeating: "why ", count: 1_000_000)
    #expect(made.demo.state.input.question.unicodeScalars.count == 1000)
    made.demo.ask()
    await made.demo.settle()
    #expect(made.answer?.text == "lamp")
  }

  @Test("a text that only looks the same is another one")
  func equalTexts() async throws {
    let made = DemoFixture(Input(text: "caf\u{E9}", question: "o\u{F9}?"))
    await made.demo.settle()
    made.demo.text = "cafe\u{301}"
    made.demo.question = "ou\u{300}?"
    #expect(made.demo.state.input.text.unicodeScalars.count == 5)
    #expect(made.demo.state.input.question.unicodeScalars.count == 4)
    #expect(made.demo.chunks.map { $0.text.unicodeScalars.count } == [5])
  }

  @Test("a text that grows too long to edit ends editing")
  func editing() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.demo.sheet = .edit
    made.demo.text = "short"
    #expect(made.demo.state.sheet == .edit)
    made.demo.text = String(repeating: "a", count: Input.mostToEdit + 1)
    #expect(made.demo.state.sheet == nil)
  }

  @Test("every way in which a bundle is bad has a state of its own, and may be tried again")
  func badBundle() async throws {
    for (error, kind): (any Error, Problem.Kind) in [
      (PocketBERTError.noBundle("x"), .noBundle), (PocketBERTError.newerBundle("x"), .newerBundle),
      (PocketBERTError.damagedBundle(path: "a/b", "x"), .damagedBundle(path: "a/b")),
      (PocketBERTError.untrustedBundle("x"), .untrustedBundle), (CocoaError(.fileReadNoPermission), .unexpected),
      (PocketBERTError.unsupportedArtifact("nothing for ios"), .unexpected),
    ] {
      let isMended = Locked(false)
      let made = DemoFixture {
        if isMended.withLock({ $0 }) { return try Bundles.opened.get() }
        throw error
      }
      await made.demo.settle()
      guard case .failed(let problem) = made.demo.state.bundle else {
        Issue.record("\(error) is \(made.demo.state.bundle)")
        continue
      }
      #expect(problem.kind == kind && !problem.details.isEmpty)
      made.demo.ask()
      made.demo.text = "of no use"
      made.demo.runSelfTest()
      #expect(made.demo.state.answer == .idle && made.demo.state.selfTest == .notRun)
      isMended.withLock { $0 = true }
      made.demo.retry()
      #expect(made.demo.state.bundle == .loading)
      await made.demo.settle()
      guard case .ready = made.demo.state.bundle else {
        Issue.record("\(made.demo.state.bundle)")
        continue
      }
    }
  }

  @Test("a damaged bundle is told by what its opening says")
  func damagedBundle() async throws {
    let temporary = try Temporary()
    let folder = try temporary.copyBundle()
    try Data("other".utf8).write(to: folder.appendingPathComponent("executorch/model.pte"))
    let made = DemoFixture { try ModelBundle(at: folder) }
    await made.demo.settle()
    guard case .failed(let problem) = made.demo.state.bundle else {
      Issue.record("it opens")
      return
    }
    #expect(problem.kind == .damagedBundle(path: "executorch/model.pte"))
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

  @Test("the self test goes through the texts and both engines")
  func selfTest() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.demo.sheet = .selfTest
    made.demo.runSelfTest()
    #expect(made.demo.state.selfTest.steps.count == 3)
    await made.demo.settle()
    guard case .done(let steps) = made.demo.state.selfTest else {
      Issue.record("\(made.demo.state.selfTest)")
      return
    }
    #expect(steps[0].progress == .read(problems: []) && steps[0].progress.hasPassed == true)
    for step in steps.dropFirst() {
      // An engine that always takes the first word does not pass.
      guard case .asked(let result) = step.progress else {
        Issue.record("\(step)")
        continue
      }
      #expect(step.progress.hasPassed == false && !result.problems.isEmpty)
    }
    made.script.change { $0.openingFails = .engineFailed("x") }
    made.demo.runSelfTest()
    await made.demo.settle()
    // The second is still open; the first must be opened anew.
    guard case .failed(let problem) = made.demo.state.selfTest.steps[1].progress else {
      Issue.record("\(made.demo.state.selfTest)")
      return
    }
    #expect(problem.kind == .engineFailed(.loading, engine: "First"))
  }

  @Test("the self test can be stopped, and is stopped by leaving")
  func selfTestStopped() async throws {
    for stop: @MainActor (Demo) -> Void in [{ $0.cancel() }, { $0.sheet = nil }] {
      let made = DemoFixture()
      await made.demo.settle()
      made.demo.sheet = .selfTest
      made.script.gate.shut()
      made.demo.runSelfTest()
      try await made.wait { made.script.events.contains("run First") }
      stop(made.demo)
      #expect(made.demo.state.selfTest == .notRun)
      made.script.gate.open()
      await made.demo.settle()
      #expect(made.demo.state.selfTest == .notRun)
    }
  }

  @Test("the manifest says what the model runs on, a person may choose otherwise, and that is remembered")
  func computeUnits() async throws {
    let remembered = Remembered()
    let made = DemoFixture(choices: remembered.choices)
    await made.demo.settle()
    #expect(made.demo.computeUnits == nil)
    made.demo.computeUnits = .cpuOnly
    #expect(made.demo.state.computeUnits == .cpuOnly && made.demo.state.answer == .idle, "nothing was asked yet")
    made.demo.ask()
    await made.demo.settle()
    #expect(made.script.events.first == "open First on cpu-only" && made.answer != nil)
    made.demo.computeUnits = .cpuAndNeuralEngine
    #expect(made.demo.state.answer == .answering, "what was asked is asked again")
    await made.demo.settle()
    let order = made.script.events.filter { !$0.hasPrefix("r") }
    #expect(order == ["open First on cpu-only", "close First", "open First on cpu-and-ne"])
    let next = DemoFixture(choices: remembered.choices)
    await next.demo.settle()
    #expect(next.demo.computeUnits == .cpuAndNeuralEngine, "as it was chosen before")
    next.demo.computeUnits = nil
    next.demo.ask()
    await next.demo.settle()
    #expect(next.script.events.first == "open First")
    #expect(remembered.choices.computeUnits == nil)
    remembered.defaults.set("abacus", forKey: "compute_units")
    #expect(DemoFixture(choices: remembered.choices).demo.computeUnits == nil, "of an app that knew more")
  }

  @Test("another unit ends what runs, is of no matter to an engine that knows none, and is tested anew")
  func computeUnitsInTheMiddle() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.script.gate.shut()
    made.demo.ask()
    try await made.wait { made.script.events.contains("run First") }
    made.demo.computeUnits = .cpuAndGPU
    made.script.gate.open()
    await made.demo.settle()
    #expect(made.answer != nil && made.script.events.contains("open First on cpu-and-gpu"))
    made.demo.runSelfTest()
    await made.demo.settle()
    guard case .done = made.demo.state.selfTest else {
      Issue.record("\(made.demo.state.selfTest)")
      return
    }
    made.demo.computeUnits = .all
    await made.demo.settle()
    #expect(made.demo.state.selfTest == .notRun, "it told of other units")
    made.demo.backend = "second"
    await made.demo.settle()
    let (answer, numEvents) = (made.demo.state.answer, made.script.events.count)
    made.demo.computeUnits = .cpuOnly
    await made.demo.settle()
    #expect(made.demo.state.answer == answer && made.answer != nil && made.script.events.count == numEvents)
    made.script.change { $0.openingFails = .engineFailed("not on this unit") }
    made.demo.backend = "executorch"
    await made.demo.settle()
    #expect(made.problem == .engineFailed(.loading, engine: "First"))
    made.script.change { $0.openingFails = nil }
    made.demo.computeUnits = nil
    await made.demo.settle()
    #expect(made.answer != nil, "an engine that failed on one is tried on the other")
  }

  @Test("a file is read, and one that is no text is told")
  func files() async throws {
    let temporary = try Temporary()
    let folder = temporary.folder
    let made = DemoFixture()
    await made.demo.settle()
    func open(_ bytes: [UInt8]) throws {
      let file = folder.appendingPathComponent("text.txt")
      try Data(bytes).write(to: file)
      made.demo.openFile(file)
    }
    for bytes: [UInt8] in [
      Array("é🍵".utf8), [0xEF, 0xBB, 0xBF] + Array("é🍵".utf8), [0xFF, 0xFE, 0xE9, 0, 0x3C, 0xD8, 0x75, 0xDF],
      [0xFE, 0xFF, 0, 0xE9, 0xD8, 0x3C, 0xDF, 0x75],
    ] {
      try open(bytes)
      #expect(made.demo.state.input.text == "é🍵" && made.demo.state.answer == .idle)
    }
    for bytes: [UInt8] in [
      [0xFF, 0x61], [0x61, 0xED, 0xA0, 0x80], [0xFF, 0xFE, 0x3C, 0xD8], [0xFF, 0xFE, 0x75, 0xDF, 0x61, 0],
      [0xFF, 0xFE, 0x61],
    ] {
      try open(bytes)
      #expect(made.problem == .unreadableText(.context, .noUnicode), "\(bytes)")
      #expect(made.demo.state.input.text == "é🍵", "the text before is still there")
    }
    made.demo.openFile(folder.appendingPathComponent("absent.txt"))
    #expect(made.problem == .unreadableText(.context, .empty))
  }
}
