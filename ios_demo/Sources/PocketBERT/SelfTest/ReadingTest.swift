/// The part of the self test that needs no engine: tokenizer, windows and decoder.
struct ReadingTest: Sendable {
  let vectors: Vectors
  let tokenizer: any Tokenizer
  let cutter: WindowCutter
  let rules: SpanRules

  /// Of a probability: the logits in the file have four decimals.
  private static let scoreTolerance = 1e-3

  /// Returns in words what is made otherwise.
  func problems() -> [String] {
    vectors.texts.filter { !hasSameTokens($0) }.map { "the text “\($0.text)” has other tokens" }
      + vectors.questions.compactMap(problem)
  }

  /// Returns the rows of a question.
  func windows(of vector: QuestionVector) -> [QuestionWindow] {
    cutter.cut(
      tokenizer.tokenize(vector.question), tokenizer.tokenize(vector.context),
      seqLens: vectors.seqLens)
  }

  private func hasSameTokens(_ vector: TextVector) -> Bool {
    let tokens = tokenizer.tokenize(vector.text)
    let ranges = (0..<tokens.count).map(tokens.range(of:))
    return tokens.ids.map(Int.init) == vector.ids && ranges == vector.offsets
      && utf16Ranges(ranges, in: vector.text) == vector.utf16Offsets
  }

  private func problem(_ vector: QuestionVector) -> String? {
    let windows = windows(of: vector)
    if !areSame(windows, vector) { return "the question “\(vector.question)” has other windows" }
    if !isDecodedAlike(windows, vector) {
      return "the logits of “\(vector.question)” have another answer"
    }
    return nil
  }

  private func areSame(_ windows: [QuestionWindow], _ vector: QuestionVector) -> Bool {
    windows.count == vector.windows.count
      && zip(windows, vector.windows).allSatisfy { own, stated in
        own.row.seqLen == stated.seqLen && own.ranges == stated.offsets
          && own.row.inputIDs.prefix(own.row.numTokens).map(Int.init) == stated.inputIDs
      }
  }

  private func isDecodedAlike(_ windows: [QuestionWindow], _ vector: QuestionVector) -> Bool {
    // The student itself may have given no numbers, which its verdicts tell.
    guard let score = vector.answer.score else { return true }
    var search = SpanSearch(maxTokens: rules.maxAnswerTokens)
    for (window, stated) in zip(windows, vector.windows) {
      search.add(
        window, start: stated.startLogits.map { $0 ?? .nan }, end: stated.endLogits.map { $0 ?? .nan })
    }
    guard let answer = search.answer(in: vector.context) else { return false }
    return answer.isSpan(of: vector) && abs(answer.score - score) <= Self.scoreTolerance
  }
}

extension Answer {
  /// Returns whether an answer is what the vector states, its score aside.
  func isSpan(of vector: QuestionVector) -> Bool {
    text.isExactly(vector.answer.text) && range == vector.answer.range
      && utf16Range == vector.answer.utf16Range
  }
}

/// Returns ranges of code points in UTF-16 units.
func utf16Ranges(_ ranges: [Range<Int>], in text: String) -> [Range<Int>] {
  var places = [0]
  for scalar in text.unicodeScalars { places.append(places[places.count - 1] + UTF16.width(scalar)) }
  return ranges.map { places[$0.lowerBound]..<places[$0.upperBound] }
}
