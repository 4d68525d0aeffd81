/// Rules 2 and 3, and what follows of them: takes the characters of a text one by one, and holds back no more than a
/// word and a run of marks.
struct Normalizer {
  private let settings: TokenizerSettings
  private let tables: UnicodeTables
  private var decomposer: Decomposer

  private static let space: UInt32 = 0x20

  /// - Parameter added: Normalized added tokens, or nothing where there are none.
  init(_ settings: TokenizerSettings, _ tables: UnicodeTables, _ pieces: Pieces, added: Trie?) {
    self.settings = settings
    self.tables = tables
    decomposer = Decomposer(tables, next: WordSplitter(settings, tables, pieces, added: added))
  }

  var tokens: Tokens { decomposer.next.tokens }

  /// Returns what rules 2 to 6 make of the characters so far, which must be held back for added tokens.
  mutating func normalized() -> [UInt32] {
    decomposer.finish()
    return decomposer.next.normalized
  }

  /// - Parameter source: Where in the text the character stands.
  mutating func add(_ point: UInt32, _ source: Int32) {
    if !settings.cleanText {
      separateChinese(point, source)
    } else if !tables.has(.removed, point) {
      separateChinese(tables.has(.whitespace, point) ? Self.space : point, source)
    }
  }

  /// Says that a stretch of text ends.
  mutating func finish() {
    decomposer.finish()
    decomposer.next.finish()
  }

  /// Adds a token that is in the text as it is; what stood before is a text of its own.
  mutating func addToken(_ id: Int32, from start: Int32, to end: Int32) {
    finish()
    decomposer.next.addToken(id, from: start, to: end)
  }

  private mutating func separateChinese(_ point: UInt32, _ source: Int32) {
    if settings.handleChineseChars && tables.has(.chinese, point) {
      decompose(Self.space, source)
      decompose(point, source)
      decompose(Self.space, source)
    } else {
      decompose(point, source)
    }
  }

  private mutating func decompose(_ point: UInt32, _ source: Int32) {
    if settings.stripAccents {
      decomposer.add(point, source)
    } else {
      decomposer.next.add(point, source)
    }
  }
}
