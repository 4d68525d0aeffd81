import CryptoKit
import Foundation
import Support
import Testing

@testable import PocketBERT

/// The self test finds what is wrong on a phone: tokenizer, rows, decoder or engine.
struct SelfTestTests {
  private let bundle: ModelBundle
  private let vectors: Vectors
  private let artifact: Artifact

  init() throws {
    bundle = try Fixture.open()
    vectors = try bundle.readVectors()
    artifact = try bundle.artifact(for: "executorch")
  }

  /// Gives the student's own logits, changed, in the order of the questions.
  private func student(_ change: @escaping @Sendable (Float) -> Float = { $0 }) -> ScriptedEngine {
    let rows = vectors.examples.flatMap(\.rows)
    let known = Dictionary(rows.map { ($0.inputIDs, $0.outputs) }) { first, _ in first }
    return ScriptedEngine(artifact) { row in
      let stated = known[row.inputIDs.prefix(row.numTokens).map(Int.init)] ?? [:]
      return stated.mapValues { $0.map { change(Float($0 ?? .nan)) } }
    }
  }

  @Test("a good bundle has no problem")
  func good() async throws {
    #expect(try SelfTest(bundle).checkReading() == [])
    #expect(vectors.examples.contains { $0.rows.count > 1 } && vectors.texts.count > 10)
    let result = try await SelfTest(bundle).check(student())
    #expect(result.problems == [] && result.maxAbsDiff < 1e-5)
    #expect(result.numAsked > 1 && result.numSame == result.numAsked)
  }

  @Test("a tokenizer of other rules is found")
  func otherTokenizer() throws {
    let changes: [(inout TokenizerSettings) -> Void] = [
      { $0.cleanText = false }, { $0.handleChineseChars = false }, { $0.stripAccents = false },
      { $0.lowercase = false }, { $0.addedTokens = [:] }, { $0.maxInputCharsPerWord = 99 },
    ]
    for (place, change) in changes.enumerated() {
      let settings = bundle.manifest.tokenizer.with(change)
      let other = try WordPieceTokenizer(settings, read: BundleFiles(folder: bundle.folder).read)
      let problems = try SelfTest(bundle, tokenizer: other).checkReading()
      #expect(problems.first?.contains("other") == true, "change \(place)")
    }
  }

  @Test("other rows, and another decoder, are found")
  func otherRules() throws {
    func problems(_ change: (inout [ExactString: TaskValue]) -> Void) throws -> [String] {
      var manifest = bundle.manifest
      change(&manifest.task.rules)
      let task = try openTask(of: manifest, among: knownTasks)
      return ReadingTest(vectors: vectors, tokenizer: bundle.tokenizer, task: task).problems()
    }
    #expect(try problems { $0["window_overlap_tokens"] = .integer(7) }.first?.contains("other rows") == true)
    #expect(try problems { $0["max_answer_tokens"] = .integer(1) }.first?.contains("another answer") == true)
  }

  @Test("an answer that lacks a field, or has another, is found")
  func otherFields() throws {
    let changes: [(inout [ExactString: TaskValue?]) -> Void] = [
      { $0["text"] = nil }, { $0["text"] = .string("e\u{301}") }, { $0["start"] = .integer(1_000_000) },
      { $0["score"] = .number(2) }, { $0["score"] = .string("high") }, { $0["extra"] = .bool(true) },
      { $0 = [:] },
    ]
    for (place, change) in changes.enumerated() {
      var other = vectors
      change(&other.examples[0].answer)
      let problems = ReadingTest(vectors: other, tokenizer: bundle.tokenizer, task: bundle.task).problems()
      #expect(problems.count == 1 && problems.first?.contains("another answer") == true, "change \(place)")
    }
    var unknown = vectors
    unknown.examples[0].answer["score"] = .some(nil)  // the student gave no numbers
    #expect(ReadingTest(vectors: unknown, tokenizer: bundle.tokenizer, task: bundle.task).problems() == [])
  }

  @Test("an engine whose logits differ more than is tolerated is found")
  func tolerance() async throws {
    let tolerance = try #require(vectors.tolerances[ExactString(artifact.path)])
    let near = try await SelfTest(bundle).check(student { $0 + 0.9 * Float(tolerance) })
    #expect(near.problems == [])
    let far = try await SelfTest(bundle).check(student { $0 + 1.1 * Float(tolerance) })
    #expect(far.problems.count == vectors.examples.count)
    #expect(abs(far.maxAbsDiff - 1.1 * tolerance) < 1e-4 && far.numSame == far.numAsked)
  }

  @Test("an engine with another answer, or with no numbers, is found")
  func otherAnswers() async throws {
    let other = try await SelfTest(bundle).check(student { -$0 })
    #expect(other.numSame < other.numAsked && other.problems.contains { $0.contains("it answers") })
    let none = try await SelfTest(bundle).check(student { _ in .nan })
    #expect(none.maxAbsDiff == .infinity && none.numSame == 0)
  }

