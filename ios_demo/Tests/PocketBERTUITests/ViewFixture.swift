// What views hold is recorded by the declarations of SwiftUI, which are on Linux alone.
#if os(Linux)
  import Foundation
  import SwiftUI
  import Testing

  @testable import PocketBERTUI

  /// The words that there are.
  private let catalog: Set<String> = {
    let file = Bundle.module.url(forResource: "Localizable", withExtension: "xcstrings")
    let content = file.flatMap { try? Data(contentsOf: $0) }
      .flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
    return Set((content?["strings"] as? [String: Any] ?? [:]).keys)
  }()

  /// Returns all that a view holds, once it is known that every control has a label and every text is in the catalog.
  @MainActor
  func look(_ view: some View, _ place: SourceLocation = #_sourceLocation) -> [Recording] {
    let all = record(view).flatMap(\.all)
    for part in all {
      if let key = part.key {
        #expect(catalog.contains(key), "\(key) is not in the catalog", sourceLocation: place)
        #expect(part.hasBundle, "\(key) is looked up in another catalog", sourceLocation: place)
      }
      switch part.kind {
      case "Button", "Menu", "Picker", "TextField", "ProgressView", "ShareLink", "PasteButton", "NavigationLink":
        #expect(!part.words.joined().isEmpty, "a \(part.kind) has no label", sourceLocation: place)
      case "TextEditor":
        #expect(part.accessibilityLabel != nil, "a \(part.kind) has no label", sourceLocation: place)
      case "Label":
        #expect(part.all.contains { $0.symbol != nil }, "a label has no symbol", sourceLocation: place)
      default: break
      }
    }
    return all
  }

  /// Returns all that can be read in a view.
  @MainActor
  func words(_ view: some View) -> Set<String> { Set(look(view).compactMap { $0.key ?? $0.verbatim }) }

  /// Returns a demo whose bundle is open.
  @MainActor
  func readyDemo(_ input: Input = Input(text: passage, question: "What was it?")) async -> DemoFixture {
    let made = DemoFixture(input)
    await made.demo.settle()
    return made
  }

  /// Touches the button that a word is on.
  @MainActor
  func touch(_ word: String, _ demo: Demo) throws {
    let buttons = look(RootView(demo: demo)).filter { $0.kind == "Button" && $0.words.contains(word) }
    try #require(buttons.first, "there is no button \(word)").action?()
  }
#endif
