import Foundation
import Testing

@testable import PocketBERT

/// A question of `answers.json` or `artifact-logits.json`, with all that follows of it.
struct AnsweredQuestion {
  struct Window {
    var inputIDs: [Int]
    var attentionMask: [Int]?
    var tokenTypeIDs: [Int]?
    var first: Int?
    var offsets: [Range<Int>]?
    var startLogits: [Double]
    var endLogits: [Double]
  }

  var question: String
  var context: String
  var seqLens: [Int]
  var windows: [Window]
  var text: String
  var utf16Range: Range<Int>
  var score: Double

  init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    question = try fields.string("question")
    context = try fields.string("context")
    seqLens = try fields.integers("seq_lens", in: Bounds.seqLen)
    windows = try fields.list("windows") { (value, place) throws(Damage) in
      try Window(stated.fields(of: value, at: place))
    }
    var answer = try fields.fields("answer")
    text = try answer.string("text")
    utf16Range = try answer.range("utf16_start", "utf16_end")
    score = try answer.number("score", in: 0...1)
  }

  /// Reads those of an object, under this key.
  static func read(_ key: String, _ json: JSON) throws -> [AnsweredQuestion] {
    var fields = try JSONFields(json, ignoresUnknown: true)
    let outer = fields
    return try fields.list(key) { (value, place) throws(Damage) in
      try AnsweredQuestion(outer.fields(of: value, at: place))
    }
  }

  func check(_ answer: Answer?) throws {
    let answer = try #require(answer)
    #expect(answer.text.isExactly(text))
    #expect(answer.utf16Range == utf16Range)
    let range = try #require(answer.range(in: context))
    #expect(String(context.unicodeScalars[range]).isExactly(text))
    #expect(abs(answer.score - score) <= 1e-9)
  }
}

extension JSONFields {
  /// Returns a range whose two ends are members.
  fileprivate mutating func range(_ start: String, _ end: String) throws(Damage) -> Range<Int> {
    let start = try integer(start, in: Bounds.places)
    return start..<(try integer(end, in: start...Bounds.places.upperBound))
  }
}

extension AnsweredQuestion.Window {
  init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    inputIDs = try fields.integers("input_ids", in: Bounds.ids)
    startLogits = try fields.numbersOrNull("start_logits").compactMap(\.self)
    endLogits = try fields.numbersOrNull("end_logits").compactMap(\.self)
    // What an artifact gave is written without these.
    guard fields.optionalValue("first") != nil else { return }
    first = try fields.integer("first", in: Bounds.tokens)
    attentionMask = try fields.integers("attention_mask", in: 0...1)
    tokenTypeIDs = try fields.integers("token_type_ids", in: 0...1)
    offsets = try fields.ranges("offsets")
  }
}