  @Test("an engine under a tokenizer that makes other rows is no crash")
  func otherWindows() async throws {
    let settings = bundle.manifest.tokenizer.with { $0.maxInputCharsPerWord = 1 }
    let letters = try WordPieceTokenizer(settings, read: BundleFiles(folder: bundle.folder).read)
    let engine = ScriptedEngine(artifact) { row in
      let logits = [Float](repeating: 0, count: row.seqLen)
      return ["start_logits": logits, "end_logits": logits]
    }
    #expect(try await SelfTest(bundle, tokenizer: letters).check(engine).problems.isEmpty == false)
  }

  @Test("cancelling ends the test, which tells how far it came")
  func cancelled() async throws {
    let engine = student()
    let test = try SelfTest(bundle)
    let work = Task {
      try await test.check(engine) { numRows in
        if numRows == 1 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }
    await #expect(throws: CancellationError.self) { try await work.value }
    #expect(await engine.numRun == 2)
  }

  @Test("vectors that cannot be read, or know nothing of an artifact, are told")
  func damaged() async throws {
    let temporary = try Temporary()
    let folder = try temporary.copyBundle()
    let file = folder.appendingPathComponent("vectors.json")
    let good = try Data(contentsOf: file)
    func write(_ bytes: Data) throws -> ModelBundle {
      try bytes.write(to: file)
      try rewriteManifest(in: folder) {
        $0.edit("files") { $0["vectors.json"] = .string(hexadecimal(SHA256.hash(data: bytes))) }
      }
      return try ModelBundle(at: folder)
    }
    for bad in [Data(), Data("{}".utf8), Data("[]".utf8), good.prefix(good.count / 2)] {
      let bundle = try write(bad)
      #expect(problem { _ = try SelfTest(bundle) }?.damagedPath == "vectors.json")
    }
    let text = String(decoding: good, as: UTF8.self)
    for (part, other) in [
      ("\"start_logits\":[", "\"start_logits\":[0,"), ("\"end_logits\":[", "\"other_logits\":["),
      ("\"question\":", "\"title\":"), ("\"start\":", "\"start\":{},\"begin\":"),
      ("\"start\":", "\"start\":[1,\"a\"],\"begin\":"),
      ("\"start\":", "\"start\":[\"a\",1],\"begin\":"),
    ] {
      let bundle = try write(Data(text.replacingOccurrences(of: part, with: other).utf8))
      #expect(problem { _ = try SelfTest(bundle) }?.damagedPath == "vectors.json", "\(part)")
    }
    let other = text.replacingOccurrences(
      of: "\"\(artifact.path)\":", with: "\"other\":")
    let test = try SelfTest(write(Data(other.utf8)))
    await #expect(throws: PocketBERTError.self) { try await test.check(student()) }
    // Changed after the bundle was opened.
    let bundle = try write(good)
    try Data("{}".utf8).write(to: file)
    #expect(problem { _ = try SelfTest(bundle) }?.damagedPath == "vectors.json")
  }
}

struct VersionsTests {
  private func problem(least: [ExactString: String], own: [String: String], ignoring: Set<String> = []) throws
    -> String?
  {
    var artifact = try Fixture.open().artifact(for: "executorch")
    artifact.requires = least
    let needy = artifact
    return PocketBERTTests.problem { try checkRuntime(of: needy, versions: own, ignoring: ignoring) }?.message
  }

  @Test(
    "a runtime that is as new runs it",
    arguments: [
      ("1.4", "1.4.1"), ("1.4.1", "1.4.1"), ("1.4.0", "1.4"), ("1.9", "1.10"), ("1.9.9", "2.0"), ("18", "18.0.1"),
      ("0", "0"),
    ])
  func newEnough(_ least: String, _ own: String) throws {
    #expect(try problem(least: ["ios": least], own: ["ios": own]) == nil)
  }

  @Test(
    "one that is older, or of no known version, is refused",
    arguments: [
      ("1.4.1", "1.4"), ("1.10", "1.9"), ("2.0", "1.99"), ("18", "17.9"), ("1.4", "1.4-rc1"), ("1.4", ""),
      ("1.4", "v2"),
      ("x", "1.4"), ("1.4", "٢.٤"), ("1.4", "9999999999"), ("1.4", "1..4"),
    ])
  func tooOld(_ least: String, _ own: String) throws {
    #expect(try problem(least: ["ios": least], own: ["ios": own])?.contains("ios \(least)") == true)
  }

  @Test("every runtime that it names must be there, but those of other systems")
  func all() throws {
    let least: [ExactString: String] = ["ios": "17", "macos": "14"]
    #expect(try problem(least: least, own: ["ios": "17"]) != nil)
    #expect(try problem(least: least, own: ["ios": "17"], ignoring: ["macos"]) == nil)
    #expect(try problem(least: [:], own: [:]) == nil)
  }
}
