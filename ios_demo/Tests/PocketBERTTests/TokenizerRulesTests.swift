import Foundation
import Testing

@testable import PocketBERT

/// One test for each rule of the specification; the vectors have thousands of cases.
struct TokenizerRulesTests {
  @Test("an added token is found letter by letter, the longest first")
  func addedTokens() throws {
    let settings = TokenizerSettings.small.with { $0.addedTokens = ["[SEP]": 3, "[SEP][SEP]": 5] }
    let tokenizer = try smallTokenizer("a", "[SEP][SEP]", "b", settings: settings)
    #expect(tokenizer.ids("a[SEP]b") == [4, 3, 6])
    #expect(tokenizer.ranges("a[SEP]b") == [0..<1, 1..<6, 6..<7])
    #expect(tokenizer.ids("[SEP][SEP][SEP]") == [5, 3])
    #expect(tokenizer.ids("[sep]") == [1, 1, 1])
    #expect(tokenizer.ids("[SE[SEP]") == [1, 1, 3])
    #expect(tokenizer.ids("[SEP]\u{301}") == [3], "Swift takes the last two for one character")
  }

  @Test("added tokens that only look the same are two")
  func equalAddedTokens() throws {
    let settings = TokenizerSettings.small.with { $0.addedTokens = ["\u{E9}": 4, "e\u{301}": 5] }
    let tokenizer = try smallTokenizer("\u{E9}", "e\u{301}", settings: settings)
    #expect(tokenizer.ids("e\u{301}\u{E9}") == [5, 4])
  }

  @Test("a normalized added token is found in what becomes of a text")
  func normalizedAddedTokens() throws {
    let settings = TokenizerSettings.small.with { $0.normalizedAddedTokens = ["Ae\u{301}": 6, "中 ": 7] }
    let tokenizer = try smallTokenizer("a", "b", "Ae\u{301}", "中 ", settings: settings)
    #expect(tokenizer.ids("bA\u{300}\u{E9}b") == [5, 6, 5])
    #expect(tokenizer.ranges("bA\u{300}\u{E9}b") == [0..<1, 1..<4, 4..<5])
    #expect(tokenizer.ids("ae[SEP]a\u{E9}") == [6, 3, 6])
    #expect(tokenizer.ids("a中 中  b") == [4, 7, 7, 5])
    #expect(tokenizer.ids("a e") == [4, 1])
    for wrong: [ExactString: Int] in [["\u{301}": 4], ["a": 5, "A": 6]] {
      let settings = TokenizerSettings.small.with { $0.normalizedAddedTokens = wrong }
      let refused = problem { _ = try smallTokenizer("\u{301}", "a", "A", settings: settings) }
      #expect(refused?.damagedPath == "tokenizer/vocab.txt")
    }
  }

  @Test("cleaning drops before it replaces")
  func cleaning() throws {
    let tokenizer = try smallTokenizer("ab", "a", "b")
    #expect(tokenizer.ids("a\u{B}b\u{FFFD}") == [4])
    #expect(tokenizer.ranges("a\u{B}b") == [0..<3])
    #expect(tokenizer.ids("a\tb") == [5, 6])
  }

  @Test("what is not cleaned still separates words")
  func noCleaning() throws {
    let tokenizer = try smallTokenizer("a", "b", settings: .small.with { $0.cleanText = false })
    #expect(tokenizer.ids("a\u{B}b") == [4, 5])
    #expect(tokenizer.ids("a\u{1}b") == [1])
    #expect(tokenizer.ids("a\r\nb") == [4, 5], "Swift takes the two in between for one character")
  }

  @Test("Chinese characters are words")
  func chinese() throws {
    #expect(try smallTokenizer("a", "中", "文").ids("a中文a") == [4, 5, 6, 4])
    let joined = try smallTokenizer("a", settings: .small.with { $0.handleChineseChars = false })
    #expect(joined.ids("a中文a") == [1])
  }

