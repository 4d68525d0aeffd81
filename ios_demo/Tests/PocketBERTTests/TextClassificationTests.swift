import Foundation
import Testing

@testable import PocketBERT

/// Labels of a text, by vectors of every kind of problem and by what an app calls.
struct TextClassificationTests {
  /// A rule or label of a classifier in a manifest.
  private static let rules: [String: JSON] = [
    "problem_type": .string("single_label_classification"), "pair": .bool(false), "long_text": .string("windows"),
    "window_overlap_tokens": .integer(2), "max_first_tokens": .integer(4), "threshold": .number(0.5),
    "max_text_characters": .integer(10_000), "max_unknown_share": .number(0.5),
  ]

  private func task(
    _ changes: [String: JSON?] = [:], labels: [String] = ["bad", "good"]
  ) throws -> TextClassification {
    var rules = Self.rules
    for (name, value) in changes { rules[name] = value }
    var fields = try JSONFields(JSON(rules), at: "task.rules")
    let made = try TextClassification(&fields, labels: labels, Fixture.settings("uncased").tokenizer)
    try fields.finish()
    return made
  }

  private func reader(
    _ task: TextClassification, seqLens: [Int] = [8, 16], _ logits: @escaping @Sendable (Row) -> [Float]
  ) throws -> (Reader, ScriptedEngine) {
    var bundle = try Fixture.open()
    bundle.task = task
    var artifact = try bundle.artifact(for: "executorch")
    artifact.seqLens = seqLens
    let engine = ScriptedEngine(artifact) { ["logits": logits($0)] }
    return (Reader(bundle, engine: engine), engine)
  }

  @Test("every example gives the rows, and every answer, of Python")
  func vectors() throws {
    let (settings, tokenizer) = (try Fixture.settings("uncased").tokenizer, try Fixture.tokenizer("uncased"))
    let json = try Fixture.json(Fixture.vectors.appendingPathComponent("uncased/labels.json"))
    let vectors = try #require(json.members?["labels"]?.items)
    var seen: Set<String> = []
    for vector in vectors {
      let members = try #require(vector.members)
      let stated = try #require(members["task"]?.members)
      var rules = try JSONFields(#require(stated["rules"]), at: "task.rules")
      var outer = try JSONFields(vector, ignoresUnknown: true)
      var described = try outer.fields("task")
      let task = try TextClassification(&rules, labels: described.strings("labels"), settings)
      try rules.finish()
      seen.insert("\(task.rules.problemType) \(task.rules.isPair) \(task.rules.longText)")
      let texts = try outer.stringMap("texts")
      var example = try task.labelled(
        try #require(texts["text"]), texts["text_pair"], tokenizer,
        seqLens: outer.integers("seq_lens", in: Bounds.seqLen))
      #expect(try (example.numLeftOut > 0) == outer.bool("is_cut"))
      let rows = try #require(members["rows"]?.items)
      #expect(example.rows.count == rows.count)
      for (place, row) in rows.enumerated() where place < example.rows.count {
        var fields = try JSONFields(row, ignoresUnknown: true)
        let own = example.rows[place]
        #expect(try own.inputIDs.map(Int.init) == fields.integers("input_ids", in: Bounds.ids))
        #expect(try own.attentionMask.map(Int.init) == fields.integers("attention_mask", in: 0...1))
        #expect(try own.tokenTypeIDs.map(Int.init) == fields.integers("token_type_ids", in: 0...1))
        #expect(try example.ranges(ofRow: place) == fields.ranges("offsets"))
        example.add(["logits": try fields.numbersOrNull("logits").map { Float($0 ?? .nan) }], ofRow: place)
      }
      let answer = try outer.map("answer") { (value, place) throws(Damage) in try TaskValue(ofAnswer: value, at: place)
      }
      let found = try #require(example.fields())
      #expect(Set(found.keys) == Set(answer.keys))
      for (name, value) in answer {
        guard let numbers = value.numbers else {
          #expect(found[name] == value, "\(name)")
          continue
        }
        let own = try #require(found[name]?.numbers)
        #expect(own.count == numbers.count && zip(own, numbers).allSatisfy { abs($0 - $1) <= 1e-4 }, "\(name)")
      }
    }
    #expect(seen.count == 12, "every kind of problem, one text and two, truncated and in windows")
  }

  @Test("a text is classified in windows, whose logits are averaged; labels come by falling score, ties by place")
  func classified() async throws {
    let (reader, engine) = try reader(task(labels: ["bad", "good", "fair"]), seqLens: [8]) { row in
      row.numTokens == 8 ? [0, 2, 2] : [0, 2, 2]
    }
    let found = try await reader.classify(String(repeating: "the lamp ", count: 20))
    #expect(await engine.numRun > 1)
    #expect(found.labels.map(\.name) == ["good", "fair", "bad"] && found.labels.map(\.isSet) == [true, false, false])
    #expect(abs(found.labels.map(\.score).reduce(0, +) - 1) < 1e-12)
    #expect(found.number == nil && found.numLeftOut == 0)
  }

  @Test("several labels are set by the threshold, or none is")
  func severalLabels() async throws {
    let task = try task(["problem_type": .string("multi_label_classification")])
    for (logits, set): ([Float], [String]) in [
      ([0, -1], ["bad"]), ([-800, 800], ["good"]), ([-1, -1], []), ([1, 2], ["good", "bad"]),
    ] {
      let found = try await reader(task) { _ in logits }.0.classify("the lamp")
      #expect(found.labels.filter(\.isSet).map(\.name) == set)
      #expect(found.labels.allSatisfy { (0...1).contains($0.score) })
    }
  }

  @Test("a number comes as it is, and a text that has no room is told")
  func number() async throws {
    let task = try task(["problem_type": .string("regression"), "long_text": .string("truncate")], labels: [])
    let found = try await reader(task, seqLens: [8]) { _ in [3.5] }.0.classify(String(repeating: "lamp ", count: 20))
    #expect(found.number == 3.5 && found.labels.isEmpty && found.numLeftOut > 0)
  }

  @Test("two texts are taken where the model takes two, each is checked, and the other way round is refused by name")
  func pairs() async throws {
    let separator = Int32(try #require(Fixture.open().manifest.tokenizer.specialTokens["[SEP]"]))
    let two = try reader(task(["pair": .bool(true)])) { row in
      #expect(row.inputIDs.filter { $0 == separator }.count == 2)
      return [0, 1]
    }.0
    #expect(try await two.classify("the lamp", "the lamp").labels.first?.name == "good")
    let one = try reader(task()) { _ in [0, 1] }.0
    func problem(_ reader: Reader, _ text: String, _ pair: String?) async -> PocketBERTError? {
      do {
        _ = try await reader.classify(text, pair)
        return nil
      } catch {
        return error as? PocketBERTError
      }
    }
    #expect(await problem(two, "the lamp", nil)?.message.contains("takes two texts, text and text_pair") == true)
    #expect(await problem(one, "the lamp", "the lamp")?.message.contains("takes one text") == true)
    for (text, pair, part): (String, String, TextPart) in [("", "the lamp", .text), ("the lamp", " ", .textPair)] {
      guard case .unreadableText(part, .empty, _) = await problem(two, text, pair) else {
        Issue.record("\(part.name)")
        continue
      }
    }
    #expect(
      await problem(try reader(task()) { _ in [.nan, 1] }.0, "the lamp", nil)?.message.contains("number") == true)
    #expect(
      await problem(Reader(try Fixture.open(), engine: two.engine), "the lamp", nil)?.message.contains(
        "question-answering") == true)
  }

