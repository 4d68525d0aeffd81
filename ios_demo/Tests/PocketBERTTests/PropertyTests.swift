import Foundation
import Testing

@testable import PocketBERT

/// What holds of the tokens of any text.
struct TokenizerPropertyTests {
  private static let numTexts = 500
  private static let separator = "[SEP]"
  /// What rules of the tokenizer are about.
  private static let hard = Array(
    "aé\u{301}\u{316}\u{327}\u{344}\u{345}가각\u{302E}中\u{20000}İΣß.![]SEPU NK\u{0}\u{FFFD}\u{200D}\u{A0}\u{85}👩\u{1D165}\u{1E69}"
      .unicodeScalars)

  private func text(_ chance: inout Chance) -> String {
    var text = ""
    for _ in 0..<Int.random(in: 0...40, using: &chance) {
      switch Int.random(in: 0...2, using: &chance) {
      case 0: text.unicodeScalars.append(Self.hard.randomElement(using: &chance) ?? " ")
      case 1: text.unicodeScalars.append(Unicode.Scalar(UInt8.random(in: 0x20...0x7E, using: &chance)))
      default:
        let point = UInt32.random(in: 0...UInt32(lastCodePoint), using: &chance)
        if let scalar = Unicode.Scalar(point) { text.unicodeScalars.append(scalar) }
      }
    }
    return text
  }

  @Test("spans ascend and lie inside the text", arguments: ["uncased", "cased", "spelling"])
  func spans(_ name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    var chance = Chance()
    for _ in 0..<Self.numTexts {
      let text = text(&chance)
      var before = 0
      for range in tokenizer.ranges(text) {
        if range.lowerBound < before || range.isEmpty || range.upperBound > text.unicodeScalars.count {
          Issue.record("\(text.debugDescription) has a token at \(range)")
        }
        before = range.lowerBound
      }
    }
  }

  @Test("a text behind an added token has the tokens that it has alone", arguments: ["uncased", "cased", "spelling"])
  func stretches(_ name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    var chance = Chance(seed: 2)
    for _ in 0..<Self.numTexts {
      let (first, second) = (text(&chance), text(&chance))
      let joined = first + Self.separator + second
      let shift = first.unicodeScalars.count + Self.separator.unicodeScalars.count
      let ids = tokenizer.ids(first) + tokenizer.ids(Self.separator) + tokenizer.ids(second)
      let ranges = tokenizer.ranges(second).map { $0.lowerBound + shift..<$0.upperBound + shift }
      if tokenizer.ids(joined) != ids || tokenizer.ranges(joined).suffix(ranges.count) != ranges[...] {
        Issue.record("\(joined.debugDescription)")
      }
    }
  }
}

/// What holds of windows, and of the answer that is found in them.
struct WindowPropertyTests {
  /// Tokens of one letter each with a space behind it, and with ids that ascend.
  private func numbered(_ count: Int, from first: Int) -> Tokens {
    var tokens = Tokens()
    for index in 0..<count { tokens.add(Int32(first + index), from: Int32(2 * index), to: Int32(2 * index + 1)) }
    return tokens
  }

  @Test("windows cover the context in order, and every one fits the least length")
  func cover() {
    var chance = Chance()
    for _ in 0..<2000 {
      var lengths: Set<Int> = []
      for _ in 0..<Int.random(in: 1...4, using: &chance) { lengths.insert(Int.random(in: 4...60, using: &chance)) }
      let seqLens = lengths.sorted()
      let rules = SpanRules.usual.with {
        $0.maxQuestionTokens = Int.random(in: 0...30, using: &chance)
        $0.windowOverlapTokens = Int.random(in: 0...50, using: &chance)
      }
      let settings = TokenizerSettings.small.with { $0.secondTokenType = Int.random(in: 0...1, using: &chance) }
      let numAsked = Int.random(in: 1...40, using: &chance)
      let numContext = Int.random(in: 1...150, using: &chance)
      let windows = WindowCutter(rules, settings).cut(
        numbered(numAsked, from: 100), numbered(numContext, from: 1000), seqLens: seqLens)
      let longest = seqLens[seqLens.count - 1]
      let kept = min(numAsked, rules.maxQuestionTokens, (longest - 3) / 2)
      var covered = 0
      for (place, window) in windows.enumerated() {
        let row = window.row
        let start = Int(row.inputIDs[window.first]) - 1000
        let numPadding = row.seqLen - row.numTokens
        let numHere = window.ranges.count
        var ids: [Int32] = [2]
        for index in 0..<kept { ids.append(Int32(100 + index)) }
        ids.append(3)
        for index in 0..<numHere { ids.append(Int32(1000 + start + index)) }
        ids.append(3)
        let ranges: [Range<Int>] = (0..<numHere).map { (index: Int) in
          2 * (start + index)..<2 * (start + index) + 1
        }
        func rowOf(_ number: Int32, _ count: Int) -> [Int32] { [Int32](repeating: number, count: count) }
        let mask: [Int32] = rowOf(1, row.numTokens) + rowOf(0, numPadding)
        let types: [Int32] =
          rowOf(0, window.first) + rowOf(Int32(settings.secondTokenType), row.numTokens - window.first)
        let isRow: Bool = row.inputIDs == ids + rowOf(0, numPadding) && row.attentionMask == mask
        let isTyped: Bool = row.tokenTypeIDs == types + rowOf(0, numPadding) && window.first == kept + 2
        let isLeast: Bool = row.seqLen == seqLens.first(where: { $0 >= row.numTokens })
        let isPlaced: Bool = window.ranges == ranges && start <= covered && start + numHere > covered
        let isFull: Bool = place == windows.count - 1 || row.numTokens == longest
        if !(isRow && isTyped && isLeast && isPlaced && isFull) {
          Issue.record("window \(place) of \(numContext) tokens at \(seqLens): \(window)")
        }
        covered = start + window.ranges.count
      }
      if covered != numContext { Issue.record("\(covered) of \(numContext) tokens at \(seqLens)") }
    }
  }

