import CryptoKit
import Foundation
import Support
import Testing

@testable import PocketBERT

/// A task of one file that nothing else knows: it tells by three numbers of a row how a text is meant.
struct Mood: ModelTask {
  static let name = "mood"
  static let approximate: Set = ["score"]
  let leastTokens = 3

  let texts = [TextPart(name: "text", words: "words of the mood")]
  let outputs = [TaskOutput(name: "logits", isPerToken: false, width: 3)]
  let maxTextCharacters: Int
  private let labels: [String]
  private let check: TextCheck
  private let isLoud: Bool

  init(_ rules: inout JSONFields, labels: [String], _ tokenizer: TokenizerSettings) throws(Damage) {
    maxTextCharacters = try rules.integer("max_text_characters", in: 1...1000)
    isLoud = try rules.bool("is_loud")
    guard labels.count == 3 else { throw Damage("task.labels has not three labels") }
    self.labels = labels
    check = TextCheck(maxCharacters: maxTextCharacters, maxUnknownShare: 1, tokenizer)
  }

  func example(
    _ given: [String: String], _ tokenizer: any Tokenizer, seqLens: [Int]
  ) throws(PocketBERTError) -> any TaskExample {
    let longest = seqLens.last ?? 0
    let ids = [2] + (try check.read(texts[0], given["text"] ?? "", by: tokenizer)).ids.prefix(longest - 2) + [3]
    let seqLen = seqLens.first { $0 >= ids.count } ?? longest
    let padding = [Int32](repeating: 0, count: seqLen - ids.count)
    let row = Row(
      inputIDs: ids + padding, attentionMask: ids.map { _ in 1 } + padding,
      tokenTypeIDs: ids.map { _ in 0 } + padding, numTokens: ids.count)
    return Heard(rows: [row], labels: isLoud ? labels.map { $0.uppercased() } : labels)
  }

  private struct Heard: TaskExample {
    let rows: [Row]
    let labels: [String]
    var logits: [Float] = []

    func ranges(ofRow place: Int) -> [Range<Int>] { [] }

    mutating func add(_ outputs: Outputs, ofRow place: Int) { logits = outputs["logits"] ?? [] }

    func fields() -> [ExactString: TaskValue]? {
      guard logits.allSatisfy(\.isFinite), let most = logits.max(), let place = logits.firstIndex(of: most) else {
        return nil
      }
      return ["label": .string(ExactString(labels[place])), "score": .number(Double(most))]
    }
  }
}

/// A further task comes by one more file: manifest, vectors, self test and engines take it as it is.
struct FurtherTaskTests {
  private let temporary: Temporary
  private let folder: URL

  init() throws {
    temporary = try Temporary()
    folder = try temporary.copyBundle()
    try write()
  }

  /// Makes the bundle one for the mood of a text.
  private func write(
    logits: String = "[0.5,2.5,1.5]", answer: String = "{\"label\":\"CALM\",\"score\":2.5}",
    _ change: (inout [String: JSON]) -> Void = { _ in }
  ) throws {
    let ids = [2] + (try Fixture.open().tokenizer.tokenize("the lamp").ids) + [3]
    let vectors = """
      {"texts":[],"seq_lens":[32],"tolerances":{"executorch/model.pte":0.1},"examples":[{"texts":{"text":"the lamp"},\
      "rows":[{"seq_len":32,"input_ids":\(ids),"outputs":{"logits":\(logits)}}],"answer":\(answer),\
      "other_answer_in":[]}]}
      """
    try Data(vectors.utf8).write(to: folder.appendingPathComponent("vectors.json"))
    try rewriteManifest(in: folder) {
      $0["task"] = JSON([
        "name": .string("mood"), "labels": .array(["glad", "calm", "sad"].map { .string($0) }),
        "rules": JSON(["max_text_characters": .integer(100), "is_loud": .bool(true)]),
      ])
      $0.edit("files") { $0["vectors.json"] = .string(hexadecimal(SHA256.hash(data: Data(vectors.utf8)))) }
      let artifacts = $0["artifacts"]?.items ?? []
      $0["artifacts"] = .array(
        artifacts.map {
          var artifact = $0.members ?? [:]
          artifact.editFirst(of: "outputs") { $0["name"] = .string("logits") }
          return JSON(artifact)
        })
      change(&$0)
    }
  }

  private func open() throws -> ModelBundle { try ModelBundle(at: folder, tasks: knownTasks + [Mood.self]) }

  private func engine(_ logits: [Float]) throws -> ScriptedEngine {
    ScriptedEngine(try open().artifact(for: "executorch")) { row in
      #expect(row.seqLen == 32 && row.inputIDs.first == 2)
      return ["logits": logits]
    }
  }

  @Test("its bundle opens, its self test passes, and what is wrong with the model is found")
  func selfTest() async throws {
    let bundle = try open()
    #expect(bundle.maxTextCharacters == 100)
    let test = try SelfTest(bundle)
    #expect(test.checkReading() == [])
    let good = try await test.check(engine([0.5, 2.5, 1.5]))
    #expect(good.problems == [] && good.numSame == 1 && good.numAsked == 1)
    let other = try await test.check(engine([2.59, 2.5, 1.5]))
    #expect(other.problems.count == 2 && other.numSame == 0, "\(other.problems)")
    #expect(try await test.check(engine([.nan, 2.5, 1.5])).maxAbsDiff == .infinity)
    await #expect(throws: PocketBERTError.self) { try await test.check(engine([1, 2])) }
  }

  @Test("an app that does not know it says so, and its own rules and vectors are refused by name")
  func refused() throws {
    let folder = folder
    guard case .newerBundle(let message) = problem({ _ = try ModelBundle(at: folder) }) else {
      Issue.record("it is known")
      return
    }
    #expect(message.contains("made for a task that this app does not know: mood"))
    try write { $0.editRules { $0["max_text_characters"] = .integer(1001) } }
    #expect(problem { _ = try open() }?.message.contains("task.rules.max_text_characters is 1001") == true)
    try write { $0.editRules { $0["is_loud"] = .integer(1) } }
    #expect(problem { _ = try open() }?.message.contains("task.rules.is_loud") == true)
    for logits in ["[1,2]", "[1,2,3,4]"] {
      try write(logits: logits)
      #expect(problem { _ = try SelfTest(open()) }?.damagedPath == "vectors.json")
    }
    try write(answer: "{\"label\":\"GLAD\",\"score\":2.5}")
    #expect(try SelfTest(open()).checkReading().first?.contains("another answer") == true)
    try write(logits: "[0.5,null,1.5]", answer: "{\"label\":\"GLAD\",\"score\":null}")
    #expect(try SelfTest(open()).checkReading() == [], "the student itself gave no number")
  }

  @Test("it is asked no questions")
  func notAsked() async throws {
    let reader = Reader(try open(), engine: try engine([1, 2, 3]))
    do {
      _ = try await reader.ask("What?", in: "The lamp.")
      Issue.record("it answers")
    } catch let error as PocketBERTError {
      guard case .unsupportedArtifact(let message) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(message.contains("mood"))
    }
  }
}
