import AppIntents
import PocketBERT
import PocketBERTUI

/// Labels a text, for Shortcuts and Siri, where the model that the app carries is a classifier.
struct ClassifyIntent: AppIntent {
  static let title: LocalizedStringResource = "Label a text"
  static let description: IntentDescription? = IntentDescription(
    "Labels a text, or two, with the model that the app carries. Nothing leaves the device.")

  @Parameter(title: "Text", description: "That is to be labelled.") var text: String
  @Parameter(title: "Second text", description: "For a model that takes two.") var pair: String?

  func perform() async throws -> some IntentResult & ReturnsValue<String> {
    let (text, pair) = (text, pair)
    let found = try await withCarriedReader { try await $0.classify(text, pair) }
    return .result(value: found.words)
  }
}
