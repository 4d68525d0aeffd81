import Foundation

/// The best span of the windows that were added so far; of equal ones the first.
struct SpanSearch {
  private let maxTokens: Int
  private var sumOfStarts = LogSumExp()
  private var sumOfEnds = LogSumExp()
  private var best = -Double.infinity
  private var range = 0..<0

  init(maxTokens: Int) {
    self.maxTokens = maxTokens
  }

  /// - Parameters:
  ///   - startLogits: Of every token of the row, or more; so are the others.
  mutating func add<Logit: BinaryFloatingPoint>(
    _ window: QuestionWindow, start startLogits: [Logit], end endLogits: [Logit]
  ) {
    let count = window.ranges.count
    let starts = startLogits[window.first..<window.first + count].map { Double($0) }
    let ends = endLogits[window.first..<window.first + count].map { Double($0) }
    for logit in starts { sumOfStarts.add(logit) }
    for logit in ends { sumOfEnds.add(logit) }
    for first in 0..<count {
      for last in first..<min(count, first + maxTokens) where starts[first] + ends[last] > best {
        best = starts[first] + ends[last]
        range = window.ranges[first].lowerBound..<window.ranges[last].upperBound
      }
    }
  }

  /// Returns the answer, or nil where a logit was not a finite number.
  func answer(in context: String) -> Answer? {
    let score = exp(best - sumOfStarts.value - sumOfEnds.value)
    if score.isNaN { return nil }
    let scalars = context.unicodeScalars
    let start = scalars.index(scalars.startIndex, offsetBy: range.lowerBound)
    let end = scalars.index(start, offsetBy: range.count)
    let utf16Start = context.utf16.distance(from: context.startIndex, to: start)
    let utf16Count = context.utf16.distance(from: start, to: end)
    return Answer(
      text: String(scalars[start..<end]), range: range,
      utf16Range: utf16Start..<utf16Start + utf16Count, score: score)
  }
}

/// The logarithm of a sum of exponentials; not a number if one is not a finite number.
private struct LogSumExp {
  private var largest = -Double.infinity
  private var sum = 0.0

  var value: Double { largest + log(sum) }

  mutating func add(_ logit: Double) {
    if !logit.isFinite {
      sum = .nan
    } else if logit <= largest {
      sum += exp(logit - largest)
    } else {
      sum = sum * exp(largest - logit) + 1
      largest = logit
    }
  }
}
