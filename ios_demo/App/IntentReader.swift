import AppIntents
import PocketBERT
import PocketBERTCoreML
import PocketBERTUI

/// What an intent could not do, in words that Shortcuts shows.
struct IntentProblem: Error, CustomLocalizedStringResourceConvertible {
  let message: String

  var localizedStringResource: LocalizedStringResource { LocalizedStringResource(stringLiteral: message) }
}

/// Gives an action the bundle that the app carries and an engine, which is closed when that ends.
///
/// - Throws: `IntentProblem`, or `CancellationError`.
func withCarriedReader<Result: Sendable>(
  _ action: @Sendable (Reader) async throws -> Result
) async throws -> Result {
  do {
    return try await withReader(
      of: openCarriedBundle(), by: CoreMLFactory(computeUnits: Choices().computeUnits), action)
  } catch let error as PocketBERTError {
    throw IntentProblem(message: error.message)
  }
}
