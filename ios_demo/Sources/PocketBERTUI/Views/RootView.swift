import SwiftUI

/// The app: a text, a question and the answer, or what does not work with the model.
public struct RootView: View {
  private let demo: Demo

  public init(demo: Demo) {
    self.demo = demo
  }

  public var body: some View {
    NavigationStack {
      switch demo.state.bundle {
      case .loading: ProgressView { Text("Checking the model…", bundle: .module) }
      case .failed(let problem): ProblemView(problem: problem) { demo.retry() }
      case .ready(let facts):
        if facts.numClassifiedTexts == nil {
          AskView(demo: demo, facts: facts)
        } else {
          ClassifyView(demo: demo, facts: facts)
        }
      }
    }
  }
}

/// A button's word beside a symbol.
struct WordLabel: View {
  let word: Text
  let symbol: String

  init(_ word: LocalizedStringKey, symbol: String) {
    self.word = Text(word, bundle: .module)
    self.symbol = symbol
  }

  init(of word: LocalizedStringResource, symbol: String) {
    self.word = Text(word)
    self.symbol = symbol
  }

  var body: some View {
    Label {
      word
    } icon: {
      Image(systemName: symbol)
    }
  }
}

/// Colours of the asset catalog.
extension Color {
  static let onAccent = Color("OnAccent", bundle: .module)
  static let mark = Color("Mark", bundle: .module)
  static let answerText = Color("AnswerText", bundle: .module)
  static let answerBackground = Color("AnswerBackground", bundle: .module)
  static let problemText = Color("ProblemText", bundle: .module)
  static let problemBackground = Color("ProblemBackground", bundle: .module)
}