  @Test("cancelling ends it before the next row")
  func cancelled() async throws {
    let (reader, engine) = try reader(task(), seqLens: [8]) { _ in [0, 1] }
    await engine.onRun { if $0 == 2 { withUnsafeCurrentTask { $0?.cancel() } } }
    let work = Task { try await reader.classify(String(repeating: "the lamp ", count: 20)) }
    await #expect(throws: CancellationError.self) { try await work.value }
    #expect(await engine.numRun == 2)
  }

  @Test("rules that are unsafe, and labels that do not go with the problem, are refused by name")
  func refused() throws {
    func refusal(_ changes: [String: JSON?], _ labels: [String] = ["bad", "good"]) -> String? {
      do {
        _ = try task(changes, labels: labels)
        return nil
      } catch {
        return (error as? Damage)?.message
      }
    }
    #expect(refusal([:]) == nil)
    for name in Self.rules.keys {
      #expect(refusal([name: JSON?.none])?.contains("task.rules.\(name) is missing") == true, "\(name)")
      #expect(refusal([name: .array([])])?.contains("task.rules.\(name) is") == true, "\(name)")
    }
    #expect(refusal(["extra": .bool(true)])?.contains("task.rules.extra is not known") == true)
    for (name, value): (String, JSON) in [
      ("problem_type", .string("ranking")), ("long_text", .string("forget")), ("window_overlap_tokens", .integer(-1)),
      ("window_overlap_tokens", .integer(8193)), ("max_first_tokens", .integer(0)),
      ("max_first_tokens", .integer(8193)),
      ("threshold", .number(1.1)), ("threshold", .number(-0.1)), ("max_text_characters", .integer(0)),
      ("max_text_characters", .integer(10_000_001)), ("max_unknown_share", .number(2)),
    ] {
      #expect(refusal([name: value])?.contains("task.rules.\(name)") == true, "\(name)")
    }
    for labels in [[], ["one"], ["one", "one"], ["one", ""]] {
      #expect(refusal([:], labels)?.contains("task.labels") == true, "\(labels)")
    }
    #expect(refusal(["problem_type": .string("regression")])?.contains("2 labels do not go") == true)
    #expect(refusal(["problem_type": .string("multi_label_classification")], [])?.contains("0 labels") == true)
    #expect(refusal(["problem_type": .string("multi_label_classification")], ["one"]) == nil)
    #expect(refusal([:], ["\u{E9}", "e\u{301}"]) == nil, "two that only look the same")
  }
}
