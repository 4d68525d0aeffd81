/// The tasks that this app knows. A further one is a file in `Tasks` and a place here.
let knownTasks: [any ModelTask.Type] = [QuestionAnswering.self, TextClassification.self]

/// A task with the rules and labels of one bundle: how texts become rows, and what a model gives an answer.
protocol ModelTask: Sendable {
  /// As the manifest calls it.
  static var name: String { get }
  /// The fields of an answer that may differ a little, such as `score`. All others are the same everywhere.
  static var approximate: Set<String> { get }

  /// - Parameters:
  ///   - rules: Of the manifest; all are to be taken.
  ///   - labels: Of the manifest.
  ///   - tokenizer: Of the manifest.
  /// - Throws: `Damage` where a rule is unknown, missing or out of its bounds.
  init(_ rules: inout JSONFields, labels: [String], _ tokenizer: TokenizerSettings) throws(Damage)

  /// The least that a row holds, its special tokens and one of a text.
  var leastTokens: Int { get }
  /// The texts that an example has.
  var texts: [TextPart] { get }
  /// What it reads of a model's outputs.
  var outputs: [TaskOutput] { get }
  /// Of one text, in code points; more is refused.
  var maxTextCharacters: Int { get }

  /// Returns the rows of an example.
  ///
  /// - Parameters:
  ///   - texts: By name.
  ///   - seqLens: The artifact's lengths, ascending.
  /// - Throws: `unreadableText` where a text is empty, too long, or cannot be read.
  func example(
    _ texts: [String: String], _ tokenizer: any Tokenizer, seqLens: [Int]
  ) throws(PocketBERTError) -> any TaskExample
}

/// Texts as rows, and their answer, which comes together as outputs are added.
protocol TaskExample {
  var rows: [Row] { get }

  /// Returns where the tokens of a row stand in the text that an answer lies in, in code points; empty where it lies in
  /// none.
  func ranges(ofRow place: Int) -> [Range<Int>]

  /// Adds what a model made of a row; of each row once, in order.
  ///
  /// - Parameter outputs: All that the task reads, in the numbers that it wants.
  mutating func add(_ outputs: Outputs, ofRow place: Int)

  /// Returns the fields of the answer as vectors state them, or nil where an output was not a finite number.
  func fields() -> [ExactString: TaskValue]?
}

/// One output that a task reads.
struct TaskOutput: Hashable, Sendable {
  let name: String
  /// Whether there are numbers for each token of a row, and not for the row.
  let isPerToken: Bool
  /// Of each token, or of the row.
  var width = 1

  /// Returns how many numbers tell something, padding left out.
  func count(numTokens: Int) -> Int { isPerToken ? width * numTokens : width }
}

/// The value of a rule, or of a field of an answer.
public enum TaskValue: Hashable, Sendable {
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(ExactString)
  /// Of an answer; no rule is a list.
  case strings([ExactString])
  /// Of an answer; no rule is a list.
  case numbers([Double])

  /// The value as a number, or as a list of them; nil where it is none.
  var numbers: [Double]? {
    switch self {
    case .integer(let integer): [Double(integer)]
    case .number(let number): [number]
    case .numbers(let numbers): numbers
    default: nil
    }
  }
}

extension TaskValue: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bool(let bool): "\(bool)"
    case .integer(let integer): "\(integer)"
    case .number(let number): "\(number)"
    case .string(let text): "“\(text.string)”"
    case .strings(let texts): texts.isEmpty ? "none" : texts.map { "“\($0.string)”" }.joined(separator: ", ")
    case .numbers(let numbers): "\(numbers)"
    }
  }
}

extension TaskValue {
  /// - Throws: `Damage` where the value is a list, an object or null.
  init(_ value: JSON, at place: String) throws(Damage) {
    switch value {
    case .bool(let bool): self = .bool(bool)
    case .integer(let integer):
      guard Bounds.wholes.contains(integer) else { throw Damage("\(place) is \(integer), which not every reader has") }
      self = .integer(integer)
    case .number(let number): self = .number(number)
    case .string(let text): self = .string(ExactString(text))
    default: throw Damage("\(place) is \(value.kind), not a number, a text, or true or false")
    }
  }

  /// Reads a field of an answer, which may be a list; an empty one is of texts.
  ///
  /// - Throws: `Damage` where the value, or one of a list, is an object or null, or the items are of several kinds.
  init(ofAnswer value: JSON, at place: String) throws(Damage) {
    guard case .array(let items) = value else {
      try self.init(value, at: place)
      return
    }
    if case .some(.integer) = items.first {
      self = .numbers(try Self.list(items, place, JSONFields.number))
    } else if case .some(.number) = items.first {
      self = .numbers(try Self.list(items, place, JSONFields.number))
    } else {
      self = .strings(try Self.list(items, place, JSONFields.string).map { ExactString($0) })
    }
  }

  private static func list<T>(
    _ items: [JSON], _ place: String, _ read: (JSON, String) throws(Damage) -> T
  ) throws(Damage) -> [T] {
    var values: [T] = []
    for item in items { values.append(try read(item, place)) }
    return values
  }

  /// The value of a rule; a list is none.
  fileprivate var json: JSON {
    switch self {
    case .bool(let bool): .bool(bool)
    case .integer(let integer): .integer(integer)
    case .number(let number): .number(number)
    case .string(let text): .string(text.string)
    case .strings(let texts): .array(texts.map { .string($0.string) })
    case .numbers(let numbers): .array(numbers.map { .number($0) })
    }
  }
}

/// Finds the task that a manifest names, and reads its rules.
///
/// - Throws: `newerBundle` where none has that name; `damagedBundle` where it does not take the rules, or no artifact gives
///   what it reads.
func openTask(of manifest: Manifest, among tasks: [any ModelTask.Type]) throws(PocketBERTError) -> any ModelTask {
  let name = manifest.task.name
  guard let kind = tasks.first(where: { $0.name.isExactly(name) }) else {
    throw .newerBundle("the bundle was made for a task that this app does not know: \(name)")
  }
  return try reading(manifestFile) { () throws(Damage) in
    var rules = try JSONFields(
      .object(manifest.task.object), at: "task.rules", ignoresUnknown: manifest.isNewerMinor)
    let task = try kind.init(&rules, labels: manifest.task.labels, manifest.tokenizer)
    try rules.finish()
    for artifact in manifest.artifacts {
      try checkRoom(in: artifact.seqLens, of: artifact.path, for: task)
      for output in task.outputs where !artifact.outputs.contains(where: { $0.name.isExactly(output.name) }) {
        throw Damage("\(artifact.path) gives no \(output.name)")
      }
    }
    return task
  }
}

/// Refuses lengths of which none has room for a token.
func checkRoom(in seqLens: [Int], of what: String, for task: any ModelTask) throws(Damage) {
  guard let longest = seqLens.last, longest >= task.leastTokens else {
    throw Damage("\(what) has no room for a token")
  }
}

extension TaskDescription {
  fileprivate var object: JSONObject {
    get throws(Damage) {
      var object = JSONObject()
      for (name, value) in rules { try object.add(name.string, value.json) }
      return object
    }
  }
}