  @Test("accents go, and a span holds those that stand between")
  func accents() throws {
    let tokenizer = try smallTokenizer("ea")
    #expect(tokenizer.ids("éa e\u{301}a") == [4, 4])
    #expect(tokenizer.ranges("\u{E9}a e\u{301}a") == [0..<2, 3..<6])
    #expect(tokenizer.ranges("\u{301}ea\u{301}") == [1..<3])
  }

  @Test("sources are given by place after marks were put in order")
  func sources() throws {
    // U+0344 becomes two marks of class 230, and U+0316 of class 220 goes before them: it takes the source of U+0344,
    // the first of those two that of U+0316.
    let tables = smallTables(["nonspacing_marks": "[]"])
    let tokenizer = try smallTokenizer("\u{316}", "##\u{308}", "##\u{301}", tables: tables)
    #expect(tokenizer.ranges("\u{344}\u{316}") == [0..<1, 1..<2, 1..<2])
  }

  @Test("a further mark that comes first takes the first source")
  func furtherFirst() throws {
    let tables = smallTables(["nonspacing_marks": "[]", "decompositions": "[[836,776,790]]"])
    let tokenizer = try smallTokenizer("\u{316}", "##\u{308}", tables: tables)
    #expect(tokenizer.ids("\u{344}") == [4, 5])
    #expect(tokenizer.ranges("\u{344}") == [0..<1, 0..<1])
  }

  @Test("a Hangul syllable becomes its letters, which share its source")
  func hangul() throws {
    let tokenizer = try smallTokenizer("\u{1100}\u{1161}", "##\u{11A8}", "\u{1112}\u{1175}\u{11C2}")
    #expect(tokenizer.ids("각 가 힣") == [4, 5, 4, 6])
    #expect(tokenizer.ranges("각 가 힣") == [0..<1, 0..<1, 2..<3, 4..<5])
  }

  @Test("case comes from the tables")
  func lowercase() throws {
    let tables = smallTables(["nonspacing_marks": "[]"])
    let tokenizer = try smallTokenizer("i\u{307}", "a", "##σ", "i", tables: tables)
    #expect(tokenizer.ids("İ AΣ I") == [4, 5, 6, 1])
    let keeping = try smallTokenizer("A", "a", settings: .small.with { $0.lowercase = false })
    #expect(keeping.ids("A a") == [4, 5])
  }

  @Test("a word is unknown as a whole, and no token of it is left")
  func unknown() throws {
    let tokenizer = try smallTokenizer("ab", "##c", "d")
    #expect(tokenizer.ids("abc abx d") == [4, 5, 1, 6])
    #expect(tokenizer.ranges("abc abx d") == [0..<2, 2..<3, 4..<7, 8..<9])
  }

  @Test("a word of too many characters is unknown")
  func tooLong() throws {
    let tokenizer = try smallTokenizer("a", "##a", "𝒜", "##𝒜")
    for letter in ["a", "𝒜"] {
      #expect(tokenizer.ids(String(repeating: letter, count: 100)).count == 100)
      #expect(tokenizer.ids(String(repeating: letter, count: 101)) == [1])
      #expect(tokenizer.ranges(String(repeating: letter, count: 101)) == [0..<101])
    }
  }

  @Test("tokens behind the pieces are found in no word")
  func behindThePieces() throws {
    let settings = TokenizerSettings.small.with {
      $0.addedTokens = ["b": 5]
      $0.numPieces = 5
    }
    let lines = (specialLines + ["a", "b"]).map { "\($0)\n" }.joined()
    let tokenizer = try tokenizer(settings, Array(lines.utf8))
    #expect(tokenizer.ids("ab") == [4, 5])
    #expect(tokenizer.ids("B") == [1])
  }

  @Test("a prefix may be another, or none")
  func prefix() throws {
    for (prefix, piece) in [("@@", "@@b"), ("", "b"), ("##", "##b")] {
      let settings = TokenizerSettings.small.with { $0.continuingSubwordPrefix = prefix }
      #expect(try smallTokenizer("a", piece, settings: settings).ids("ab") == [4, 5])
    }
    let lacking = TokenizerSettings.small.with { $0.continuingSubwordPrefix = "@" }
    #expect(try smallTokenizer("a", "b", settings: lacking).ids("ab a") == [1, 4])
  }

