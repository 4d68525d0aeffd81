/// The file with what a bundle's self test compares with.
let vectorsFile = "vectors.json"

/// What a bundle's self test compares with; `vectors.schema.json` describes it.
struct Vectors: Sendable {
  var texts: [TextVector]
  var seqLens: [Int]
  var examples: [ExampleVector]
  var tolerances: [ExactString: Double]
}

/// A text and its tokens; offsets in code points and in UTF-16 units.
struct TextVector: Sendable {
  var text: String
  var ids: [Int]
  var offsets: [Range<Int>]
  var utf16Offsets: [Range<Int>]
}

/// An example, its rows and the student's answer.
struct ExampleVector: Sendable {
  /// By the names that the task gives.
  var texts: [String: String]
  var rows: [RowVector]
  /// By the names of its fields; nil where the student gave no number.
  var answer: [ExactString: TaskValue?]
  /// The artifacts that were seen to answer otherwise when the bundle was built.
  var otherAnswerIn: [String]

  /// What people know it by: the shortest of its texts.
  var name: String { texts.values.min { ($0.utf8.count, $0) < ($1.utf8.count, $1) } ?? "" }
}

/// A row without its padding, and what the student makes of it; offsets in code points.
struct RowVector: Sendable {
  var seqLen: Int
  var inputIDs: [Int]
  var offsets: [Range<Int>]
  /// By the names of the task's outputs; nil where the student gave no number.
  var outputs: [String: [Double?]]
}

extension ModelBundle {
  /// Reads what the self test compares with.
  ///
  /// - Throws: `damagedBundle` where the bundle has none, or they cannot be read.
  func readVectors() throws(PocketBERTError) -> Vectors {
    let bytes = try read(vectorsFile)
    return try PocketBERT.reading(vectorsFile) { () throws(Damage) in
      var fields = try JSONFields(JSONReader.read(bytes), ignoresUnknown: true)
      return try Vectors(&fields, of: task)
    }
  }
}

extension Vectors {
  init(_ fields: inout JSONFields, of task: any ModelTask) throws(Damage) {
    let outer = fields
    texts = try fields.list("texts") { (value, place) throws(Damage) in
      try TextVector(outer.fields(of: value, at: place))
    }
    seqLens = try fields.integers("seq_lens", in: Bounds.seqLen)
    try Bounds.checkSeqLens(seqLens, of: "it")
    try checkRoom(in: seqLens, of: "it", for: task)
    examples = try fields.list("examples") { (value, place) throws(Damage) in
      try ExampleVector(outer.fields(of: value, at: place), of: task)
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

extension ExampleVector {
  init(_ stated: JSONFields, of task: any ModelTask) throws(Damage) {
    var fields = stated
    var named = try fields.fields("texts")
    texts = [:]
    for text in task.texts { texts[text.name] = try named.string(text.name) }
    rows = try fields.list("rows") { (value, place) throws(Damage) in
      try RowVector(stated.fields(of: value, at: place), of: task)
    }
    answer = try fields.map("answer") { (value, place) throws(Damage) in
      if case .null = value { return nil }
      return try TaskValue(ofAnswer: value, at: place)
    }
    otherAnswerIn = try fields.strings("other_answer_in")
  }
}

extension RowVector {
  init(_ stated: JSONFields, of task: any ModelTask) throws(Damage) {
    var fields = stated
    seqLen = try fields.integer("seq_len", in: Bounds.seqLen)
    inputIDs = try fields.integers("input_ids", in: Bounds.ids)
    offsets = fields.optionalValue("offsets") == nil ? [] : try fields.ranges("offsets")
    var named = try fields.fields("outputs")
    outputs = [:]
    for output in task.outputs {
      let numbers = try named.numbersOrNull(output.name)
      guard numbers.count == output.count(numTokens: inputIDs.count) else {
        throw Damage("a row has \(numbers.count) numbers of \(output.name), which is not what it wants")
      }
      outputs[output.name] = numbers
    }
  }
}

extension JSONFields {
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
