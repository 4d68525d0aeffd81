/// BERT's tokenizer; `SPECIFICATION.md` has the numbers of the rules in the comments.
struct WordPieceTokenizer: Tokenizer {
  private let settings: TokenizerSettings
  private let tables: UnicodeTables
  private let added: Trie
  private let pieces: Pieces

  /// Makes the tokenizer of a bundle.
  ///
  /// - Parameters:
  ///   - settings: Of the manifest.
  ///   - read: Gives the bytes of a file of the bundle by its path.
  /// - Throws: `damagedBundle` where a file is not what the manifest describes.
  init(
    _ settings: TokenizerSettings, read: (String) throws(PocketBERTError) -> [UInt8]
  ) throws(PocketBERTError) {
    let bytes = try read(settings.vocabulary)
    let trie = try reading(settings.vocabulary) { () throws(Damage) in
      try readPieces(bytes, settings)
    }
    let tables = try read(settings.unicodeTables)
    self.settings = settings
    self.tables = try reading(settings.unicodeTables) { () throws(Damage) in
      try UnicodeTables(tables)
    }
    var added = Trie(numCharacters: settings.addedTokens.keys.reduce(0) { $0 + $1.string.utf8.count })
    for (token, id) in settings.addedTokens { added.add(token.string, id: id) }
    self.added = added
    pieces = Pieces(
      trie, prefix: settings.continuingSubwordPrefix, mostCharacters: settings.maxInputCharsPerWord,
      unknownID: settings.specialTokens[SpecialToken.unknown.text] ?? 0)
  }

  func tokenize(_ text: String) -> Tokens {
    let points = text.unicodeScalars.map(\.value)
    var normalizer = Normalizer(settings, tables, pieces)
    var place = 0
    while place < points.count {
      if let (id, end) = addedToken(in: points, at: place) {
        normalizer.addToken(id, from: Int32(place), to: Int32(end))
        place = end
      } else {
        normalizer.add(points[place], Int32(place))
        place += 1
      }
    }
    normalizer.finish()
    return normalizer.tokens
  }

  /// Rule 1. Returns the longest added token that stands at a place, and where it ends.
  private func addedToken(in points: [UInt32], at place: Int) -> (id: Int32, end: Int)? {
    var node = added.next(Trie.root, points[place])
    var at = place
    var found: (id: Int32, end: Int)?
    while node != Trie.none {
      at += 1
      if added.id(at: node) != Trie.none { found = (added.id(at: node), at) }
      node = at < points.count ? added.next(node, points[at]) : Trie.none
    }
    return found
  }
}

/// Reads the vocabulary: one token a line, in the order of their ids, and only a newline ends a line.
///
/// - Returns: The pieces: words are cut into no token that was added after training.
private func readPieces(_ bytes: [UInt8], _ settings: TokenizerSettings) throws(Damage) -> Trie {
  guard String(exactly: bytes) != nil else { throw Damage("it is not UTF-8") }
  let newline = UInt8(ascii: "\n")
  let text = bytes.last == newline ? bytes.dropLast() : bytes[...]
  let lines = text.split(separator: newline, omittingEmptySubsequences: false)
  for (token, id) in settings.specialTokens.merging(settings.addedTokens, uniquingKeysWith: { $1 }) {
    guard id < lines.count, lines[id].elementsEqual(token.string.utf8) else {
      throw Damage("its token \(id) is not \(token.string)")
    }
  }
  guard settings.numPieces <= lines.count else {
    throw Damage("it has \(lines.count) tokens, and the manifest wants \(settings.numPieces)")
  }
  guard Set(lines).count == lines.count else { throw Damage("it holds a token twice") }
  var pieces = Trie(numCharacters: bytes.count)
  for (id, line) in lines.prefix(settings.numPieces).enumerated() {
    pieces.add(String(decoding: line, as: UTF8.self), id: id)
  }
  return pieces
}
