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

  /// Returns where the answer stands in the text that it was found in; nothing in a shorter one.
  public func range(in context: String) -> Range<String.Index>? {
    let units = context.utf16
    guard utf16Range.upperBound <= units.count else { return nil }
    let start = units.index(units.startIndex, offsetBy: utf16Range.lowerBound)
    return start..<units.index(start, offsetBy: utf16Range.count)
  }
}

/// The task of question answering: what is asked of an engine, and the answer from what it gives.
struct QuestionAnswering: Sendable {
  private let rules: SpanRules
  private let tokenizer: any Tokenizer
  private let cutter: WindowCutter
  private let check: TextCheck

  /// Of its outputs.
  static let roles = ["start_logits", "end_logits"]

  init(_ manifest: Manifest, tokenizer: any Tokenizer) {
    self.tokenizer = tokenizer
    rules = manifest.spanRules
    cutter = WindowCutter(rules, manifest.tokenizer)
    check = TextCheck(rules, unknownID: manifest.tokenizer.specialTokens[SpecialToken.unknown.text])
  }

  /// Returns the rows of a question.
  ///
  /// - Throws: `unreadableText` where a text is empty, too long, or cannot be read.
  func windows(
    of question: String, in context: String, seqLens: [Int]
  ) throws(PocketBERTError) -> [QuestionWindow] {
    let asked = try read(.question, question)
    return cutter.cut(asked, try read(.context, context), seqLens: seqLens)
  }

  /// Returns the best span of all windows, or nothing where a logit is no number.
  ///
  /// - Parameter logits: Gives those of a window; called once for each, in order.
  func answer(
    in context: String, _ windows: [QuestionWindow],
    logits: (QuestionWindow) async throws -> [[Float]]
  ) async throws -> Answer? {
    var search = SpanSearch(maxTokens: rules.maxAnswerTokens)
    for window in windows {
      try Task.checkCancellation()
      let numbers = try await logits(window)
      search.add(window, start: numbers[0], end: numbers[1])
    }
    return search.answer(in: context)
  }

  private func read(_ part: TextPart, _ text: String) throws(PocketBERTError) -> Tokens {
    try check.checkText(part, text)
    let tokens = tokenizer.tokenize(text)
    try check.checkTokens(part, tokens)
    return tokens
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
  ///   `PocketBERTError.engineFailed` where the engine failed or gave what is no number, or `CancellationError`.
  public func ask(_ question: String, in context: String) async throws -> Answer {
    let task = QuestionAnswering(bundle.manifest, tokenizer: bundle.tokenizer)
    let windows = try task.windows(of: question, in: context, seqLens: engine.artifact.seqLens)
    let answer = try await task.answer(in: context, windows) { window in
      try await engine.outputs(of: window.row, roles: QuestionAnswering.roles)
    }
    guard let answer else {
      throw PocketBERTError.engineFailed("the model gave a logit that is not a number")
    }
    return answer
  }
}
