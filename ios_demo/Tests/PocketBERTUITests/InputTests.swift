import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

/// What a person puts in, whatever it is.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct InputTests {
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

  @Test("a file is read, and one that is no text is told")
  func files() async throws {
    let temporary = try Temporary()
    let folder = temporary.folder
    let made = DemoFixture()
    await made.demo.settle()
    func open(_ bytes: [UInt8]) async throws {
      let file = folder.appendingPathComponent("text.txt")
      try Data(bytes).write(to: file)
      made.demo.openFile(file)
      #expect(made.demo.state.answer == .opening)
      await made.demo.settle()
    }
    for bytes: [UInt8] in [
      Array("é🍵".utf8), [0xEF, 0xBB, 0xBF] + Array("é🍵".utf8), [0xFF, 0xFE, 0xE9, 0, 0x3C, 0xD8, 0x75, 0xDF],
      [0xFE, 0xFF, 0, 0xE9, 0xD8, 0x3C, 0xDF, 0x75],
    ] {
      try await open(bytes)
      #expect(made.demo.state.input.text == "é🍵" && made.demo.state.answer == .idle)
    }
    for bytes: [UInt8] in [
      [0xFF, 0x61], [0x61, 0xED, 0xA0, 0x80], [0xFF, 0xFE, 0x3C, 0xD8], [0xFF, 0xFE, 0x75, 0xDF, 0x61, 0],
      [0xFF, 0xFE, 0x61],
    ] {
      try await open(bytes)
      #expect(made.problem == .unreadableText(.context, .noUnicode), "\(bytes)")
      #expect(made.demo.state.input.text == "é🍵", "the text before is still there")
    }
    made.demo.openFile(folder.appendingPathComponent("absent.txt"))
    await made.demo.settle()
    #expect(made.problem == .unreadableText(.context, .empty))
  }

  @Test("a file that takes long to come leaves the screen free, and can be stopped")
  func slowFile() async throws {
    let temporary = try Temporary()
    let file = temporary.folder.appendingPathComponent("slow.txt")
    try #require(mkfifo(file.path, 0o600) == 0)
    signal(SIGPIPE, SIG_IGN)  // one who reads may have left before all is written
    let made = DemoFixture()
    await made.demo.settle()
    made.demo.openFile(file)
    // Nothing comes out of a pipe until somebody writes into it.
    for _ in 0..<20 { try await Task.sleep(for: .milliseconds(1)) }
    #expect(made.demo.state.answer == .opening)
    made.demo.cancel()
    #expect(made.demo.state.answer == .idle && made.demo.text == passage)
    await Task.detached { try? Data("too late".utf8).write(to: file) }.value
    await made.demo.settle()
    #expect(made.demo.text == passage && made.demo.state.answer == .idle)
  }
}
