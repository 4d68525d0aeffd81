/// The part of the self test that needs no engine: tokenizer, rows and decoder.
struct ReadingTest: Sendable {
  let vectors: Vectors
  let tokenizer: any Tokenizer
  let task: any ModelTask

  /// Of a probability: the outputs in the file have four decimals.
  private static let tolerance = 1e-3

  /// Returns in words what is made otherwise.
  func problems() -> [String] {
    vectors.texts.filter { !hasSameTokens($0) }.map { "the text “\($0.text)” has other tokens" }
      + vectors.examples.compactMap(problem)
  }

  /// Returns the rows of an example.
  ///
  /// - Throws: `unreadableText` where the tokenizer leaves of a text what cannot be read.
  func example(of vector: ExampleVector) throws(PocketBERTError) -> any TaskExample {
    try task.example(vector.texts, tokenizer, seqLens: vectors.seqLens)
  }

  /// Returns whether an answer is what the vector states, but for what may differ a little.
  func isSame(_ answer: [ExactString: TaskValue]?, _ vector: ExampleVector) -> Bool {
    guard let answer, Set(answer.keys) == Set(vector.answer.keys) else { return false }
    return vector.answer.allSatisfy { name, stated in isApproximate(name) || answer[name] == stated }
  }

  private func hasSameTokens(_ vector: TextVector) -> Bool {
    let tokens = tokenizer.tokenize(vector.text)
    let ranges = (0..<tokens.count).map(tokens.range(of:))
    return tokens.ids.map(Int.init) == vector.ids && ranges == vector.offsets
      && utf16Ranges(ranges, in: vector.text) == vector.utf16Offsets
  }

  private func problem(_ vector: ExampleVector) -> String? {
    guard let example = try? example(of: vector), hasSameRows(example, vector) else {
      return "the example “\(vector.name)” has other rows"
    }
    return isDecodedAlike(example, vector) ? nil : "the outputs of “\(vector.name)” have another answer"
  }

  private func hasSameRows(_ example: any TaskExample, _ vector: ExampleVector) -> Bool {
    let rows = example.rows
    return rows.count == vector.rows.count
      && rows.indices.allSatisfy { place in
        let (own, stated) = (rows[place], vector.rows[place])
        return own.seqLen == stated.seqLen && example.ranges(ofRow: place) == stated.offsets
          && own.inputIDs.prefix(own.numTokens).map(Int.init) == stated.inputIDs
      }
  }

  private func isDecodedAlike(_ example: any TaskExample, _ vector: ExampleVector) -> Bool {
    // The student itself may have given no numbers, which its verdicts tell.
    if vector.answer.values.contains(nil) { return true }
    var example = example
    for (place, row) in vector.rows.enumerated() {
      example.add(row.outputs.mapValues { $0.map { Float($0 ?? .nan) } }, ofRow: place)
    }
    let answer = example.fields()
    return isSame(answer, vector)
      && vector.answer.allSatisfy { name, stated in
        guard isApproximate(name) else { return true }
        guard let own = answer?[name]?.numbers, let stated = stated?.numbers else { return false }
        return own.count == stated.count && zip(own, stated).allSatisfy { abs($0 - $1) <= Self.tolerance }
      }
  }

  private func isApproximate(_ name: ExactString) -> Bool { type(of: task).approximate.contains(name.string) }
}

/// Returns ranges of code points in UTF-16 units.
func utf16Ranges(_ ranges: [Range<Int>], in text: String) -> [Range<Int>] {
  var places = [0]
  for scalar in text.unicodeScalars { places.append(places[places.count - 1] + UTF16.width(scalar)) }
  return ranges.map { places[$0.lowerBound]..<places[$0.upperBound] }
}
