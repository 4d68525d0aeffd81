// What views hold is recorded by the declarations of SwiftUI, which are on Linux alone.
#if os(Linux)
  import Foundation
  import PocketBERT
  import PocketBERTExecuTorch
  import SwiftUI
  import Testing

  @testable import PocketBERTUI

  /// Words and colours.
  @MainActor
  @Suite(.timeLimit(.minutes(10)))
  struct WordsTests {
    @Test("every problem has words of its own")
    func problems() {
      var kinds: [Problem.Kind] = [.noBundle, .damagedBundle(path: "x"), .newerBundle, .untrustedBundle, .unexpected]
      for part: TextPart in [.question, .context] {
        kinds += UnreadableReason.allCases.map { .unreadableText(part, $0) }
      }
      kinds += Problem.EngineStage.allCases.map { .engineFailed($0, engine: "x") }
      var titles: Set<String> = []
      for kind in kinds {
        let problem = Problem(kind: kind, details: "why")
        _ = look(ProblemCard(problem: problem, others: [EngineChoice(backend: "a", label: "A")]) { _ in })
        titles.insert(problem.words.title.key)
      }
      #expect(titles.count == kinds.count)
    }

    @Test("colours that stand on each other can be told apart, by day and by night")
    func contrast() throws {
      for (text, ground) in [
        ("AnswerText", "AnswerBackground"), ("ProblemText", "ProblemBackground"), ("Mark", ""),
        // Buttons have the accent's colour, and the one that asks is filled with it.
        ("AccentColor", ""), ("AccentColor", "AnswerBackground"), ("AccentColor", "ProblemBackground"),
        ("OnAccent", "AccentColor"),
      ] {
        for isDark in [false, true] {
          let own = try luminance(text, isDark)
          let other = ground.isEmpty ? (isDark ? 0 : 1) : try luminance(ground, isDark)
          // WCAG 2.2, 1.4.3.
          #expect((max(own, other) + 0.05) / (min(own, other) + 0.05) >= 4.5, "\(text) on \(ground), dark: \(isDark)")
        }
      }
    }

    /// Source: WCAG 2.2, relative luminance.
    private func luminance(_ name: String, _ isDark: Bool) throws -> Double {
      struct ColorSet: Decodable {
        struct Entry: Decodable {
          struct Color: Decodable { let components: [String: String] }
          struct Appearance: Decodable { let value: String }
          let color: Color
          let appearances: [Appearance]?
        }
        let colors: [Entry]
      }
      let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
      let folder = name == "AccentColor" ? "App/Assets" : "Sources/PocketBERTUI/Resources/Colors"
      let file = root.appendingPathComponent("\(folder).xcassets/\(name).colorset/Contents.json").standardizedFileURL
      let colors = try JSONDecoder().decode(ColorSet.self, from: Data(contentsOf: file)).colors
      let entry = try #require(colors.first { ($0.appearances?.first?.value == "dark") == isDark })
      return try zip(["red", "green", "blue"], [0.2126, 0.7152, 0.0722]).reduce(0) { sum, part in
        let digits = try #require(entry.color.components[part.0]?.dropFirst(2))
        let value = Double(try #require(Int(digits, radix: 16))) / 255
        return sum + part.1 * (value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4))
      }
    }
  }
#endif
