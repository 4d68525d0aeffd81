import AppIntents
import PocketBERT
import PocketBERTCoreML

/// Answers a question about a text, for Shortcuts and Siri; on this device, as the app does.
struct AskIntent: AppIntent {
  static let title: LocalizedStringResource = "Ask a text a question"

  @Parameter(title: "Question") var question: String
  @Parameter(title: "Text") var text: String

  func perform() async throws -> some IntentResult & ReturnsValue<String> {
    let bundle = try openCarriedBundle()
    let factory = CoreMLFactory()
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
