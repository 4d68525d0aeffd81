import PocketBERT
import SwiftUI

/// A text of any length with the answer marked in it, and scrolled to it.
struct MarkedText<Header: View>: View {
  let text: String
  let answer: Answer?
  @ViewBuilder let header: () -> Header

  var body: some View {
    let chunks = Chunk.cut(text)
    ScrollViewReader { proxy in
      ScrollView {
        LazyVStack(alignment: .leading, spacing: 8) {
          header()
          ForEach(chunks, id: \.start) { chunk in
            marked(chunk).font(.body).textSelection(.enabled).id(chunk.start)
          }
        }
      }
      .onChange(of: answer) { _, answer in
        guard let answer else { return }
        let chunk = chunks.last { $0.start <= answer.range.lowerBound }
        if let chunk { proxy.scrollTo(chunk.start, anchor: .center) }
      }
    }
  }

  /// The answer is bold and underlined, so that it stands out without its colour.
  private func marked(_ chunk: Chunk) -> Text {
    guard let answer, let parts = chunk.split(by: answer.range) else { return Text(verbatim: chunk.text) }
    let mark = Text(verbatim: parts.inside).bold().underline().foregroundStyle(Color.mark)
    return Text(verbatim: parts.before) + mark + Text(verbatim: parts.behind)
  }
}

/// A part of a text that is laid out by itself: a paragraph, or a piece of a long one.
struct Chunk: Equatable {
  /// In code points of the whole text.
  let start: Int
  let text: String

  static let mostCharacters = 2000

  /// Returns parts that together hold all code points but the ends of lines between them.
  static func cut(_ text: String) -> [Chunk] {
    var chunks: [Chunk] = []
    var scalars = String.UnicodeScalarView()
    var start = 0
    var place = 0
    var size = 0
    func isEmpty() -> Bool { size == 0 }
    for scalar in text.unicodeScalars {
      let ends = scalar == "\n"
      if !ends {
        scalars.append(scalar)
        size += 1
      }
      place += 1
      if ends || (size >= mostCharacters && scalar.properties.isWhitespace) || size >= 2 * mostCharacters {
        if !isEmpty() { chunks.append(Chunk(start: start, text: String(scalars))) }
        scalars = String.UnicodeScalarView()
        start = place
        size = 0
      }
    }
    if !isEmpty() { chunks.append(Chunk(start: start, text: String(scalars))) }
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
