import Foundation

/// What a classifier makes of a text, or of two.
public struct Classification: Hashable, Sendable {
  /// A label and how sure the model is of it.
  public struct Label: Hashable, Sendable {
    /// As the model's makers call it.
    public var name: String
    /// A probability.
    public var score: Double
    /// Whether it holds: the one of the highest score, or of several labels each that is likely enough.
    public var isSet: Bool
  }

  /// By falling score; of equal ones that comes first which the model has first. Empty where it gives a number.
  public var labels: [Label]
  /// The number that a model gives which has no labels; nil for others.
  public var number: Double?
  /// Tokens at the end of the texts that the model was not given, as it had no room.
  public var numLeftOut: Int
}

extension TextPart {
  /// The text that is classified, or the first of two.
  public static let text = TextPart(name: "text", words: "text")
  /// The second of two.
  public static let textPair = TextPart(name: "text_pair", words: "second text")
}

/// How texts become rows and logits become labels.
struct ClassificationRules: Hashable, Sendable {
  enum ProblemType: String, Sendable {
    case singleLabel = "single_label_classification"
    case multiLabel = "multi_label_classification"
    case regression
  }

  /// What becomes of a text that a row does not hold.
  enum LongText: String, Sendable {
    case truncate
    case windows
  }

  var problemType: ProblemType
  var isPair: Bool
  var longText: LongText
  var windowOverlapTokens: Int
  /// Of the first of two texts, where the second is cut into windows.
  var maxFirstTokens: Int
  /// The least probability of a label that is set, where there are several.
  var threshold: Double
  /// Of a text, in code points.
  var maxTextCharacters: Int
  /// Of unknown tokens among those of a text.
  var maxUnknownShare: Double
}

extension ClassificationRules {
  init(_ fields: inout JSONFields) throws(Damage) {
    problemType = try fields.choice("problem_type")
    isPair = try fields.bool("pair")
    longText = try fields.choice("long_text")
    windowOverlapTokens = try fields.integer("window_overlap_tokens", in: Bounds.tokens)
    maxFirstTokens = try fields.integer("max_first_tokens", in: Bounds.seqLen)
    threshold = try fields.number("threshold", in: Bounds.share)
    maxTextCharacters = try fields.integer("max_text_characters", in: Bounds.textCharacters)
    maxUnknownShare = try fields.number("max_unknown_share", in: Bounds.share)
  }

  /// Refuses labels that do not go with the problem.
  func check(_ labels: [String]) throws(Damage) {
    let isRight =
      switch problemType {
      case .singleLabel: labels.count >= 2
      case .multiLabel: labels.count >= 1
      case .regression: labels.isEmpty
      }
    guard isRight else {
      throw Damage("task.labels: \(labels.count) labels do not go with the problem_type \(problemType.rawValue)")
    }
    guard Set(labels.map { ExactString($0) }).count == labels.count, labels.allSatisfy({ !$0.isEmpty }) else {
      throw Damage("task.labels: a label is empty, or there twice")
    }
  }
}

/// The task of text classification: labels with scores, or a number, for one text or two.
struct TextClassification: ModelTask {
  static let name = "text-classification"
  static let approximate: Set = ["score", "scores"]

  let rules: ClassificationRules
  let labels: [String]
  private let maker: RowMaker
  private let check: TextCheck

  var texts: [TextPart] { rules.isPair ? [.text, .textPair] : [.text] }
  /// `[CLS]`, one token and a `[SEP]`, and another `[SEP]` for a second text.
  var leastTokens: Int { 2 + texts.count }
  var outputs: [TaskOutput] { [TaskOutput(name: "logits", isPerToken: false, width: max(1, labels.count))] }
  var maxTextCharacters: Int { rules.maxTextCharacters }

  init(_ fields: inout JSONFields, labels: [String], _ tokenizer: TokenizerSettings) throws(Damage) {
    rules = try ClassificationRules(&fields)
    try rules.check(labels)
    self.labels = labels
    maker = RowMaker(tokenizer)
    check = TextCheck(
      maxCharacters: rules.maxTextCharacters, maxUnknownShare: rules.maxUnknownShare, tokenizer)
  }

