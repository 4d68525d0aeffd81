// What views hold is recorded by the declarations of SwiftUI, which are on Linux alone.
#if os(Linux)
  import Accessibility
  import Foundation
  import PocketBERT
  import Support
  import SwiftUI
  import Testing

  @testable import PocketBERTUI

  /// The screen with the text, in every state.
  @MainActor
  @Suite(.timeLimit(.minutes(10)))
  struct AskViewTests {
    @Test("while the model is checked, that is said")
    func loading() {
      #expect(words(RootView(demo: DemoFixture().demo)) == ["Checking the model…"])
    }

    @Test("a bundle that is bad is told with advice, and may be tried again")
    func badBundle() async throws {
      for error: PocketBERTError in [
        .noBundle("why"), .damagedBundle(path: "a/b", "why"), .newerBundle("why"), .untrustedBundle("why"),
        .unsupportedArtifact("why"),
      ] {
        let made = DemoFixture { throw error }
        await made.demo.settle()
        let all = look(RootView(demo: made.demo))
        let said = Set(all.compactMap { $0.key ?? $0.verbatim })
        #expect(said.count >= 5 && said.isSuperset(of: ["why", "Try again"]))
        let button = try #require(all.first { $0.kind == "Button" })
        button.action?()
        #expect(made.demo.state.bundle == .loading)
        await made.demo.settle()
      }
    }

    @Test("the screen has text, question, engines, sources and the way to the others")
    func idle() async throws {
      let made = await readyDemo()
      let all = look(RootView(demo: made.demo))
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(
        said.isSuperset(of: [
          passage, "Question", "Engine", "First", "Second", "Ask", "Samples", "Open", "Edit", "Self-test",
          "About the model", "Settings", "%lld characters", "Nothing leaves this device. The app asks for no network.",
        ]))
      #expect(all.contains { $0.kind == "PasteButton" } && all.contains { $0.importFile != nil })
      #expect(!said.contains("Stop"))
    }

    @Test("an answer is marked in the text, bold and underlined, and can be shared")
    func answered() async throws {
      let made = await readyDemo()
      try touch("Ask", made.demo)
      #expect(words(RootView(demo: made.demo)).isSuperset(of: ["Reading the text…", "Stop"]))
      await made.demo.settle()
      let all = look(RootView(demo: made.demo))
      let mark = all.filter { $0.modifiers.contains("underline") && $0.modifiers.contains("bold") }
      #expect(mark.map(\.verbatim) == ["The"])
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(said.isSuperset(of: ["Answer", "Score %@", "%@ ms", "Share"]))
    }

    @Test("the preparation of the model is told, and can be stopped")
    func preparing() async throws {
      let made = await readyDemo()
      made.script.change { $0.prepares = true }
      made.script.openingGate.shut()
      made.demo.ask()
      try await made.wait { made.demo.state.answer == .preparing }
      let said = words(RootView(demo: made.demo))
      #expect(said.contains { $0.hasPrefix("Preparing the model for this device") } && said.contains("Stop"))
      try touch("Stop", made.demo)
      #expect(made.demo.state.answer == .idle)
      await made.demo.settle()
    }

    @Test("an engine that fails offers the other one, and a text that cannot be read does not")
    func failed() async throws {
      let made = await readyDemo()
      made.script.change { $0.openingFails = .engineFailed("why") }
      made.demo.ask()
      await made.demo.settle()
      #expect(words(RootView(demo: made.demo)).isSuperset(of: ["%@ could not load the model", "why", "Try %@"]))
      made.script.change { $0.openingFails = nil }
      try touch("Try %@", made.demo)
      await made.demo.settle()
      #expect(made.answer != nil)
      made.demo.text = ""
      made.demo.ask()
      await made.demo.settle()
      let said = words(RootView(demo: made.demo))
      #expect(said.contains("There is no text") && !said.contains("Try %@"))
    }

    @Test("a text that is too long to edit, or was cut, is told")
    func notes() async throws {
      let made = await readyDemo(Input(text: "", question: ""))
      #expect(words(RootView(demo: made.demo)).contains("No text yet. Pick a sample, paste a text, or write one."))
      made.demo.text = String(repeating: "a ", count: 200_000)
      let all = look(RootView(demo: made.demo))
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(said.contains("The text was too long. Its last %lld characters were left out."))
      #expect(said.contains("Too long to edit here. You can ask about it, or paste another one."))
      #expect(all.first { $0.kind == "Button" && $0.words == ["Edit"] }?.isDisabled == true)
    }

    @Test("a text is pasted, or read from a file that is chosen, and the keyboard asks")
    func sources() async throws {
      let made = await readyDemo()
      let all = look(RootView(demo: made.demo))
      let paste = try #require(all.first { $0.kind == "PasteButton" }?.paste)
      paste(["pasted", "not this"])
      #expect(made.demo.text == "pasted")
      let temporary = try Temporary()
      let file = temporary.folder.appendingPathComponent("text.txt")
      try Data("The lamp of a file.".utf8).write(to: file)
      let choose = try #require(all.first { $0.importFile != nil }?.importFile)
      choose(.failure(CocoaError(.userCancelled)))
      #expect(made.demo.state.answer == .idle && made.demo.text == "pasted")
      choose(.success(file))
      #expect(words(RootView(demo: made.demo)).isSuperset(of: ["Opening the file…", "Stop"]))
      await made.demo.settle()
      #expect(made.demo.text == "The lamp of a file.")
      let submit = try #require(all.first { $0.kind == "TextField" }?.submit)
      submit()
      await made.demo.settle()
      #expect(made.answer?.text == "The")
    }

    @Test("what is new is read out: an answer, a problem, the end of the self test")
    func announced() async throws {
      let made = await readyDemo()
      func said() -> [String] {
        let heard = Locked<[String]>([])
        Announced.$current.withValue({ words in heard.withLock { $0.append(words) } }) {
          for part in look(RootView(demo: made.demo)) { for change in part.changes { change() } }
        }
        return heard.withLock { $0 }
      }
      #expect(said() == [])
      made.demo.ask()
      #expect(said() == [], "it is not answered yet")
      await made.demo.settle()
      #expect(said() == ["The"])
      made.demo.question = ""
      made.demo.ask()
      await made.demo.settle()
      #expect(said() == ["There is no question"])
      made.demo.text = "another"
      made.demo.sheet = .selfTest
      made.demo.runSelfTest()
      #expect(said() == [])
      await made.demo.settle()
      #expect(said() == ["Something differs from what the model did when it was built."])
    }

    @Test("the text is scrolled to the part that holds the answer")
    func scrolled() async throws {
      let made = await readyDemo(Input(text: "???\n\n\(passage)", question: "What was it?"))
      made.demo.ask()
      await made.demo.settle()
      made.script.change { $0.takesLast = true }
      made.demo.backend = "second"
      await made.demo.settle()
      let answer = try #require(made.answer)
      let all = look(RootView(demo: made.demo))
      for part in all { for change in part.changes { change() } }
      let place = try #require(all.compactMap { $0.scrolled?.id }.first)
      #expect(answer.range.lowerBound > 5 && place == AnyHashable(5))
      #expect(all.contains { $0.modifiers.contains("id 5") })
    }

    @Test("with the largest letters the question scrolls with the text")
    func largeLetters() async throws {
      let made = await readyDemo()
      func fieldScrolls() -> Bool {
        let scroll = look(RootView(demo: made.demo)).first { $0.kind == "ScrollView" }
        return scroll?.all.contains { $0.kind == "TextField" } == true
      }
      #expect(!fieldScrolls())
      var values = EnvironmentValues()
      values.dynamicTypeSize = .accessibility1
      EnvironmentValues.$current.withValue(values) {
        #expect(fieldScrolls())
        #expect(look(RootView(demo: made.demo)).filter { $0.kind == "TextField" }.count == 1)
      }
    }

    @Test("questions to try belong to a sample, and are asked at a touch")
    func questionsToTry() async throws {
      let made = await readyDemo()
      #expect(!words(RootView(demo: made.demo)).contains("Questions to try"))
      let sample = Sample.all[1]
      made.demo.text = sample.text
      #expect(words(RootView(demo: made.demo)).isSuperset(of: sample.questions + ["Questions to try"]))
      try touch(sample.questions[2], made.demo)
      #expect(made.demo.question == sample.questions[2] && made.demo.state.answer == .answering)
      await made.demo.settle()
    }

    @Test("a sample brings its text and a question")
    func samples() async throws {
      for sample in Sample.all {
        let made = await readyDemo()
        try touch(sample.title, made.demo)
        #expect(made.demo.state.input.text == sample.text && sample.questions.contains(made.demo.state.input.question))
      }
    }
  }
#endif
