/// Refuses what a student cannot read, and says why.
struct TextCheck: Sendable {
  let rules: SpanRules
  let unknownID: Int?

  init(_ rules: SpanRules, unknownID: Int?) {
    self.rules = rules
    self.unknownID = unknownID
  }

  /// Looks at a text before it is cut into tokens.
  func checkText(_ part: TextPart, _ text: String) throws(PocketBERTError) {
    let size = text.unicodeScalars.count
    guard size <= rules.maxTextCharacters else {
      throw refusal(
        part, .tooLong, "has \(size) characters, and at most \(rules.maxTextCharacters) are read")
    }
  }

  /// Looks at the tokens of a text.
  func checkTokens(_ part: TextPart, _ tokens: Tokens) throws(PocketBERTError) {
    guard tokens.count > 0 else { throw refusal(part, .empty, "holds no word that can be read") }
    let numUnknown = tokens.ids.reduce(0) { $0 + (Int($1) == unknownID ? 1 : 0) }
    guard Double(numUnknown) <= rules.maxUnknownShare * Double(tokens.count) else {
      throw refusal(part, .unknownScript, "is for the most part not in the vocabulary")
    }
  }

  private func refusal(
    _ part: TextPart, _ reason: UnreadableReason, _ what: String
  ) -> PocketBERTError {
    .unreadableText(part, reason, "the \(part == .question ? "question" : "text") \(what)")
  }
}
