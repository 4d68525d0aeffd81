/// Rules 5 to 7: drops accents, changes case, finds normalized added tokens and gathers characters into words, and has
/// each cut into tokens.
struct WordSplitter {
  private let settings: TokenizerSettings
  private let tables: UnicodeTables
  private let pieces: Pieces
  /// Normalized, or nothing where there are none, so that no stretch need be held back.
  private let added: Trie?
  private var word = Word()
  private var stretch = Stretch()
  private(set) var tokens = Tokens()

  init(_ settings: TokenizerSettings, _ tables: UnicodeTables, _ pieces: Pieces, added: Trie?) {
    self.settings = settings
    self.tables = tables
    self.pieces = pieces
    self.added = added
  }

  /// What rules 2 to 6 made of the text since the last end of a stretch.
  var normalized: [UInt32] { stretch.points }

  /// Takes a character behind rule 4.
  mutating func addDecomposed(_ point: UInt32, _ source: Int32) {
    if !tables.has(.nonspacingMark, point) { add(point, source) }
  }

  /// Takes a character behind rule 5.
  mutating func add(_ point: UInt32, _ source: Int32) {
    guard settings.lowercase else { return addLowered(point, source) }
    tables.lowercase.forEach(of: point) { made, _ in addLowered(made, source) }
  }

  /// Says that a stretch of text ends.
  mutating func finish() {
    if let added { find(added) }
    endWord()
  }

  /// Adds a token that is in the text as it is.
  mutating func addToken(_ id: Int32, from start: Int32, to end: Int32) {
    tokens.add(id, from: start, to: end)
  }

  private mutating func addLowered(_ point: UInt32, _ source: Int32) {
    if added == nil {
      addToWord(point, source)
    } else {
      stretch.add(point, source)
    }
  }

  /// Rule 6a.
  private mutating func find(_ added: Trie) {
    let found = stretch
    stretch.clear()
    var place = 0
    while place < found.points.count {
      if let (id, end) = added.longest(in: found.points, at: place) {
        endWord()
        tokens.add(id, from: found.sources[place], to: found.sources[end - 1] + 1)
        place = end
      } else {
        addToWord(found.points[place], found.sources[place])
        place += 1
      }
    }
  }

  /// Rule 7.
  private mutating func addToWord(_ point: UInt32, _ source: Int32) {
    let isSpace = tables.has(.whitespace, point)
    if isSpace || tables.has(.punctuation, point) {
      endWord()
      if isSpace { return }
      word.add(point, source, most: pieces.mostCharacters)
      endWord()
    } else {
      word.add(point, source, most: pieces.mostCharacters)
    }
  }

  private mutating func endWord() {
    if word.count > 0 { pieces.cut(word, into: &tokens) }
    word.clear()
  }
}

/// Normalized characters and their sources.
private struct Stretch {
  private(set) var points: [UInt32] = []
  private(set) var sources: [Int32] = []

  mutating func add(_ point: UInt32, _ source: Int32) {
    points.append(point)
    sources.append(source)
  }

  mutating func clear() {
    points.removeAll(keepingCapacity: true)
    sources.removeAll(keepingCapacity: true)
  }
}