  func example(
    _ texts: [String: String], _ tokenizer: any Tokenizer, seqLens: [Int]
  ) throws(PocketBERTError) -> any TaskExample {
    try labelled(texts[TextPart.text.name] ?? "", texts[TextPart.textPair.name], tokenizer, seqLens: seqLens)
  }

  /// - Parameter pair: Nothing for a model that takes one text.
  /// - Throws: `unreadableText` where a text cannot be read; `unsupportedArtifact` where the model takes two texts and
  ///   one was given, or the other way round.
  func labelled(
    _ text: String, _ pair: String?, _ tokenizer: any Tokenizer, seqLens: [Int]
  ) throws(PocketBERTError) -> LabelledText {
    guard rules.isPair == (pair != nil) else {
      throw .unsupportedArtifact(
        rules.isPair
          ? "the model takes two texts, text and text_pair, and only text was given"
          : "the model takes one text, and a second, text_pair, was given")
    }
    var read = [try check.read(.text, text, by: tokenizer)]
    if let pair { read.append(try check.read(.textPair, pair, by: tokenizer)) }
    return fit(read, seqLens: seqLens)
  }

  /// Rules 2 to 5: one row, or windows over the last text.
  private func fit(_ texts: [Tokens], seqLens: [Int]) -> LabelledText {
    let room = (seqLens.last ?? 0) - 1 - texts.count
    let last = texts[texts.count - 1]
    var kept = longestFirst(texts.map(\.count), room: room)
    var parts = [0..<kept[kept.count - 1]]
    if rules.longText == .windows {
      kept = texts.dropLast().map { min($0.count, rules.maxFirstTokens, room / 2) }
      let roomOfLast = room - kept.reduce(0, +)
      parts = windows(last.count, room: roomOfLast, overlap: rules.windowOverlapTokens)
      kept.append(last.count)
    }
    let firsts = zip(texts, kept).dropLast().map { $0.ids.prefix($1) }
    return LabelledText(
      rows: parts.map { maker.row(firsts + [last.ids[$0]], seqLens: seqLens) },
      ranges: parts.map { $0.map(last.range(of:)) }, numLeftOut: zip(texts, kept).reduce(0) { $0 + $1.0.count - $1.1 },
      rules: rules, labels: labels)
  }
}

/// Returns how many tokens of one text, or of two, are kept: the longer is cut first.
func longestFirst(_ sizes: [Int], room: Int) -> [Int] {
  guard sizes.count == 2 else { return sizes.map { min($0, room) } }
  if sizes[0] + sizes[1] <= room { return sizes }
  var (short, long) = (min(sizes[0], sizes[1]), max(sizes[0], sizes[1]))
  long = short > room ? short : max(short, room - short)
  if short + long > room { (short, long) = (room / 2, room - room / 2) }
  return sizes[0] <= sizes[1] ? [short, long] : [long, short]
}

/// A text as rows, and the sums of the logits that were added.
struct LabelledText: TaskExample {
  let rows: [Row]
  let ranges: [[Range<Int>]]
  /// Tokens of the texts that are in no row.
  let numLeftOut: Int
  fileprivate let rules: ClassificationRules
  fileprivate let labels: [String]
  private var sums: [Double] = []
  private var numAdded = 0

  fileprivate init(
    rows: [Row], ranges: [[Range<Int>]], numLeftOut: Int, rules: ClassificationRules, labels: [String]
  ) {
    self.rows = rows
    self.ranges = ranges
    self.numLeftOut = numLeftOut
    self.rules = rules
    self.labels = labels
    sums = Array(repeating: 0, count: max(1, labels.count))
  }

  func ranges(ofRow place: Int) -> [Range<Int>] { ranges[place] }

