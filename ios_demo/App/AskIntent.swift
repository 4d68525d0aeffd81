import AppIntents
import PocketBERT

/// Answers a question about a text, for Shortcuts and Siri; on this device, as the app does.
///
/// The system looks its words up in the app's own catalog, `Localizable.xcstrings` beside this file.
struct AskIntent: AppIntent {
  static let title: LocalizedStringResource = "Ask a text a question"
  static let description: IntentDescription? = IntentDescription(
    "Answers from the text alone, with the model that the app carries. Nothing leaves the device.")

  @Parameter(title: "Question", description: "In English, as the model reads it.") var question: String
  @Parameter(title: "Text", description: "That the answer stands in.") var text: String

  func perform() async throws -> some IntentResult & ReturnsValue<String> {
    let (question, text) = (question, text)
    let answer = try await withCarriedReader { try await $0.ask(question, in: text) }
    return .result(value: answer.text)
  }
}
