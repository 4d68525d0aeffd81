/// Rules 5 to 7: drops accents, changes case and gathers characters into words, and has each cut into tokens.
struct WordSplitter {
  private let settings: TokenizerSettings
  private let tables: UnicodeTables
  private let pieces: Pieces
  private var word = Word()
  private(set) var tokens = Tokens()

  init(_ settings: TokenizerSettings, _ tables: UnicodeTables, _ pieces: Pieces) {
    self.settings = settings
    self.tables = tables
    self.pieces = pieces
  }

  /// Takes a character behind rule 4.
  mutating func addDecomposed(_ point: UInt32, _ source: Int32) {
    if !tables.has(.nonspacingMark, point) { add(point, source) }
  }

  /// Takes a character behind rule 5.
  mutating func add(_ point: UInt32, _ source: Int32) {
    guard settings.lowercase else { return addLowered(point, source) }
    tables.lowercase.forEach(of: point) { made, _ in addLowered(made, source) }
  }

  /// Says that a word ends, and so does a stretch of text.
  mutating func finish() {
    if word.count > 0 { pieces.cut(word, into: &tokens) }
    word.clear()
  }

  /// Adds a token that is in the text as it is.
  mutating func addToken(_ id: Int32, from start: Int32, to end: Int32) {
    tokens.add(id, from: start, to: end)
  }

  private mutating func addLowered(_ point: UInt32, _ source: Int32) {
    let isSpace = tables.has(.whitespace, point)
    if isSpace || tables.has(.punctuation, point) {
      finish()
      if isSpace { return }
      word.add(point, source, most: pieces.mostCharacters)
      finish()
    } else {
      word.add(point, source, most: pieces.mostCharacters)
    }
  }
}
