import Foundation
import PocketBERT
import SwiftUI

/// What became of the question.
struct AnswerPanel: View {
  let demo: Demo

  var body: some View {
    switch demo.state.answer {
    case .idle: EmptyView()
    case .preparing:
      ProgressView {
        Text("Preparing the model for this device. That happens once, and may take a minute.", bundle: .module)
      }
    case .opening: ProgressView { Text("Opening the file…", bundle: .module) }
    case .answering: ProgressView { Text("Reading the text…", bundle: .module) }
    case .answered(let answer, let milliseconds):
      AnswerCard(answer: answer, milliseconds: milliseconds, engine: engine)
    case .classified(let found, let milliseconds):
      LabelsCard(found: found, milliseconds: milliseconds, engine: engine)
    case .failed(let problem): ProblemCard(problem: problem, others: others(problem)) { demo.backend = $0 }
    }
  }

  private var engine: String {
    demo.state.engines.first { $0.backend == demo.state.input.backend }?.label ?? ""
  }

  private func others(_ problem: Problem) -> [EngineChoice] {
    problem.isOfEngine ? demo.state.engines.filter { $0.backend != demo.state.input.backend } : []
  }
}

private struct AnswerCard: View {
  let answer: Answer
  let milliseconds: Double
  let engine: String

  var body: some View {
    VStack(alignment: .leading, spacing: 4) {
      Text("Answer", bundle: .module).font(.footnote)
      Text(verbatim: answer.text).font(.title2).lineLimit(3).textSelection(.enabled)
      ViewThatFits {
        HStack(spacing: 16) { facts }
        VStack(alignment: .leading, spacing: 4) { facts }
      }
      .font(.footnote)
    }
    .padding()
    .foregroundStyle(Color.answerText)
    .frame(maxWidth: .infinity, alignment: .leading)
    .background(Color.answerBackground, in: RoundedRectangle(cornerRadius: 12))
  }

  @ViewBuilder private var facts: some View {
    Text("Score \(percent(answer.score))", bundle: .module)
    Text("\(formatted(milliseconds)) ms", bundle: .module)
    Text(verbatim: engine)
    ShareLink(item: answer.text) { WordLabel("Share", symbol: "square.and.arrow.up") }
  }
}

/// A problem beside the text, and the engines that may do better.
struct ProblemCard: View {
  let problem: Problem
  let others: [EngineChoice]
  let choose: @MainActor (String) -> Void

  var body: some View {
    let words = problem.words
    VStack(alignment: .leading, spacing: 4) {
      WordLabel(of: words.title, symbol: "exclamationmark.triangle").font(.headline)
      Text(words.body)
      Text(words.advice)
      if problem.isOfEngine { Text(verbatim: problem.details).font(.footnote).textSelection(.enabled) }
      ForEach(others, id: \.backend) { other in
        Button {
          choose(other.backend)
        } label: {
          Text("Try \(other.label)", bundle: .module)
        }
      }
    }
    .padding()
    .foregroundStyle(Color.problemText)
    .frame(maxWidth: .infinity, alignment: .leading)
    .background(Color.problemBackground, in: RoundedRectangle(cornerRadius: 12))
  }
}

/// A problem that leaves nothing else to show.
struct ProblemView: View {
  let problem: Problem
  let retry: @MainActor () -> Void

  var body: some View {
    let words = problem.words
    ContentUnavailableView {
      WordLabel(of: words.title, symbol: "exclamationmark.triangle")
    } description: {
      Text(words.body)
      Text(words.advice)
      Text(verbatim: problem.details).font(.footnote).textSelection(.enabled)
    } actions: {
      Button(action: retry) { WordLabel("Try again", symbol: "arrow.clockwise") }
    }
  }
}

/// Returns a probability in per cent; of a small one more is told.
func percent(_ share: Double) -> String {
  share.formatted(.percent.precision(.fractionLength(share < 0.1 ? 1 : 0)))
}

/// Returns a number with two digits that tell.
func formatted(_ number: Double) -> String {
  number.formatted(.number.precision(.significantDigits(2)))
}
