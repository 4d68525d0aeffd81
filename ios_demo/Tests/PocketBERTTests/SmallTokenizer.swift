@testable import PocketBERT

/// Tokens 0 to 3 of every small vocabulary.
let specialLines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]

let specialIDs: [ExactString: Int] = ["[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3]

extension TokenizerSettings {
  static let small = TokenizerSettings(
    kind: .wordpiece, cleanText: true, handleChineseChars: true, stripAccents: true, lowercase: true,
    continuingSubwordPrefix: "##", maxInputCharsPerWord: 100, specialTokens: specialIDs, addedTokens: ["[SEP]": 3],
    numPieces: 4, vocabulary: "tokenizer/vocab.txt", unicodeTables: "tokenizer/unicode.json")

  func with(_ change: (inout TokenizerSettings) -> Void) -> TokenizerSettings {
    var changed = self
    change(&changed)
    return changed
  }
}

extension SpanRules {
  static let usual = SpanRules(
    maxQuestionTokens: 64, maxAnswerTokens: 30, windowOverlapTokens: 128, score: .softmaxOverAllWindows,
    maxTextCharacters: 200_000, maxUnknownShare: 0.5)

  func with(_ change: (inout SpanRules) -> Void) -> SpanRules {
    var changed = self
    change(&changed)
    return changed
  }
}

/// Returns a tokenizer whose tokens from 4 on are these pieces.
func smallTokenizer(
  _ pieces: String..., settings: TokenizerSettings = .small, tables: String = smallTables()
) throws -> WordPieceTokenizer {
  let lines = specialLines + pieces
  return try tokenizer(
    settings.with { $0.numPieces = lines.count }, Array(lines.map { "\($0)\n" }.joined().utf8), tables)
}

/// Returns a tokenizer of these files.
func tokenizer(
  _ settings: TokenizerSettings, _ vocabulary: [UInt8], _ tables: String = smallTables()
) throws -> WordPieceTokenizer {
  try WordPieceTokenizer(settings) { $0 == settings.vocabulary ? vocabulary : Array(tables.utf8) }
}

/// Returns tables of a few characters, some of them changed.
func smallTables(_ changes: [String: String] = [:]) -> String {
  let tables = [
    "removed": "[[0,8],[11,11],[65533,65533]]", "whitespace": "[[9,11],[13,13],[32,32],[160,160]]",
    "punctuation": "[[33,47],[58,64],[91,96]]", "nonspacing_marks": "[[768,879]]", "chinese": "[[19968,40959]]",
    "combining_classes": "[[768,789,230],[790,819,220],[12334,12334,224]]",
    "decompositions": "[[233,101,769],[836,776,769]]", "lowercase": "[[65,97],[304,105,775],[931,963]]",
  ].merging(changes) { $1 }
  return "{\(tables.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ","))}"
}

extension Tokenizer {
  func ids(_ text: String) -> [Int32] { tokenize(text).ids }

  func ranges(_ text: String) -> [Range<Int>] {
    let tokens = tokenize(text)
    return (0..<tokens.count).map(tokens.range(of:))
  }
}
