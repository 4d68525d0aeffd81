import AppIntents
import PocketBERT
import PocketBERTCoreML
import PocketBERTUI

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
    let bundle = try openCarriedBundle()
    let factory = CoreMLFactory(computeUnits: Choices().computeUnits)
    let artifact = try bundle.artifact(for: factory.backend)
    let reader = Reader(bundle, engine: try await factory.open(artifact, of: bundle) { _ in })
    let answer: Answer
    do {
      answer = try await reader.ask(question, in: text)
    } catch {
      await reader.close()
      throw error
    }
    await reader.close()
    return .result(value: answer.text)
  }
}
