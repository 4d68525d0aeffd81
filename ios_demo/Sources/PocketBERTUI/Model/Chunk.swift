/// A part of a text that is laid out by itself: a paragraph, or a piece of a long one.
struct Chunk: Equatable {
  /// In code points of the whole text.
  let start: Int
  let text: String

  static let mostCharacters = 2000

  /// Returns parts that together hold all code points but the ends of lines between them.
  static func cut(_ text: String) -> [Chunk] {
    var chunks: [Chunk] = []
    let scalars = text.unicodeScalars
    var (begin, start) = (scalars.startIndex, 0)
    var (end, place) = (begin, 0)
    func add() {
      if begin < end { chunks.append(Chunk(start: start, text: String(scalars[begin..<end]))) }
    }
    while end < scalars.endIndex {
      let size = place - start
      let isLong = size >= 2 * mostCharacters || size >= mostCharacters && scalars[end].properties.isWhitespace
      let isNewline = scalars[end] == "\n"
      if isNewline || isLong {
        add()
        (begin, start) = isNewline ? (scalars.index(after: end), place + 1) : (end, place)
      }
      scalars.formIndex(after: &end)
      place += 1
    }
    add()
    return chunks
  }

  /// Returns what stands before, inside and behind a range of the whole text, or nothing where none of it is here.
  func split(by range: Range<Int>) -> (before: String, inside: String, behind: String)? {
    let scalars = text.unicodeScalars
    let count = scalars.count
    let first = min(max(range.lowerBound - start, 0), count)
    let last = min(max(range.upperBound - start, 0), count)
    guard first < last else { return nil }
    let begin = scalars.index(scalars.startIndex, offsetBy: first)
    let end = scalars.index(begin, offsetBy: last - first)
    return (String(scalars[..<begin]), String(scalars[begin..<end]), String(scalars[end...]))
  }
}
