// What views hold is recorded by the declarations of SwiftUI, which are on Linux alone.
#if os(Linux)
  import Foundation
  import PocketBERT
  import PocketBERTExecuTorch
  import SwiftUI
  import Testing

  @testable import PocketBERTUI

  /// What the views hold in every state, as the declarations of SwiftUI record it.
  @MainActor
  @Suite(.timeLimit(.minutes(10)))
  struct ViewTests {
    private static let catalog: Set<String> = {
      let file = Bundle.module.url(forResource: "Localizable", withExtension: "xcstrings")
      let content = file.flatMap { try? Data(contentsOf: $0) }
        .flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
      return Set((content?["strings"] as? [String: Any] ?? [:]).keys)
    }()

    /// Returns all that a view holds, once it is known that every control has a label and every text is in the catalog.
    private func look(_ view: some View, _ place: SourceLocation = #_sourceLocation) -> [Recording] {
      let all = record(view).flatMap(\.all)
      for part in all {
        if let key = part.key {
          #expect(Self.catalog.contains(key), "\(key) is not in the catalog", sourceLocation: place)
          #expect(part.hasBundle, "\(key) is looked up in another catalog", sourceLocation: place)
        }
        switch part.kind {
        case "Button", "Menu", "Picker", "TextField", "ProgressView", "ShareLink", "PasteButton", "NavigationLink":
          #expect(!part.words.joined().isEmpty, "a \(part.kind) has no label", sourceLocation: place)
        case "TextEditor":
          #expect(part.accessibilityLabel != nil, "a \(part.kind) has no label", sourceLocation: place)
        case "Label":
          #expect(part.all.contains { $0.symbol != nil }, "a label has no symbol", sourceLocation: place)
        default: break
        }
      }
      return all
    }

    private func words(_ view: some View) -> Set<String> { Set(look(view).compactMap { $0.key ?? $0.verbatim }) }

    private func made(_ input: Input = Input(text: passage, question: "What was it?")) async -> DemoFixture {
      let made = DemoFixture(input)
      await made.demo.settle()
      return made
    }

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
      let made = await made()
      let all = look(RootView(demo: made.demo))
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(
        said.isSuperset(of: [
          passage, "Question", "Engine", "First", "Second", "Ask", "Samples", "Open", "Edit", "Self-test",
          "About the model", "Settings", "%lld characters", "Nothing leaves this device. The app asks for no network.",
        ]))
      #expect(all.contains { $0.kind == "PasteButton" } && all.contains { $0.modifiers.contains("fileImporter") })
      #expect(!said.contains("Stop"))
    }

    /// Touches the button that a word is on.
    private func touch(_ word: String, _ demo: Demo) throws {
      let buttons = look(RootView(demo: demo)).filter { $0.kind == "Button" && $0.words.contains(word) }
      try #require(buttons.first, "there is no button \(word)").action?()
    }

    @Test("an answer is marked in the text, bold and underlined, and can be shared")
    func answered() async throws {
      let made = await made()
      try touch("Ask", made.demo)
      #expect(words(RootView(demo: made.demo)).isSuperset(of: ["Reading the text…", "Stop"]))
      await made.demo.settle()
      let all = look(RootView(demo: made.demo))
      let mark = all.filter { $0.modifiers.contains("underline") && $0.modifiers.contains("bold") }
      #expect(mark.map(\.verbatim) == ["The"])
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(said.isSuperset(of: ["Answer", "Score %lld%%", "%@ ms", "Share"]))
    }

    @Test("the preparation of the model is told, and can be stopped")
    func preparing() async throws {
      let made = await made()
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
      let made = await made()
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

    @Test("every problem has words of its own")
    func problems() {
      var kinds: [Problem.Kind] = [.noBundle, .damagedBundle(path: "x"), .newerBundle, .untrustedBundle, .unexpected]
      for part in TextPart.allCases {
        kinds += UnreadableReason.allCases.map { .unreadableText(part, $0) }
      }
      kinds += Problem.EngineStage.allCases.map { .engineFailed($0, engine: "x") }
      var titles: Set<String> = []
      for kind in kinds {
        let problem = Problem(kind: kind, details: "why")
        _ = look(ProblemCard(problem: problem, others: [EngineChoice(backend: "a", label: "A")]) { _ in })
        titles.insert(problem.words.title.key)
      }
      #expect(titles.count == kinds.count)
    }

    @Test("a text that is too long to edit, or was cut, is told")
    func notes() async throws {
      let made = await made(Input(text: "", question: ""))
      #expect(words(RootView(demo: made.demo)).contains("No text yet. Pick a sample, paste a text, or write one."))
      made.demo.text = String(repeating: "a ", count: 200_000)
      let all = look(RootView(demo: made.demo))
      let said = Set(all.compactMap { $0.key ?? $0.verbatim })
      #expect(said.contains("The text was too long. Its last %lld characters were left out."))
      #expect(said.contains("Too long to edit here. You can ask about it, or paste another one."))
      #expect(all.first { $0.kind == "Button" && $0.words == ["Edit"] }?.isDisabled == true)
    }

    @Test("a sample brings its text and a question")
    func samples() async throws {
      for sample in Sample.all {
        let made = await made()
        try touch(sample.title, made.demo)
        #expect(made.demo.state.input.text == sample.text && sample.questions.contains(made.demo.state.input.question))
      }
    }

    @Test("the other screens open over it, and end")
    func screens() async throws {
      let made = await made()
      for (word, sheet, holds) in [
        ("Edit", Sheet.edit, "Edit text"), ("Self-test", .selfTest, "Run the test"),
        ("About the model", .about, "Licences"), ("Settings", .settings, "Runs on"),
      ] {
        try touch(word, made.demo)
        #expect(made.demo.state.sheet == sheet)
        #expect(words(RootView(demo: made.demo)).contains(holds))
        try touch("Done", made.demo)
        #expect(made.demo.state.sheet == nil)
      }
      let licences = try Bundles.opened.get().manifest.licences.keys.map(\.string)
      made.demo.sheet = .about
      #expect(words(RootView(demo: made.demo)).isSuperset(of: licences + ["A licence", "All of", "the licence."]))
      #expect(words(RootView(demo: made.demo)).isSuperset(of: ["A library of First", "A library of Second"]))
      made.demo.sheet = .edit
      try touch("Clear", made.demo)
      #expect(made.demo.state.input.text.isEmpty)
    }

    @Test("the screen about the app has the whole licence of ExecuTorch and of what it holds")
    func licences() async throws {
      let libraries = ExecuTorchFactory().libraries
      #expect(libraries.map(\.name).contains { $0.hasPrefix("ExecuTorch ") } && libraries.count > 5)
      let made = await made()
      guard case .ready(let facts) = made.demo.state.bundle else {
        Issue.record("\(made.demo.state.bundle)")
        return
      }
      let said = Set(look(AboutView(facts: facts, libraries: libraries) {}).compactMap(\.verbatim))
      #expect(said.contains(facts.task) && facts.task == "question-answering")
      for library in libraries {
        let lines = library.text.split(separator: "\n").map(String.init)
        #expect(library.text.count > 1000, "\(library.name)")
        #expect(said.isSuperset(of: lines + [library.name, library.licence]), "\(library.name)")
      }
    }

    @Test("what Core ML runs on is chosen among all there is, and where no engine knows units, nothing is")
    func settings() async throws {
      let made = await made()
      made.demo.sheet = .settings
      let all = look(SettingsView(demo: made.demo))
      let picker = try #require(all.first { $0.kind == "Picker" })
      let tags = picker.all.flatMap(\.modifiers).filter { $0.hasPrefix("tag ") }
      #expect(Set(tags).count == ComputeUnits.allCases.count + 1)
      #expect(Set(all.compactMap { $0.key ?? $0.verbatim }).isSuperset(of: ["Processor alone", "First"]))
      let choose = try #require(picker.choose)
      choose(ComputeUnits?.some(.cpuAndGPU) as Any)
      #expect(made.demo.computeUnits == .cpuAndGPU)
      choose(ComputeUnits?.none as Any)
      #expect(made.demo.computeUnits == nil)
      let none = Demo(
        factories: [ScriptedFactory(backend: "a", label: "A", script: made.script)], input: made.demo.state.input
      ) {
        try Bundles.opened.get()
      }
      await none.settle()
      #expect(!words(RootView(demo: none)).contains("Settings"))
    }

    @Test("every step of the self test is shown, whatever became of it")
    func selfTest() async throws {
      let made = await made()
      made.demo.sheet = .selfTest
      made.script.gate.shut()
      try touch("Run the test", made.demo)
      try await made.wait { made.script.events.contains("run First") }
      try await made.wait { words(SelfTestView(demo: made.demo)).contains("Running, %lld parts of texts so far") }
      #expect(words(SelfTestView(demo: made.demo)).isSuperset(of: ["Passed", "Waiting", "Stop", "Reading of texts"]))
      made.script.gate.open()
      await made.demo.settle()
      let said = words(SelfTestView(demo: made.demo))
      #expect(
        said.isSuperset(of: [
          "Failed", "Passed", "Something differs from what the model did when it was built.",
          "Largest difference %@, tolerance %@", "Same answers: %lld of %lld", "and %lld more",
        ]))
    }

    @Test(
      "a long text is cut into parts that lose nothing but ends of lines", arguments: [0, 1, 7, 1999, 2000, 2001, 9000])
    func chunks(_ size: Int) {
      for letter in ["a", "é ", "e\u{301}", "🍵", "ab\n\n"] {
        let text = String(repeating: letter, count: size)
        let chunks = Chunk.cut(text)
        #expect(chunks.map(\.text).joined().unicodeScalars.elementsEqual(text.unicodeScalars.filter { $0 != "\n" }))
        let scalars = Array(text.unicodeScalars)
        for chunk in chunks {
          let part = Array(chunk.text.unicodeScalars)
          #expect(
            part.count <= 2 * Chunk.mostCharacters && Array(scalars[chunk.start..<chunk.start + part.count]) == part)
        }
      }
      #expect(Chunk(start: 10, text: "abcdef").split(by: 12..<14)?.inside == "cd")
      #expect(Chunk(start: 10, text: "abcdef").split(by: 4..<12)?.inside == "ab")
      #expect(Chunk(start: 10, text: "abcdef").split(by: 16..<19) == nil)
      #expect(Chunk(start: 10, text: "abcdef").split(by: 2..<10) == nil)
    }

    @Test("colours that stand on each other can be told apart, by day and by night")
    func contrast() throws {
      for (text, ground) in [
        ("AnswerText", "AnswerBackground"), ("ProblemText", "ProblemBackground"), ("Mark", ""),
      ] {
        for isDark in [false, true] {
          let own = try luminance(text, isDark)
          let other = ground.isEmpty ? (isDark ? 0 : 1) : try luminance(ground, isDark)
          // WCAG 2.2, 1.4.3.
          #expect((max(own, other) + 0.05) / (min(own, other) + 0.05) >= 4.5, "\(text) on \(ground), dark: \(isDark)")
        }
      }
    }

    /// Source: WCAG 2.2, relative luminance.
    private func luminance(_ name: String, _ isDark: Bool) throws -> Double {
      struct ColorSet: Decodable {
        struct Entry: Decodable {
          struct Color: Decodable { let components: [String: String] }
          struct Appearance: Decodable { let value: String }
          let color: Color
          let appearances: [Appearance]?
        }
        let colors: [Entry]
      }
      let folder = try #require(Bundle.module.resourceURL)
      let file = folder.appendingPathComponent("Colors.xcassets/\(name).colorset/Contents.json")
      let colors = try JSONDecoder().decode(ColorSet.self, from: Data(contentsOf: file)).colors
      let entry = try #require(colors.first { ($0.appearances?.first?.value == "dark") == isDark })
      return try zip(["red", "green", "blue"], [0.2126, 0.7152, 0.0722]).reduce(0) { sum, part in
        let digits = try #require(entry.color.components[part.0]?.dropFirst(2))
        let value = Double(try #require(Int(digits, radix: 16))) / 255
        return sum + part.1 * (value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4))
      }
    }
  }
#endif
