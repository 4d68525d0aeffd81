/// What the tokenizer knows of characters.
///
/// Phones differ in their Unicode version, so this is read from the bundle and never asked of the system.
struct UnicodeTables: Sendable {
  /// Yes or no of a character.
  struct Traits: OptionSet {
    let rawValue: Int32

    /// What cleaning drops: control and format characters, private use, U+FFFD.
    static let removed = Traits(rawValue: 1)
    /// What separates words.
    static let whitespace = Traits(rawValue: 2)
    /// What is a word by itself.
    static let punctuation = Traits(rawValue: 4)
    /// What stripping accents drops.
    static let nonspacingMark = Traits(rawValue: 8)
    /// What gets a space on either side.
    static let chinese = Traits(rawValue: 16)
  }

  /// Full and canonical; Hangul is left out.
  let decompositions: Replacements
  let lowercase: Replacements
  private let numbers: CodePointMap

  private static let classShift: Int32 = 8
  private static let points = 0...lastCodePoint

  func has(_ traits: Traits, _ point: UInt32) -> Bool {
    numbers[point] & traits.rawValue != 0
  }

  /// Returns 1 to 254 for marks, 0 for all others.
  func combiningClass(of point: UInt32) -> Int32 {
    numbers[point] >> Self.classShift
  }

  /// Reads the tables from JSON, in which unknown ones are ignored.
  init(_ bytes: [UInt8]) throws(Damage) {
    var fields = try JSONFields(JSONReader.read(bytes), ignoresUnknown: true)
    var numbers = CodePointMap.Builder()
    for (name, trait) in [
      ("removed", Traits.removed), ("whitespace", .whitespace), ("punctuation", .punctuation),
      ("nonspacing_marks", .nonspacingMark), ("chinese", .chinese),
    ] {
      for row in try Self.ranges(&fields, name, size: 2) {
        numbers.set(trait.rawValue, in: row[0]...row[1])
      }
    }
    for row in try Self.ranges(&fields, "combining_classes", size: 3) {
      guard 1...254 ~= row[2] else { throw Damage("\(row[2]) is no combining class") }
      numbers.set(Int32(row[2]) << Self.classShift, in: row[0]...row[1])
    }
    self.numbers = CodePointMap(numbers)
    decompositions = Replacements(try Self.replacements(&fields, "decompositions"))
    lowercase = Replacements(try Self.replacements(&fields, "lowercase"))
  }

  private static func ranges(
    _ fields: inout JSONFields, _ name: String, size: Int
  ) throws(Damage) -> [[Int]] {
    var before = -1
    let rows = try rows(&fields, name)
    for row in rows {
      guard row.count == size else {
        throw Damage("\(name) holds a row of \(row.count) numbers, not \(size)")
      }
      guard before < row[0], row[0] <= row[1] else { throw Damage("\(name) does not ascend") }
      before = row[1]
    }
    return rows
  }

  private static func replacements(
    _ fields: inout JSONFields, _ name: String
  ) throws(Damage) -> [[Int]] {
    var before = -1
    let rows = try rows(&fields, name)
    for row in rows {
      guard row.count > 1, before < row[0] else { throw Damage("\(name) does not ascend") }
      before = row[0]
    }
    return rows
  }

  private static func rows(_ fields: inout JSONFields, _ name: String) throws(Damage) -> [[Int]] {
    try fields.list(name) { (value, place) throws(Damage) in
      guard case .array(let items) = value else { throw Damage("\(place) is no row of numbers") }
      var row: [Int] = []
      row.reserveCapacity(items.count)
      for item in items { row.append(try JSONFields.integer(item, at: place, in: points)) }
      return row
    }
  }
}