  mutating func add(_ outputs: Outputs, ofRow place: Int) {
    numAdded += 1
    for (place, logit) in (outputs["logits"] ?? []).prefix(sums.count).enumerated() { sums[place] += Double(logit) }
  }

  /// The means of the logits, by place; nil where one is no finite number.
  private var means: [Double]? {
    let means = sums.map { $0 / Double(numAdded) }
    return means.allSatisfy(\.isFinite) ? means : nil
  }

  /// By place, with whether each is set.
  private func scored(_ means: [Double]) -> [(score: Double, isSet: Bool)] {
    let largest = means.max() ?? 0
    switch rules.problemType {
    case .singleLabel:
      let powers = means.map { exp($0 - largest) }
      let sum = powers.reduce(0, +)
      let chosen = means.firstIndex(of: largest)
      return powers.enumerated().map { ($1 / sum, $0 == chosen) }
    case .multiLabel:
      return means.map(sigmoid).map { ($0, $0 >= rules.threshold) }
    case .regression: return []
    }
  }

  func fields() -> [ExactString: TaskValue]? {
    guard let means else { return nil }
    let scored = scored(means)
    let set = zip(labels, scored).filter(\.1.isSet).map { ExactString($0.0) }
    switch rules.problemType {
    case .singleLabel: return ["label": .string(set[0]), "scores": .numbers(scored.map(\.score))]
    case .multiLabel: return ["labels": .strings(set), "scores": .numbers(scored.map(\.score))]
    case .regression: return ["score": .number(means[0])]
    }
  }

  /// Returns what an app is given, or nil where a logit was not a finite number.
  func classification() -> Classification? {
    guard let means else { return nil }
    let scored = scored(means)
    let places = scored.indices.sorted { (-scored[$0].score, $0) < (-scored[$1].score, $1) }
    let isNumber = rules.problemType == .regression
    return Classification(
      labels: places.map { .init(name: labels[$0], score: scored[$0].score, isSet: scored[$0].isSet) },
      number: isNumber ? means[0] : nil, numLeftOut: numLeftOut)
  }
}

/// Returns a probability; nothing here overflows.
private func sigmoid(_ logit: Double) -> Double {
  let power = exp(-abs(logit))
  return logit >= 0 ? 1 / (1 + power) : power / (1 + power)
}

extension ModelBundle {
  /// How many texts a classifier takes, 1 or 2; nil where the bundle is of another task.
  public var numClassifiedTexts: Int? { (task as? TextClassification)?.texts.count }
}

extension Reader {
  /// Returns the labels of a text with their scores, or the number that a model without labels gives.
  ///
  /// ```swift
  /// let reader = try await Reader(bundleAt: folder, with: CoreMLFactory())
  /// let found = try await reader.classify("The bread was good.")
  /// let label = found.labels.first { $0.isSet }?.name
  /// ```
  ///
  /// Cancelling the task that waits for it ends it before the next row of a long text.
  ///
  /// - Parameters:
  ///   - text: The only text, or the first of two.
  ///   - pair: The second text, for a model of pairs.
  /// - Throws: `PocketBERTError.unreadableText` where a text is empty, too long, or cannot be read,
  ///   `PocketBERTError.engineFailed` where the engine failed or gave what is no number,
  ///   `PocketBERTError.unsupportedArtifact` where the bundle was made for another task, or for another number of texts,
  ///   or `CancellationError`.
  public func classify(_ text: String, _ pair: String? = nil) async throws -> Classification {
    guard let task = bundle.task as? TextClassification else {
      throw PocketBERTError.unsupportedArtifact(
        "the bundle was made for \(bundle.manifest.task.name), and does not classify")
    }
    var asked = try task.labelled(text, pair, bundle.tokenizer, seqLens: engine.artifact.seqLens)
    for (place, row) in asked.rows.enumerated() {
      try Task.checkCancellation()
      asked.add(try await engine.outputs(of: row, for: task), ofRow: place)
    }
    guard let found = asked.classification() else {
      throw PocketBERTError.engineFailed("the model gave a logit that is not a number")
    }
    return found
  }
}
