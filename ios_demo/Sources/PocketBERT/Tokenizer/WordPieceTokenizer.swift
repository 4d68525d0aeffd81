/// BERT's tokenizer; `SPECIFICATION.md` has the numbers of the rules in the comments.
struct WordPieceTokenizer: Tokenizer {
  private let settings: TokenizerSettings
  private let tables: UnicodeTables
  private let added: Trie
  private let normalizedAdded: Trie?
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
    pieces = Pieces(
      trie, prefix: settings.continuingSubwordPrefix, mostCharacters: settings.maxInputCharsPerWord,
      unknownID: settings.specialTokens[SpecialToken.unknown.text] ?? 0)
    added = Self.trie(settings.addedTokens.map { (Array($0.key.string.points), $0.value) })
    let normalizer = Normalizer(settings, self.tables, pieces, added: added)
    normalizedAdded = try reading(settings.vocabulary) { () throws(Damage) in
      try Self.normalized(settings.normalizedAddedTokens, by: normalizer)
    }
  }

  func tokenize(_ text: String) -> Tokens {
    let points = Array(text.points)
    var normalizer = Normalizer(settings, tables, pieces, added: normalizedAdded)
    var place = 0
    while place < points.count {
      if let (id, end) = added.longest(in: points, at: place) {  // rule 1
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

  /// Returns what becomes of added tokens that are found in normalized text, or nothing where there are none.
  private static func normalized(
    _ tokens: [ExactString: Int], by normalizer: Normalizer
  ) throws(Damage) -> Trie? {
    var made: Set<[UInt32]> = []
    var pairs: [([UInt32], Int)] = []
    for (token, id) in tokens {
      var own = normalizer
      for (place, point) in token.string.points.enumerated() { own.add(point, Int32(place)) }
      let points = own.normalized()
      guard !points.isEmpty, made.insert(points).inserted else {
        throw Damage("nothing of its own is left of \(token.string) once it is normalized")
      }
      pairs.append((points, id))
    }
    return pairs.isEmpty ? nil : trie(pairs)
  }

  private static func trie(_ strings: [(points: [UInt32], id: Int)]) -> Trie {
    var trie = Trie(numCharacters: strings.reduce(0) { $0 + $1.points.count })
    for (points, id) in strings { trie.add(points, id: id) }
    return trie
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
  let named = [settings.specialTokens, settings.addedTokens, settings.normalizedAddedTokens]
  for (token, id) in named.joined() {
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
    pieces.add(String(decoding: line, as: UTF8.self).points, id: id)
  }
  return pieces
}
