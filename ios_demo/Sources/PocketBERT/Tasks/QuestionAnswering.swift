import Foundation

/// A span of the text that answers a question.
public struct Answer: Hashable, Sendable {
  /// What stands there, letter by letter.
  public var text: String
  /// In code points of the text.
  public var range: Range<Int>
  /// In UTF-16 units, as `NSRange` counts.
  public var utf16Range: Range<Int>
  /// A probability.
  public var score: Double

  /// Returns where the answer stands in the text that it was found in; nil in a shorter one.
  public func range(in context: String) -> Range<String.Index>? {
    let units = context.utf16
    guard utf16Range.upperBound <= units.count else { return nil }
    let start = units.index(units.startIndex, offsetBy: utf16Range.lowerBound)
    return start..<units.index(start, offsetBy: utf16Range.count)
  }
}

extension TextPart {
  /// What is asked.
  public static let question = TextPart(name: "question", words: "question")
  /// The text that the answer stands in.
  public static let context = TextPart(name: "context", words: "text")
}

/// How windows are cut and spans are chosen, in tokens.
struct SpanRules: Hashable, Sendable {
  enum Score: String, Sendable {
    case softmaxOverAllWindows = "softmax_over_all_windows"
  }

  var maxQuestionTokens: Int
  var maxAnswerTokens: Int
  var windowOverlapTokens: Int
  var score: Score
  /// Of a question or context, in code points.
  var maxTextCharacters: Int
  /// Of unknown tokens among those of a text.
  var maxUnknownShare: Double
}

extension SpanRules {
  init(_ fields: inout JSONFields) throws(Damage) {
    maxQuestionTokens = try fields.integer("max_question_tokens", in: Bounds.tokens)
    maxAnswerTokens = try fields.integer("max_answer_tokens", in: Bounds.seqLen)
    windowOverlapTokens = try fields.integer("window_overlap_tokens", in: Bounds.tokens)
    score = try fields.choice("score")
    maxTextCharacters = try fields.integer("max_text_characters", in: Bounds.textCharacters)
    maxUnknownShare = try fields.number("max_unknown_share", in: Bounds.share)
  }
}

/// The task of question answering: what is asked of an engine, and the answer from what it gives.
struct QuestionAnswering: ModelTask {
  static let name = "question-answering"
  static let approximate: Set = ["score"]

  let leastTokens = QuestionWindow.numSpecial + 1
  let texts: [TextPart] = [.question, .context]
  let outputs = [
    TaskOutput(name: "start_logits", isPerToken: true), TaskOutput(name: "end_logits", isPerToken: true),
  ]
  private let rules: SpanRules
  private let cutter: WindowCutter
  private let check: TextCheck

  var maxTextCharacters: Int { rules.maxTextCharacters }

  init(_ fields: inout JSONFields, labels: [String], _ tokenizer: TokenizerSettings) throws(Damage) {
    guard labels.isEmpty else { throw Damage("task.labels is not empty, and \(Self.name) has none") }
    self.init(try SpanRules(&fields), tokenizer)
  }

  init(_ rules: SpanRules, _ tokenizer: TokenizerSettings) {
    self.rules = rules
    cutter = WindowCutter(rules, tokenizer)
    check = TextCheck(
      maxCharacters: rules.maxTextCharacters, maxUnknownShare: rules.maxUnknownShare, tokenizer)
  }

  func example(
    _ texts: [String: String], _ tokenizer: any Tokenizer, seqLens: [Int]
  ) throws(PocketBERTError) -> any TaskExample {
    try question(texts["question"] ?? "", in: texts["context"] ?? "", tokenizer, seqLens: seqLens)
  }

  func question(
    _ question: String, in context: String, _ tokenizer: any Tokenizer, seqLens: [Int]
  ) throws(PocketBERTError) -> AskedQuestion {
    let asked = try check.read(.question, question, by: tokenizer)
    let tokens = try check.read(.context, context, by: tokenizer)
    return AskedQuestion(
      context: context, windows: cutter.cut(asked, tokens, seqLens: seqLens),
      search: SpanSearch(maxTokens: rules.maxAnswerTokens))
  }
}

/// A question as windows, and the best span of those whose logits were added.
struct AskedQuestion: TaskExample {
  let context: String
  let windows: [QuestionWindow]
  var search: SpanSearch

  var rows: [Row] { windows.map(\.row) }

  func ranges(ofRow place: Int) -> [Range<Int>] { windows[place].ranges }

  mutating func add(_ outputs: Outputs, ofRow place: Int) {
    search.add(windows[place], start: outputs["start_logits"] ?? [], end: outputs["end_logits"] ?? [])
  }

  func fields() -> [ExactString: TaskValue]? {
    guard let answer = search.answer(in: context) else { return nil }
    return [
      "text": .string(ExactString(answer.text)), "start": .integer(answer.range.lowerBound),
      "end": .integer(answer.range.upperBound), "utf16_start": .integer(answer.utf16Range.lowerBound),
      "utf16_end": .integer(answer.utf16Range.upperBound), "score": .number(answer.score),
    ]
  }
}

extension Reader {
  /// Returns the answer to a question from a text.
  ///
  /// Cancelling the task that waits for it ends it before the next window of the text.
  ///
  /// - Parameters:
  ///   - question: In words; the beginning of a long one counts.
  ///   - context: The text that holds the answer.
  /// - Throws: `PocketBERTError.unreadableText` where a text is empty, too long, or cannot be read,
  ///   `PocketBERTError.engineFailed` where the engine failed or gave what is no number,
  ///   `PocketBERTError.unsupportedArtifact` where the bundle was made for another task, or `CancellationError`.
  public func ask(_ question: String, in context: String) async throws -> Answer {
    guard let task = bundle.task as? QuestionAnswering else {
      throw PocketBERTError.unsupportedArtifact(
        "the bundle was made for \(bundle.manifest.task.name), and answers no questions")
    }
    var asked = try task.question(question, in: context, bundle.tokenizer, seqLens: engine.artifact.seqLens)
    for (place, window) in asked.windows.enumerated() {
      try Task.checkCancellation()
      asked.add(try await engine.outputs(of: window.row, for: task), ofRow: place)
    }
    guard let answer = asked.search.answer(in: context) else {
      throw PocketBERTError.engineFailed("the model gave a logit that is not a number")
    }
    return answer
  }
}
