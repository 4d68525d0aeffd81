// What views hold is recorded by the declarations of SwiftUI, which are on Linux alone.
#if os(Linux)
  import Foundation
  import PocketBERT
  import PocketBERTExecuTorch
  import SwiftUI
  import Testing

  @testable import PocketBERTUI

  /// The screens that lie over it.
  @MainActor
  @Suite(.timeLimit(.minutes(10)))
  struct ScreensTests {
    @Test("the other screens open over it, and end")
    func screens() async throws {
      let made = await readyDemo()
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
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Sources/PocketBERTExecuTorch/Licences").standardizedFileURL
      let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      let texts = try files.map { try String(contentsOf: $0, encoding: .utf8) }
      #expect(Set(libraries.map(\.text)) == Set(texts))
      let made = await readyDemo()
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
      let made = await readyDemo()
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
      let made = await readyDemo()
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
  }
#endif
