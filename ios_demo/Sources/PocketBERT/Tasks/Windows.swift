/// One row: `[CLS] question [SEP] part of the context [SEP]`, and where its tokens stand in the context.
struct QuestionWindow: Sendable {
  let row: Row
  /// Position of the first context token in the row.
  let first: Int
  /// In code points of the context, of each of its tokens in the row.
  let ranges: [Range<Int>]

  /// Of a row: `[CLS]` before the question, and `[SEP]` behind it and behind the context.
  static let numSpecial = 3
}

/// Cuts a question and its context into windows that cover the context.
struct WindowCutter: Sendable {
  private let rules: SpanRules
  private let classification: Int32
  private let separator: Int32
  private let padding: Int32
  private let secondType: Int32

  init(_ rules: SpanRules, _ tokenizer: TokenizerSettings) {
    self.rules = rules
    secondType = Int32(tokenizer.secondTokenType)
    func id(_ token: SpecialToken) -> Int32 { Int32(tokenizer.specialTokens[token.text] ?? 0) }
    classification = id(.classification)
    separator = id(.separator)
    padding = id(.padding)
  }

  /// Returns windows, each at the smallest length that holds it.
  ///
  /// - Parameter seqLens: The artifact's lengths, ascending.
  func cut(_ question: Tokens, _ context: Tokens, seqLens: [Int]) -> [QuestionWindow] {
    let longest = seqLens.last ?? 0
    let most = max(0, (longest - QuestionWindow.numSpecial) / 2)
    let asked = question.ids.prefix(min(rules.maxQuestionTokens, most))
    let room = longest - QuestionWindow.numSpecial - asked.count
    let step = room - min(rules.windowOverlapTokens, room / 2)
    let last = max(0, context.count - room)
    return (Array(stride(from: 0, to: last, by: step)) + [last]).map { start in
      window(asked, context, start..<min(start + room, context.count), seqLens)
    }
  }

  private func window(
    _ asked: ArraySlice<Int32>, _ context: Tokens, _ part: Range<Int>, _ seqLens: [Int]
  ) -> QuestionWindow {
    var ids = [classification]
    ids += asked
    ids.append(separator)
    let first = ids.count
    ids += context.ids[part]
    ids.append(separator)
    let numTokens = ids.count
    let numPadding = (seqLens.first { $0 >= numTokens } ?? numTokens) - numTokens
    func row(_ parts: (number: Int32, count: Int)...) -> [Int32] {
      parts.flatMap { Array(repeating: $0.number, count: $0.count) }
    }
    let row = Row(
      inputIDs: ids + row((padding, numPadding)),
      attentionMask: row((1, numTokens), (0, numPadding)),
      tokenTypeIDs: row((0, first), (secondType, numTokens - first), (0, numPadding)),
      numTokens: numTokens)
    return QuestionWindow(row: row, first: first, ranges: part.map(context.range(of:)))
  }
}
