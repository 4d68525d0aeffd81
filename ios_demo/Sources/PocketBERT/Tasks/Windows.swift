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
  private let maker: RowMaker

  init(_ rules: SpanRules, _ tokenizer: TokenizerSettings) {
    self.rules = rules
    maker = RowMaker(tokenizer)
  }

  /// Returns windows, each at the smallest length that holds it.
  ///
  /// - Parameter seqLens: The artifact's lengths, ascending.
  func cut(_ question: Tokens, _ context: Tokens, seqLens: [Int]) -> [QuestionWindow] {
    let longest = seqLens.last ?? 0
    let most = max(0, (longest - QuestionWindow.numSpecial) / 2)
    let asked = question.ids.prefix(min(rules.maxQuestionTokens, most))
    let room = longest - QuestionWindow.numSpecial - asked.count
    return windows(context.count, room: room, overlap: rules.windowOverlapTokens).map { part in
      QuestionWindow(
        row: maker.row([asked, context.ids[part]], seqLens: seqLens), first: asked.count + 2,
        ranges: part.map(context.range(of:)))
    }
  }
}

/// Returns the parts of a text of some tokens that cover it, each of as many as there is room for.
///
/// - Parameters:
///   - room: At least 1.
///   - overlap: Of two neighbours, at most half of the room.
func windows(_ count: Int, room: Int, overlap: Int) -> [Range<Int>] {
  let step = room - min(overlap, room / 2)
  let last = max(0, count - room)
  return (Array(stride(from: 0, to: last, by: step)) + [last]).map { $0..<min($0 + room, count) }
}

/// Makes rows: `[CLS]`, and a `[SEP]` behind each of one text or two.
struct RowMaker: Sendable {
  private let classification: Int32
  private let separator: Int32
  private let padding: Int32
  private let secondType: Int32

  init(_ tokenizer: TokenizerSettings) {
    secondType = Int32(tokenizer.secondTokenType)
    func id(_ token: SpecialToken) -> Int32 { Int32(tokenizer.specialTokens[token.text] ?? 0) }
    classification = id(.classification)
    separator = id(.separator)
    padding = id(.padding)
  }

  /// Returns a row at the smallest length that holds it.
  ///
  /// - Parameters:
  ///   - parts: Ids of the only text, or of the first and the second.
  ///   - seqLens: The artifact's lengths, ascending.
  func row(_ parts: [ArraySlice<Int32>], seqLens: [Int]) -> Row {
    var ids = [classification]
    var types: [Int32] = [0]
    for (place, part) in parts.enumerated() {
      ids += part
      ids.append(separator)
      types += Array(repeating: place == 0 ? 0 : secondType, count: part.count + 1)
    }
    let numTokens = ids.count
    let numPadding = (seqLens.first { $0 >= numTokens } ?? numTokens) - numTokens
    func zeros(_ number: Int32 = 0) -> [Int32] { Array(repeating: number, count: numPadding) }
    return Row(
      inputIDs: ids + zeros(padding), attentionMask: Array(repeating: 1, count: numTokens) + zeros(),
      tokenTypeIDs: types + zeros(), numTokens: numTokens)
  }
}
