/// Refuses what a student cannot read, and says why.
struct TextCheck: Sendable {
  /// Of a text, in code points.
  let maxCharacters: Int
  /// Of unknown tokens among those of a text.
  let maxUnknownShare: Double
  let unknownID: Int?

  init(maxCharacters: Int, maxUnknownShare: Double, _ tokenizer: TokenizerSettings) {
    self.maxCharacters = maxCharacters
    self.maxUnknownShare = maxUnknownShare
    unknownID = tokenizer.specialTokens[SpecialToken.unknown.text]
  }

  /// Returns the tokens of a text that can be read.
  func read(_ part: TextPart, _ text: String, by tokenizer: any Tokenizer) throws(PocketBERTError) -> Tokens {
    try checkText(part, text)
    let tokens = tokenizer.tokenize(text)
    try checkTokens(part, tokens)
    return tokens
  }

  /// Looks at a text before it is cut into tokens.
  func checkText(_ part: TextPart, _ text: String) throws(PocketBERTError) {
    let size = text.unicodeScalars.count
    guard size <= maxCharacters else {
      throw refusal(
        part, .tooLong, "has \(size) characters, and at most \(maxCharacters) are read")
    }
  }

  /// Looks at the tokens of a text.
  func checkTokens(_ part: TextPart, _ tokens: Tokens) throws(PocketBERTError) {
    guard tokens.count > 0 else { throw refusal(part, .empty, "holds no word that can be read") }
    let numUnknown = tokens.ids.reduce(0) { $0 + (Int($1) == unknownID ? 1 : 0) }
    guard Double(numUnknown) <= maxUnknownShare * Double(tokens.count) else {
      throw refusal(part, .unknownScript, "is for the most part not in the vocabulary")
    }
  }

  private func refusal(
    _ part: TextPart, _ reason: UnreadableReason, _ what: String
  ) -> PocketBERTError {
    .unreadableText(part, reason, "the \(part.words) \(what)")
  }
}