  /// Looks at every span of every window, the sums by their definition.
  private func tryAll(
    _ windows: [QuestionWindow], _ logits: [[[Float]]], maxTokens: Int
  ) -> (range: Range<Int>, score: Double) {
    var best = (value: -Double.infinity, range: 0..<0)
    var sums = [0.0, 0.0]
    for (window, rows) in zip(windows, logits) {
      let (start, end) = (rows[0].map { Double($0) }, rows[1].map { Double($0) })
      for first in window.ranges.indices {
        sums[0] += exp(start[window.first + first])
        sums[1] += exp(end[window.first + first])
        for last in first..<min(window.ranges.count, first + maxTokens) {
          let value = start[window.first + first] + end[window.first + last]
          if value > best.value {
            best = (value, window.ranges[first].lowerBound..<window.ranges[last].upperBound)
          }
        }
      }
    }
    return (best.range, exp(best.value - log(sums[0]) - log(sums[1])))
  }

  @Test("the answer is the first of the best spans, and one logit that is no number leaves none")
  func search() throws {
    var chance = Chance()
    for round in 0..<600 {
      let numContext = Int.random(in: 1...60, using: &chance)
      let maxTokens = Int.random(in: 1...9, using: &chance)
      let context = String(repeating: "a ", count: numContext)
      let rules = SpanRules.usual.with { $0.windowOverlapTokens = 4 }
      let windows = WindowCutter(rules, .small).cut(
        numbered(2, from: 4), numbered(numContext, from: 4), seqLens: [8, 16])
      // Few values, so that spans are often equal.
      func logit() -> Float {
        round % 2 == 0 ? Float(Int.random(in: -3...3, using: &chance)) : Float.random(in: -50...50, using: &chance)
      }
      func logitsOfRow(_ size: Int) -> [Float] { (0..<size).map { _ in logit() } }
      var logits: [[[Float]]] = windows.map { [logitsOfRow($0.row.seqLen), logitsOfRow($0.row.seqLen)] }
      func answer() -> Answer? {
        var search = SpanSearch(maxTokens: maxTokens)
        for (window, rows) in zip(windows, logits) { search.add(window, start: rows[0], end: rows[1]) }
        return search.answer(in: context)
      }
      let expected = tryAll(windows, logits, maxTokens: maxTokens)
      let found = try #require(answer())
      if found.range != expected.range || abs(found.score - expected.score) > 1e-9 {
        Issue.record("\(found) is not \(expected)")
      }
      let place = Int.random(in: windows.indices, using: &chance)
      let token = windows[place].first + Int.random(in: windows[place].ranges.indices, using: &chance)
      let bad: [Float] = [.nan, .infinity, -.infinity]
      logits[place][round % 2][token] = bad[round % 3]
      if answer() != nil { Issue.record("an answer with \(bad[round % 3])") }
    }
  }

  @Test("logits that are far apart give a probability still")
  func farApart() {
    let windows = WindowCutter(.usual, .small).cut(numbered(2, from: 4), numbered(2, from: 4), seqLens: [8, 16])
    for (high, low): (Float, Float) in [(3e38, -3e38), (0, -3e38), (1e4, 9e3)] {
      var row = [Float](repeating: low, count: windows[0].row.seqLen)
      row[windows[0].first] = high
      var search = SpanSearch(maxTokens: 30)
      search.add(windows[0], start: row, end: row)
      #expect(search.answer(in: "a a") == Answer(text: "a", range: 0..<1, utf16Range: 0..<1, score: 1))
    }
  }
}
