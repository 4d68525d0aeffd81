/// The file with what a bundle's self test compares with.
let vectorsFile = "vectors.json"

/// What a bundle's self test compares with; `vectors.schema.json` describes it.
struct Vectors: Sendable {
  var texts: [TextVector]
  var seqLens: [Int]
  var questions: [QuestionVector]
  var tolerances: [ExactString: Double]
}

/// A text and its tokens; offsets in code points and in UTF-16 units.
struct TextVector: Sendable {
  var text: String
  var ids: [Int]
  var offsets: [Range<Int>]
  var utf16Offsets: [Range<Int>]
}

/// A question, its windows and its answer.
struct QuestionVector: Sendable {
  var question: String
  var context: String
  var windows: [WindowVector]
  var answer: AnswerVector
  var otherAnswerIn: [String]
}

/// A row without its padding, and what the student makes of it; offsets in code points.
struct WindowVector: Sendable {
  var seqLen: Int
  var inputIDs: [Int]
  var offsets: [Range<Int>]
  var startLogits: [Double?]
  var endLogits: [Double?]
}

/// The student's answer.
struct AnswerVector: Sendable {
  var text: String
  var range: Range<Int>
  var utf16Range: Range<Int>
  var score: Double?
}

extension ModelBundle {
  /// Reads what the self test compares with.
  ///
  /// - Throws: `damagedBundle` where the bundle has none, or they cannot be read.
  func readVectors() throws(PocketBERTError) -> Vectors {
    let bytes = try read(vectorsFile)
    return try PocketBERT.reading(vectorsFile) { () throws(Damage) in
      var fields = try JSONFields(JSONReader.read(bytes), ignoresUnknown: true)
      return try Vectors(&fields)
    }
  }
}

extension Vectors {
  init(_ fields: inout JSONFields) throws(Damage) {
    let outer = fields
    texts = try fields.list("texts") { (value, place) throws(Damage) in
      try TextVector(outer.fields(of: value, at: place))
    }
    seqLens = try fields.integers("seq_lens", in: Bounds.seqLen)
    try Bounds.checkSeqLens(seqLens, of: "it")
    questions = try fields.list("questions") { (value, place) throws(Damage) in
      try QuestionVector(outer.fields(of: value, at: place))
    }
    tolerances = try fields.map("tolerances") { (value, place) throws(Damage) in
      try JSONFields.number(value, at: place)
    }
  }
}

extension TextVector {
  init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    text = try fields.string("text")
    ids = try fields.integers("ids", in: Bounds.ids)
    offsets = try fields.ranges("offsets")
    utf16Offsets = try fields.ranges("utf16_offsets")
  }
}

extension QuestionVector {
  init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    question = try fields.string("question")
    context = try fields.string("context")
    windows = try fields.list("windows") { (value, place) throws(Damage) in
      try WindowVector(stated.fields(of: value, at: place))
    }
    answer = try AnswerVector(fields.fields("answer"))
    otherAnswerIn = try fields.strings("other_answer_in")
  }
}

extension WindowVector {
  init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    seqLen = try fields.integer("seq_len", in: Bounds.seqLen)
    inputIDs = try fields.integers("input_ids", in: Bounds.ids)
    offsets = try fields.ranges("offsets")
    startLogits = try fields.numbersOrNull("start_logits")
    endLogits = try fields.numbersOrNull("end_logits")
    guard startLogits.count == inputIDs.count, endLogits.count == inputIDs.count else {
      throw Damage("a window has not one logit for each token")
    }
  }
}

extension AnswerVector {
  init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    text = try fields.string("text")
    range = try fields.range("start", "end")
    utf16Range = try fields.range("utf16_start", "utf16_end")
    score = try fields.numberOrNull("score")
  }
}

extension JSONFields {
  /// Returns a range whose two ends are members.
  mutating func range(_ start: String, _ end: String) throws(Damage) -> Range<Int> {
    let start = try integer(start, in: Bounds.places)
    return start..<(try integer(end, in: start...Bounds.places.upperBound))
  }

  /// Returns ranges that are lists of two numbers.
  mutating func ranges(_ key: String) throws(Damage) -> [Range<Int>] {
    try list(key) { (value, place) throws(Damage) in
      guard case .array(let ends) = value, ends.count == 2 else {
        throw Damage("\(place) is no range")
      }
      let start = try Self.integer(ends[0], at: place, in: Bounds.places)
      return start..<(try Self.integer(ends[1], at: place, in: start...Bounds.places.upperBound))
    }
  }
}
