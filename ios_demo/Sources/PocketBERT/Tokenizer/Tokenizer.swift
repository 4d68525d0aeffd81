/// Cuts a text into tokens. Tasks may share one.
public protocol Tokenizer: Sendable {
  /// Returns the tokens of a text, without special ones around it.
  func tokenize(_ text: String) -> Tokens
}

/// Tokens of one text, in its order: their ids, and where they stand in its code points.
public struct Tokens: Sendable {
  public private(set) var ids: [Int32] = []
  private var starts: [Int32] = []
  private var ends: [Int32] = []

  public var count: Int { ids.count }

  /// Returns where a token stands in the text.
  public func range(of token: Int) -> Range<Int> {
    Int(starts[token])..<Int(ends[token])
  }

  mutating func add(_ id: Int32, from start: Int32, to end: Int32) {
    ids.append(id)
    starts.append(start)
    ends.append(end)
  }

  /// Forgets tokens from a place on.
  mutating func cut(to size: Int) {
    ids.removeSubrange(size...)
    starts.removeSubrange(size...)
    ends.removeSubrange(size...)
  }
}

/// Tokens that every manifest gives an id.
enum SpecialToken: String, CaseIterable {
  case padding = "[PAD]"
  case unknown = "[UNK]"
  case classification = "[CLS]"
  case separator = "[SEP]"

  var text: ExactString { ExactString(rawValue) }
}
