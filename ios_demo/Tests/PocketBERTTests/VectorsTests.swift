import Foundation
import Testing

@testable import PocketBERT

/// Everything that Python wrote for ports comes out the same here.
struct VectorsTests {
  @Test("every text gives the ids and offsets of the tokenizers library", arguments: ["uncased", "cased", "spelling"])
  func texts(_ name: String) throws {
    let tokenizer = try Fixture.tokenizer(name)
    let json = try Fixture.json(Fixture.vectors.appendingPathComponent("\(name)/texts.json"))
    var fields = try JSONFields(json, ignoresUnknown: true)
    let outer = fields
    let vectors = try fields.list("texts") { (value, place) throws(Damage) in
      try TextVector(outer.fields(of: value, at: place))
    }
    #expect(vectors.count > 150)
    for vector in vectors {
      let tokens = tokenizer.tokenize(vector.text)
      let ranges = (0..<tokens.count).map(tokens.range(of:))
      guard tokens.ids.map(Int.init) == vector.ids, ranges == vector.offsets,
        utf16Ranges(ranges, in: vector.text) == vector.utf16Offsets
      else {
        Issue.record("\(vector.text.debugDescription) gives \(tokens.ids) at \(ranges)")
        continue
      }
    }
  }

  @Test("every question gives the windows and the answer of the student in PyTorch")
  func answers() throws {
    let (settings, rules) = try Fixture.settings("uncased")
    let tokenizer = try Fixture.tokenizer("uncased")
    let cutter = WindowCutter(rules, settings)
    let file = Fixture.vectors.appendingPathComponent("uncased/answers.json")
    let answers = try AnsweredQuestion.read("answers", Fixture.json(file))
    #expect(answers.count >= 8 && answers.contains { $0.windows.count > 10 })
    for stated in answers {
      let context = tokenizer.tokenize(stated.context)
      let windows = cutter.cut(tokenizer.tokenize(stated.question), context, seqLens: stated.seqLens)
      #expect(windows.count == stated.windows.count)
      var search = SpanSearch(maxTokens: rules.maxAnswerTokens)
      for (own, stated) in zip(windows, stated.windows) {
        #expect(own.row.inputIDs.map(Int.init) == stated.inputIDs)
        #expect(own.row.attentionMask.map(Int.init) == stated.attentionMask)
        #expect(own.row.tokenTypeIDs.map(Int.init) == stated.tokenTypeIDs)
        #expect(own.first == stated.first)
        #expect(own.ranges == stated.offsets)
        search.add(own, start: stated.startLogits, end: stated.endLogits)
      }
      try stated.check(search.answer(in: stated.context))
    }
  }
}
