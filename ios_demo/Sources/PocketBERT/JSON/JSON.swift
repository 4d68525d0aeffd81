/// A value of JSON, as it was written.
///
/// Foundation's reader takes doubled keys without a word, and takes keys that only look the same for one.
enum JSON: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  /// What a person calls such a value.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// The members of an object of JSON, in their order; no key is there twice.
struct JSONObject: Sendable {
  private(set) var members: [(key: String, value: JSON)] = []
  private var places: [ExactString: Int] = [:]

  subscript(key: String) -> JSON? {
    places[ExactString(key)].map { members[$0].value }
  }

  /// Adds a member.
  ///
  /// - Throws: `Damage` where the key is there.
  mutating func add(_ key: String, _ value: JSON) throws(Damage) {
    guard places.updateValue(members.count, forKey: ExactString(key)) == nil else {
      throw Damage("the key \(key) stands twice in one object")
    }
    members.append((key, value))
  }
}
