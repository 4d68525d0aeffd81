import Foundation
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

extension DemoFixture {
  /// A demo of a classifier, which has classified what it holds at first.
  static func classifying(
    _ problemType: String = "single_label_classification", isPair: Bool = false, labels: [String] = ["bad", "good"],
    text: String = passage
  ) async -> DemoFixture {
    let made = DemoFixture(Input(text: text, question: "")) {
      try Bundles.opened.get().classifying(problemType, isPair: isPair, labels: labels)
    }
    await made.demo.settle()
    return made
  }

  var found: Classification? {
    if case .classified(let found, _) = demo.state.answer { found } else { nil }
  }
}

/// A classifier on the screen: labels come while a text is written.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct ClassifyTests {
  @Test("the text is classified at once, and anew when it changes, once for many keys")
  func live() async throws {
    let made = await DemoFixture.classifying()
    #expect(made.found?.labels.first?.name == "good")
    let before = made.script.events.filter { $0 == "run First" }.count
    made.script.change { $0.logits = [2, 0] }
    for text in ["the", "the lamp", "the lamp was"] { made.demo.text = text }
    #expect(made.demo.state.answer == .idle, "nothing old stands beside a new text")
    await made.demo.settle()
    #expect(made.found?.labels.first?.name == "bad")
    #expect(made.script.events.filter { $0 == "run First" }.count == before + 1)
    made.demo.text = ""
    await made.demo.settle()
    #expect(made.demo.state.answer == .idle, "nothing is no mistake while one writes")
  }

  @Test("what runs is stopped, and another key ends it")
  func cancelled() async throws {
    let made = await DemoFixture.classifying()
    for change: @MainActor (Demo) -> Void in [{ $0.cancel() }, { $0.text = "" }, { $0.sheet = .about }] {
      made.demo.text = passage
      made.script.gate.shut()
      let before = made.script.events.filter { $0 == "run First" }.count
      made.demo.ask()
      try await made.wait { made.script.events.filter { $0 == "run First" }.count > before }
      change(made.demo)
      #expect(made.demo.state.answer == .idle)
      made.script.gate.open()
      await made.demo.settle()
      #expect(made.demo.state.answer == .idle)
      made.demo.sheet = nil
    }
  }

  @Test("two texts are wanted where the model takes two; another engine classifies anew; an engine that fails is told")
  func pairsAndEngines() async throws {
    let made = await DemoFixture.classifying(isPair: true)
    #expect(made.problem == .unreadableText(.textPair, .empty))
    made.demo.pair = "the lamp"
    await made.demo.settle()
    #expect(made.found != nil)
    made.demo.backend = "second"
    await made.demo.settle()
    #expect(made.found != nil && made.script.events.contains("open Second"))
    made.script.change { $0.runningFails = .some(PocketBERTError.engineFailed("why")) }
    made.demo.text = "another lamp"
    await made.demo.settle()
    #expect(made.problem == .engineFailed(.running, engine: "Second"))
    made.script.change {
      $0.runningFails = nil; $0.logits = [.nan, 0]
    }
    made.demo.ask()
    await made.demo.settle()
    #expect(made.problem == .engineFailed(.running, engine: "Second"))
  }
}

#if os(Linux)
  import Accessibility
  import Support
  import SwiftUI

  /// What the screen of a classifier holds, as the declarations of SwiftUI record it.
  @MainActor
  @Suite(.timeLimit(.minutes(10)))
  struct ClassifyViewTests {
    @Test("labels stand with bars and scores, the one that is set with a symbol and in words; it is read out")
    func labels() async throws {
      let made = await DemoFixture.classifying()
      let all = look(RootView(demo: made.demo))
      let bars = all.filter { $0.kind == "ProgressView" }
      #expect(bars.map { $0.words.filter { !$0.contains("%") } } == [["good"], ["bad"]])
      #expect(bars.allSatisfy { $0.words.contains { $0.hasSuffix("%") } })
      #expect(bars[0].all.contains { $0.symbol == "checkmark.circle" })
      #expect(bars[0].all.contains { $0.accessibilityLabel == "%@, set" })
      #expect(!bars[1].all.contains { $0.symbol != nil })
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(said.isSuperset(of: ["Labels", "Text", "Engine", "Label", "Share", "Samples", "Self-test", "Open"]))
      #expect(said.isDisjoint(with: ["Question", "Ask", "Second text"]))
      let heard = Locked<[String]>([])
      Announced.$current.withValue({ words in heard.withLock { $0.append(words) } }) {
        for part in all { for change in part.changes { change() } }
      }
      #expect(heard.withLock { $0 } == ["good"])
    }

    @Test("a number, a second text, what had no room, and what cannot be read are told")
    func others() async throws {
      let number = await DemoFixture.classifying(
        "regression", labels: [], text: String(repeating: "lamp ", count: 2_000))
      number.script.change { $0.logits = [3.5] }
      number.demo.ask()
      await number.demo.settle()
      #expect(
        words(RootView(demo: number.demo)).isSuperset(of: [
          "Number", "3.5", "The model had no room for the last %lld pieces of words.",
        ]))
      let pair = await DemoFixture.classifying(isPair: true)
      #expect(words(RootView(demo: pair.demo)).isSuperset(of: ["Second text", "There is no second text"]))
    }

    @Test("every part can be reached while it runs: it is stopped by its button")
    func running() async throws {
      let made = await DemoFixture.classifying()
      made.script.gate.shut()
      try touch("Label", made.demo)
      #expect(words(RootView(demo: made.demo)).isSuperset(of: ["Reading the text…", "Stop"]))
      try touch("Stop", made.demo)
      #expect(made.demo.state.answer == .idle)
      made.script.gate.open()
      await made.demo.settle()
    }
  }
#endif
