/// Rules 8 and 9: cuts a word into the longest pieces of the vocabulary.
struct Pieces: Sendable {
  /// Of a word; one of more is unknown.
  let mostCharacters: Int
  private let trie: Trie
  private let continued: Int32
  private let unknownID: Int32

  /// - Parameters:
  ///   - trie: Holds the pieces.
  ///   - prefix: Of a piece that continues a word.
  init(_ trie: Trie, prefix: String, mostCharacters: Int, unknownID: Int) {
    self.trie = trie
    self.mostCharacters = mostCharacters
    self.unknownID = Int32(unknownID)
    continued = trie.find(prefix)
  }

  /// Adds the tokens of a word.
  func cut(_ word: borrowing Word, into tokens: inout Tokens) {
    let mark = tokens.count
    var from = 0
    while from < word.count {
      let end = word.count > mostCharacters ? from : addLongest(word, from, &tokens)
      if end == from {
        tokens.cut(to: mark)
        tokens.add(unknownID, from: word.start, to: word.end)
        return
      }
      from = end
    }
  }

  /// Adds the longest piece that stands at a place, if any. Returns where it ends.
  private func addLongest(_ word: borrowing Word, _ from: Int, _ tokens: inout Tokens) -> Int {
    var node = from == 0 ? Trie.root : continued
    var at = from
    var end = from
    var id = Trie.none
    while node != Trie.none && at < word.count {
      node = trie.next(node, word.points[at])
      at += 1
      if node != Trie.none && trie.id(at: node) != Trie.none {
        id = trie.id(at: node)
        end = at
      }
    }
    if end > from { tokens.add(id, from: word.sources[from], to: word.sources[end - 1] + 1) }
    return end
  }
}

/// The characters of one word and their sources; of a word of too many, only its ends.
struct Word {
  private(set) var points: [UInt32] = []
  private(set) var sources: [Int32] = []
  private(set) var count = 0
  /// Where it begins in the text.
  private(set) var start: Int32 = 0
  /// Where it ends in the text, not included.
  private(set) var end: Int32 = 0

  mutating func add(_ point: UInt32, _ source: Int32, most: Int) {
    if count == 0 { start = source }
    end = source + 1
    if count < most {
      points.append(point)
      sources.append(source)
    }
    count += 1
  }

  mutating func clear() {
    points.removeAll(keepingCapacity: true)
    sources.removeAll(keepingCapacity: true)
    count = 0
  }
}
