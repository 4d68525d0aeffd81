import PocketBERT
import SwiftUI

/// A text of any length with the answer marked in it, and scrolled to it.
struct MarkedText<Header: View>: View {
  let chunks: [Chunk]
  let answer: Answer?
  @ViewBuilder let header: () -> Header

  var body: some View {
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
