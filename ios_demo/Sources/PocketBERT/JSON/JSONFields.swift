/// Takes the members of an object by their names, and says where one is absent or of another kind.
struct JSONFields {
  private let object: JSONObject
  private let place: String
  private let ignoresUnknown: Bool
  private var taken: Set<ExactString> = []

  /// - Parameters:
  ///   - value: Must be an object.
  ///   - place: Where it stands, as in `artifacts.0`; empty for the whole file.
  ///   - ignoresUnknown: Whether `finish` lets pass what nobody took.
  /// - Throws: `Damage` where the value is no object.
  init(_ value: JSON, at place: String = "", ignoresUnknown: Bool = false) throws(Damage) {
    guard case .object(let object) = value else {
      throw Damage("\(place.isEmpty ? "it" : place) is \(value.kind), not an object")
    }
    self.object = object
    self.place = place
    self.ignoresUnknown = ignoresUnknown
  }

  /// Refuses members that nobody took, unless they are to be ignored.
  func finish() throws(Damage) {
    if ignoresUnknown { return }
    for (key, _) in object.members where !taken.contains(ExactString(key)) {
      throw Damage("\(name(key)) is not known")
    }
  }

  mutating func string(_ key: String) throws(Damage) -> String {
    try Self.string(value(key), at: name(key))
  }

  /// Returns a text, or nil where the member is absent or null.
  mutating func optionalString(_ key: String) throws(Damage) -> String? {
    guard let value = optionalValue(key) else { return nil }
    return try Self.string(value, at: name(key))
  }

  /// Returns one of a few words.
  mutating func choice<Choice: RawRepresentable<String>>(
    _ key: String, as kind: Choice.Type = Choice.self
  ) throws(Damage) -> Choice {
    let word = try string(key)
    guard let choice = Choice(rawValue: word) else {
      throw Damage("\(name(key)) is \(word), which is not known")
    }
    return choice
  }

  mutating func bool(_ key: String) throws(Damage) -> Bool {
    let value = try value(key)
    guard case .bool(let bool) = value else { throw other(key, value, "true or false") }
    return bool
  }

  mutating func integer(_ key: String, in bounds: ClosedRange<Int>) throws(Damage) -> Int {
    try Self.integer(value(key), at: name(key), in: bounds)
  }

  mutating func number(_ key: String, in bounds: ClosedRange<Double>) throws(Damage) -> Double {
    let number = try Self.number(value(key), at: name(key))
    guard bounds.contains(number) else {
      throw Damage("\(name(key)) is \(number), not from \(bounds.lowerBound) to \(bounds.upperBound)")
    }
    return number
  }

  /// Returns a number, or nil where it is null; it must be there.
  mutating func numberOrNull(_ key: String) throws(Damage) -> Double? {
    let value = try value(key)
    if case .null = value { return nil }
    return try Self.number(value, at: name(key))
  }

  mutating func array(_ key: String) throws(Damage) -> [JSON] {
    let value = try value(key)
    guard case .array(let values) = value else { throw other(key, value, "a list") }
    return values
  }

  mutating func strings(_ key: String) throws(Damage) -> [String] {
    try list(key) { (value, place) throws(Damage) in try Self.string(value, at: place) }
  }

  mutating func integers(_ key: String, in bounds: ClosedRange<Int>) throws(Damage) -> [Int] {
    try list(key) { (value, place) throws(Damage) in
      try Self.integer(value, at: place, in: bounds)
    }
  }

  /// Returns numbers, and nil in place of a null.
  mutating func numbersOrNull(_ key: String) throws(Damage) -> [Double?] {
    try list(key) { (value, place) throws(Damage) in
      if case .null = value { return nil }
      return try Self.number(value, at: place)
    }
  }

  /// Returns what every item of a list is read as.
  mutating func list<T>(
    _ key: String, _ read: (JSON, _ place: String) throws(Damage) -> T
  ) throws(Damage) -> [T] {
    var items: [T] = []
    for (index, item) in try array(key).enumerated() {
      items.append(try read(item, "\(name(key)).\(index)"))
    }
    return items
  }

  /// Returns what every member of an object is read as, by its name.
  mutating func map<T>(
    _ key: String, _ read: (JSON, _ place: String) throws(Damage) -> T
  ) throws(Damage) -> [ExactString: T] {
    let value = try value(key)
    guard case .object(let object) = value else { throw other(key, value, "an object") }
    var items: [ExactString: T] = [:]
    for (inner, item) in object.members {
      items[ExactString(inner)] = try read(item, "\(name(key)).\(inner)")
    }
    return items
  }

  mutating func stringMap(_ key: String) throws(Damage) -> [ExactString: String] {
    try map(key) { (value, place) throws(Damage) in try Self.string(value, at: place) }
  }

  /// Returns the fields of an object inside, which are as strict as these.
  mutating func fields(_ key: String) throws(Damage) -> JSONFields {
    try JSONFields(value(key), at: name(key), ignoresUnknown: ignoresUnknown)
  }

  /// The same of a value that was taken, as strict as these.
  func fields(of value: JSON, at place: String) throws(Damage) -> JSONFields {
    try JSONFields(value, at: place, ignoresUnknown: ignoresUnknown)
  }

  /// Returns a member, or nil where it is absent or null.
  mutating func optionalValue(_ key: String) -> JSON? {
    taken.insert(ExactString(key))
    if case .null = object[key] { return nil }
    return object[key]
  }

  private mutating func value(_ key: String) throws(Damage) -> JSON {
    taken.insert(ExactString(key))
    guard let value = object[key] else { throw Damage("\(name(key)) is missing") }
    return value
  }

  private func name(_ key: String) -> String {
    place.isEmpty ? key : "\(place).\(key)"
  }

  private func other(_ key: String, _ value: JSON, _ expected: String) -> Damage {
    Damage("\(name(key)) is \(value.kind), not \(expected)")
  }
}

/// Single values.
extension JSONFields {
  static func string(_ value: JSON, at place: String) throws(Damage) -> String {
    guard case .string(let text) = value else {
      throw Damage("\(place) is \(value.kind), not a text")
    }
    return text
  }

  static func integer(
    _ value: JSON, at place: String, in bounds: ClosedRange<Int>
  ) throws(Damage) -> Int {
    guard case .integer(let integer) = value else {
      throw Damage("\(place) is \(value.kind), not a whole number")
    }
    guard bounds.contains(integer) else {
      throw Damage("\(place) is \(integer), not from \(bounds.lowerBound) to \(bounds.upperBound)")
    }
    return integer
  }

  static func number(_ value: JSON, at place: String) throws(Damage) -> Double {
    switch value {
    case .integer(let integer): return Double(integer)
    case .number(let number): return number
    default: throw Damage("\(place) is \(value.kind), not a number")
    }
  }
}
