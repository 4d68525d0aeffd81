import Foundation
import PocketBERT
import SwiftUI

/// A problem in words.
struct ProblemWords {
  var title: LocalizedStringResource
  var body: LocalizedStringResource
  /// What a person can do.
  var advice: LocalizedStringResource

  init(_ title: String.LocalizationValue, _ body: String.LocalizationValue, _ advice: String.LocalizationValue) {
    self.title = .own(title)
    self.body = .own(body)
    self.advice = .own(advice)
  }
}

extension LocalizedStringResource {
  /// Returns a word of the catalog of this package, which can be shown and read out.
  static func own(_ word: String.LocalizationValue) -> LocalizedStringResource {
    LocalizedStringResource(word, bundle: .atURL(Bundle.module.bundleURL))
  }
}

extension Problem {
  var words: ProblemWords {
    switch kind {
    case .noBundle:
      ProblemWords(
        "There is no model in this app", "It was built without one, so there is nothing to ask.",
        "Copy a model bundle into the app as its README tells, and install it again.")
    case .damagedBundle(let path):
      ProblemWords(
        "The model is damaged", "This file is not what it should be: \(path)",
        "Install the app again. If that does not help, build the model bundle again.")
    case .newerBundle:
      ProblemWords(
        "The model is newer than this app", "It comes in a form that this version cannot read.", "Update the app.")
    case .untrustedBundle:
      ProblemWords(
        "The model is not from whom it should be", "Its signature is absent or wrong, so somebody may have changed it.",
        "Install the app again, from a source that you trust.")
    case .unreadableText(.question, let reason): Self.question(reason)
    case .unreadableText(.textPair, .empty):
      ProblemWords(
        "There is no second text", "The second text holds nothing that could be read.", "Write the second text, too.")
    case .unreadableText(_, let reason): Self.context(reason)
    case .engineFailed(let stage, let engine): Self.engine(stage, engine)
    case .unexpected:
      ProblemWords(
        "Something went wrong", "That should not happen, and your text is still here.",
        "Try again. If it happens again, please report it with the details.")
    }
  }

  private static func question(_ reason: UnreadableReason) -> ProblemWords {
    switch reason {
    case .empty:
      ProblemWords("There is no question", "The question holds nothing that could be read.", "Write a question.")
    case .tooLong: ProblemWords("The question is too long", "It should be a sentence or two.", "Shorten it.")
    case .unknownScript:
      ProblemWords(
        "The model cannot read this question", "Most of its words are in a script that the model has not learned.",
        "Ask in another language.")
    case .noUnicode:
      ProblemWords(
        "The question is broken", "It holds what is no character.", "Copy it again from where it comes from.")
    }
  }

  private static func context(_ reason: UnreadableReason) -> ProblemWords {
    switch reason {
    case .empty:
      ProblemWords(
        "There is no text", "The text holds nothing that could be read.", "Pick a sample, or paste a text.")
    case .tooLong:
      ProblemWords(
        "The text is too long", "Only its beginning is kept.", "Ask about that, or paste a shorter text.")
    case .unknownScript:
      ProblemWords(
        "The model cannot read this text", "Most of its words are in a script that the model has not learned.",
        "Try a text in another language.")
    case .noUnicode:
      ProblemWords(
        "The text is broken", "It holds what is no character, as a file does that was cut, or that is no text.",
        "Save it as text in UTF-8, and open it again.")
    }
  }

  private static func engine(_ stage: EngineStage, _ engine: String) -> ProblemWords {
    switch stage {
    case .checkingVersion:
      ProblemWords(
        "\(engine) cannot run this model",
        "The model wants a newer version than there is here, or is not there for \(engine).",
        "Update the app or the system, or use another engine.")
    case .loading:
      ProblemWords(
        "\(engine) could not load the model", "The device may be short of memory, or unable to run it.",
        "Close other apps and ask again, or use another engine.")
    case .running:
      ProblemWords(
        "\(engine) failed", "It stopped while it was reading, and was closed.", "Ask again, or use another engine.")
    }
  }
}
