import Foundation
import Testing

@testable import PocketBERT

/// What the three lines of an app meet.
struct ReaderTests {
  private let context = "What is it? The lamp was first lit in 1874, by a keeper of the harbour."

  private func reader(_ engine: any Engine) throws -> Reader { Reader(try Fixture.open(), engine: engine) }

  private func engine(
    _ seqLens: [Int]? = nil, _ change: @escaping @Sendable (Row, inout Outputs) throws -> Void = { _, _ in }
  ) throws -> ScriptedEngine {
    var artifact = try Fixture.open().artifact(for: "executorch")
    if let seqLens { artifact.seqLens = seqLens }
    return ScriptedEngine(artifact) { row in
      var outputs = ScriptedEngine.firstWord(of: row)
      try change(row, &outputs)
      return outputs
    }
  }

  private func problem(_ body: () async throws -> Void) async -> (any Error)? {
    do {
      try await body()
      return nil
    } catch {
      return error
    }
  }

  @Test("a bundle is opened, asked and closed in three lines")
  func threeLines() async throws {
    let factory = ScriptedFactory(engine: try engine())
    let reader = try await Reader(bundleAt: Fixture.bundle, publicKey: Fixture.publicKey(), with: factory)
    let answer = try await reader.ask("What is it?", in: context)
    await reader.close()
    #expect(answer.text == "What")
    #expect(answer.range(in: context).map { context[$0] } == "What")
    #expect(await factory.engine.isClosed)
  }

  @Test("an engine is opened for an action and closed, whatever becomes of that")
  func withReader() async throws {
    let bundle = try Fixture.open()
    for question in ["What is it?", ""] {
      let factory = ScriptedFactory(engine: try engine())
      let context = context
      do {
        let answer = try await PocketBERT.withReader(of: bundle, by: factory) {
          try await $0.ask(question, in: context)
        }
        #expect(answer.text == "What" && !question.isEmpty)
      } catch let error as PocketBERTError {
        #expect(question.isEmpty && error.localizedDescription == error.message && "\(error)" == error.message)
      }
      #expect(await factory.engine.isClosed)
    }
  }

  @Test("a text that holds nothing, or too much, is told, and which of the two it is")
  func unreadable() async throws {
    let reader = try reader(engine())
    let most = reader.bundle.maxTextCharacters
    let unknown = "ꙮ ꙮꙮ ꙮ what"
    for (text, reason): (String, UnreadableReason) in [
      ("", .empty), (" \n\u{0}\u{FFFD}", .empty), (String(repeating: "a ", count: most / 2 + 1), .tooLong),
      (String(repeating: "\u{301}", count: most + 1), .tooLong), (unknown, .unknownScript),
    ] {
      for part: TextPart in [.question, .context] {
        let (question, context) = part == .question ? (text, context) : ("What?", text)
        let error = await problem { _ = try await reader.ask(question, in: context) } as? PocketBERTError
        guard case .unreadableText(part, reason, _) = error else {
          Issue.record("\(text.prefix(9).debugDescription): \(String(describing: error))")
          continue
        }
      }
    }
    _ = try await reader.ask("What?", in: String(repeating: "a ", count: most / 2))
  }

  @Test("ten megabytes are refused at once", .timeLimit(.minutes(10)))
  func tenMegabytes() async throws {
    let reader = try reader(engine())
    let text = String(repeating: "lamp é 🍵 ", count: 1_000_000)
    let error = await problem { _ = try await reader.ask("What?", in: text) } as? PocketBERTError
    guard case .unreadableText(.context, .tooLong, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("a logit that is no number gives no answer, but only at the context's tokens")
  func noNumber() async throws {
    for logit: Float in [.nan, .infinity, -.infinity] {
      let broken = try engine { row, outputs in outputs["start_logits"]?[row.numTokens - 2] = logit }
      let error = await problem { _ = try await self.reader(broken).ask("What?", in: context) } as? PocketBERTError
      guard case .engineFailed(let message) = error, message.contains("not a number") else {
        Issue.record("\(String(describing: error))")
        continue
      }
      let harmless = try engine { _, outputs in outputs["start_logits"]?[0] = logit }
      #expect(try await reader(harmless).ask("What?", in: context).text == "What")
    }
  }

  @Test("an engine that fails, or gives too little, is told, and may be asked again")
  func brokenEngine() async throws {
    struct Broken: Error {}
    let changes: [@Sendable (Row, inout Outputs) throws -> Void] = [
      { _, _ in throw Broken() }, { _, outputs in outputs["end_logits"] = nil },
      { _, outputs in outputs["start_logits"] = [1, 2] }, { _, _ in throw PocketBERTError.engineFailed("its own") },
    ]
    for change in changes {
      let engine = try engine { row, outputs in try change(row, &outputs) }
      let error = await problem { _ = try await self.reader(engine).ask("What?", in: context) } as? PocketBERTError
      guard case .engineFailed = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  @Test("cancelling ends it before the next window", arguments: [1, 2, 3])
  func cancelled(_ most: Int) async throws {
    let engine = try engine([32])
    let reader = try reader(engine)
    let text = String(repeating: "\(context) ", count: 20)
    await engine.onRun { numRun in
      if numRun == most { withUnsafeCurrentTask { $0?.cancel() } }
    }
    let work = Task { try await reader.ask("What?", in: text) }
    let error = await problem { _ = try await work.value }
    #expect(error is CancellationError)
    #expect(await engine.numRun == most)
  }

  @Test("an answer behind characters of two units is marked where it stands")
  func positions() async throws {
    let text = "🍵e\u{301} lamp"
    let engine = try engine { row, outputs in
      // The last token of the context.
      outputs["start_logits"]?[row.numTokens - 2] = 9
      outputs["end_logits"]?[row.numTokens - 2] = 9
    }
    let answer = try await reader(engine).ask("What?", in: text)
    let range = try #require(answer.range(in: text))
    #expect(text[range] == answer.text && answer.utf16Range.upperBound == text.utf16.count)
    #expect(answer.range.upperBound == text.unicodeScalars.count)
    #expect(answer.range(in: "") == nil)
  }
}

/// Gives what it is told to.
actor ScriptedEngine: Engine {
  nonisolated let artifact: Artifact
  private let outputs: @Sendable (Row) throws -> Outputs
  private var observer: @Sendable (Int) -> Void = { _ in }
  private(set) var numRun = 0
  private(set) var isClosed = false

  init(_ artifact: Artifact, _ outputs: @escaping @Sendable (Row) throws -> Outputs) {
    self.artifact = artifact
    self.outputs = outputs
  }

  /// Calls an action in each run with how many there were.
  func onRun(_ observer: @escaping @Sendable (Int) -> Void) { self.observer = observer }

  func run(_ row: Row) throws -> Outputs {
    numRun += 1
    observer(numRun)
    return try outputs(row)
  }

  func close() { isClosed = true }

  /// Takes the first token of each window for the answer.
  static func firstWord(of row: Row) -> Outputs {
    var logits = [Float](repeating: 0, count: row.seqLen)
    logits[row.tokenTypeIDs.firstIndex(of: 1) ?? 0] = 5
    return ["start_logits": logits, "end_logits": logits]
  }
}

struct ScriptedFactory: EngineFactory {
  let backend = "executorch"
  let label = "Scripted"
  let engine: ScriptedEngine

  func open(
    _ artifact: Artifact, of bundle: ModelBundle, onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine {
    onStage(.loading)
    return engine
  }
}