  @Test(
    "a run of a hundred thousand marks, and a word of as many letters, take no square of time", .timeLimit(.minutes(10))
  )
  func longRuns() throws {
    let marks = String(repeating: "\u{301}\u{316}", count: 50_000)
    #expect(try smallTokenizer("a").ids("a\(marks)") == [4])
    #expect(try smallTokenizer("a", "##a").ids(String(repeating: "a", count: 100_000)) == [1])
    let joined = TokenizerSettings.small.with { $0.normalizedAddedTokens = ["b": 5] }
    #expect(try smallTokenizer("a", "b", settings: joined).ids(String(repeating: "b", count: 100_000)).count == 100_000)
    let many = TokenizerSettings.small.with { $0.maxInputCharsPerWord = 100_000 }
    #expect(try smallTokenizer("a", "##a", settings: many).ids(String(repeating: "a", count: 100_000)).count == 100_000)
  }
}

/// Vocabularies and tables that are damaged, or hold what readers get wrong.
struct TokenizerFilesTests {
  private func refusal(_ vocabulary: [UInt8], _ tables: String = smallTables()) -> PocketBERTError? {
    problem { _ = try tokenizer(.small, vocabulary, tables) }
  }

  private let special = specialLines.joined(separator: "\n")

  @Test("only a newline ends a token")
  func lines() throws {
    let tokenizer = try smallTokenizer("a", "b\r", "c\u{85}", "d\u{2028}", " e ", "")
    #expect(tokenizer.ids("a") == [4])
    for lines in ["\n\na\n\n", "\na\na\n"] {
      #expect(refusal(Array("\(special)\(lines)".utf8))?.damagedPath == "tokenizer/vocab.txt")
    }
    #expect(refusal(Array("\(special)\n\u{E9}\ne\u{301}".utf8)) == nil, "two tokens that look the same")
  }

  @Test("a vocabulary that is not UTF-8, or has other ids than the manifest, is damaged")
  func damagedVocabulary() {
    for bytes: [UInt8] in [[0xFF], [0x61, 0xC3], [0xED, 0xA0, 0x80]] {
      #expect(refusal(Array("\(special)\n".utf8) + bytes)?.damagedPath == "tokenizer/vocab.txt")
    }
    for text in ["a\n\(special)\n", "", "[PAD]"] {
      #expect(refusal(Array(text.utf8))?.damagedPath == "tokenizer/vocab.txt")
    }
  }

  @Test(
    "tables that are damaged are refused",
    arguments: [
      ("removed", "[[5,4]]"), ("whitespace", "[[1,2],[2,3]]"), ("punctuation", "[[1]]"),
      ("nonspacing_marks", "[[1,2,3]]"), ("chinese", "[[-1,2]]"), ("chinese", "7"), ("chinese", "[[0,1114112]]"),
      ("combining_classes", "[[1,2]]"), ("combining_classes", "[[1,2,0]]"), ("combining_classes", "[[1,2,255]]"),
      ("decompositions", "[[1]]"), ("decompositions", "[[2,3],[1,3]]"), ("decompositions", "[[1,2],[1,3]]"),
      ("lowercase", "[[1,1114112]]"), ("lowercase", "[[]]"), ("lowercase", "[[1.5,2]]"), ("lowercase", "[1]"),
    ])
  func damagedTables(_ name: String, _ rows: String) {
    let tables = smallTables([name: rows])
    #expect(refusal(Array(special.utf8), tables)?.damagedPath == "tokenizer/unicode.json")
  }

  @Test("unknown tables are ignored, and one that is absent is missed")
  func unknownTables() throws {
    _ = try smallTokenizer("a", tables: smallTables(["of_a_newer_bundle": "[[1,2]]"]))
    let tables = smallTables().replacingOccurrences(of: "\"chinese\"", with: "\"other\"")
    #expect(refusal(Array(special.utf8), tables)?.damagedPath == "tokenizer/unicode.json")
  }
}
