/// Reads JSON as RFC 8259 has it, and no other: nothing is repaired, skipped or merged.
struct JSONReader {
  private let bytes: [UInt8]
  private var place = 0
  private var depth = 0

  /// Deeper nesting is refused; no file of a bundle has a quarter of it.
  private static let deepest = 32

  /// Returns the value that a file holds.
  ///
  /// - Throws: `Damage` where it is no JSON in UTF-8.
  static func read(_ bytes: [UInt8]) throws(Damage) -> JSON {
    guard String(exactly: bytes) != nil else { throw Damage("it is not UTF-8") }
    var reader = JSONReader(bytes: bytes)
    reader.skipSpaces()
    let value = try reader.value()
    reader.skipSpaces()
    guard reader.place == bytes.count else { throw reader.damage("something follows the value") }
    return value
  }

  private init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  private mutating func value() throws(Damage) -> JSON {
    switch peek() {
    case UInt8(ascii: "{"): return .object(try nested { (reader) throws(Damage) in try reader.object() })
    case UInt8(ascii: "["): return .array(try nested { (reader) throws(Damage) in try reader.array() })
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func nested<T>(
    _ read: (inout JSONReader) throws(Damage) -> T
  ) throws(Damage) -> T {
    depth += 1
    guard depth <= Self.deepest else { throw damage("it nests too deep") }
    place += 1
    let value = try read(&self)
    depth -= 1
    return value
  }

  private mutating func object() throws(Damage) -> JSONObject {
    var object = JSONObject()
    skipSpaces()
    if take(UInt8(ascii: "}")) { return object }
    repeat {
      skipSpaces()
      guard peek() == UInt8(ascii: "\"") else { throw damage("a key is missing") }
      let key = try string()
      skipSpaces()
      guard take(UInt8(ascii: ":")) else { throw damage("a colon is missing") }
      skipSpaces()
      try object.add(key, try value())
      skipSpaces()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw damage("an object does not end") }
    return object
  }

  private mutating func array() throws(Damage) -> [JSON] {
    var values: [JSON] = []
    skipSpaces()
    if take(UInt8(ascii: "]")) { return values }
    repeat {
      skipSpaces()
      values.append(try value())
      skipSpaces()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw damage("a list does not end") }
    return values
  }

  private mutating func word(_ word: StaticString, _ value: JSON) throws(Damage) -> JSON {
    for index in 0..<word.utf8CodeUnitCount where !take(word.utf8Start[index]) {
      throw damage("a value is missing")
    }
    return value
  }
}

/// Numbers.
extension JSONReader {
  private mutating func number() throws(Damage) -> JSON {
    let start = place
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) {
      guard skipDigits() > 0 else { throw damage("a value is missing") }
    }
    var isWhole = true
    if take(UInt8(ascii: ".")) {
      isWhole = false
      guard skipDigits() > 0 else { throw damage("a number does not end") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isWhole = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard skipDigits() > 0 else { throw damage("a number does not end") }
    }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    if isWhole, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else {
      throw damage("\(text) is too large a number")
    }
    return .number(number)
  }

  private mutating func skipDigits() -> Int {
    let start = place
    while let byte = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { place += 1 }
    return place - start
  }
}

/// Strings.
extension JSONReader {
  private mutating func string() throws(Damage) -> String {
    place += 1
    var start = place
    var text = ""
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "\""):
        text += String(decoding: bytes[start..<place], as: UTF8.self)
        place += 1
        return text
      case UInt8(ascii: "\\"):
        text += String(decoding: bytes[start..<place], as: UTF8.self)
        place += 1
        text.unicodeScalars.append(try escaped())
        start = place
      case 0..<0x20: throw damage("a text holds a control character")
      default: place += 1
      }
    }
    throw damage("a text does not end")
  }

  private mutating func escaped() throws(Damage) -> Unicode.Scalar {
    let byte = peek()
    place += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try scalar()
    default: throw damage("a text holds an unknown escape")
    }
  }

  private mutating func scalar() throws(Damage) -> Unicode.Scalar {
    var point = try fourDigits()
    if 0xD800...0xDBFF ~= point, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
      let low = try fourDigits()
      guard 0xDC00...0xDFFF ~= low else { throw damage("a text holds half of a surrogate pair") }
      point = 0x10000 + (point - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(point) else {
      throw damage("a text holds half of a surrogate pair")
    }
    return scalar
  }

  private mutating func fourDigits() throws(Damage) -> UInt32 {
    var point: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Self.digit(byte) else {
        throw damage("an escape wants four digits")
      }
      point = point << 4 | digit
      place += 1
    }
    return point
  }

  private static func digit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}

/// Bytes.
extension JSONReader {
  private func peek() -> UInt8? {
    place < bytes.count ? bytes[place] : nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    place += 1
    return true
  }

  private mutating func skipSpaces() {
    while let byte = peek(), byte == 0x20 || 0x09...0x0A ~= byte || byte == 0x0D { place += 1 }
  }

  private func damage(_ what: String) -> Damage {
    Damage("\(what), at byte \(place)")
  }
}
