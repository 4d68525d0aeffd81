import Foundation
import Testing

@testable import PocketBERTUI

struct ChunkTests {
  @Test(
    "a long text is cut into parts that lose nothing but ends of lines", arguments: [0, 1, 7, 1999, 2000, 2001, 9000])
  func chunks(_ size: Int) {
    for letter in ["a", "é ", "e\u{301}", "🍵", "ab\n\n"] {
      let text = String(repeating: letter, count: size)
      let chunks = Chunk.cut(text)
      #expect(chunks.map(\.text).joined().unicodeScalars.elementsEqual(text.unicodeScalars.filter { $0 != "\n" }))
      let scalars = Array(text.unicodeScalars)
      for chunk in chunks {
        let part = Array(chunk.text.unicodeScalars)
        #expect(
          part.count <= 2 * Chunk.mostCharacters && Array(scalars[chunk.start..<chunk.start + part.count]) == part)
      }
    }
    #expect(Chunk(start: 10, text: "abcdef").split(by: 12..<14)?.inside == "cd")
    #expect(Chunk(start: 10, text: "abcdef").split(by: 4..<12)?.inside == "ab")
    #expect(Chunk(start: 10, text: "abcdef").split(by: 16..<19) == nil)
    #expect(Chunk(start: 10, text: "abcdef").split(by: 2..<10) == nil)
  }
}
