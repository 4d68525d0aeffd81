/// What a person has put in.
public struct Input: Equatable, Sendable {
  public var text: String
  public var question: String
  /// The second text, of a model that classifies two.
  public var pair = ""
  /// That is to answer.
  public var backend: String
  /// Characters at the end of the text that are not kept.
  public var numLeftOut = 0

  /// A question may have this many code points: many times what a model reads of it.
  static let mostOfQuestion = 1000
  /// A longer text is shown, but not in a field to write in, which lays out all of it at each key.
  public static let mostToEdit = 20_000

  public init(text: String, question: String, backend: String = "") {
    self.text = text
    self.question = question
    self.backend = backend
  }

  public var isEditable: Bool { text.utf16.count <= Self.mostToEdit }
}

/// Returns the beginning of a text, and how many code points were left out.
func beginning(of text: String, most: Int) -> (text: String, numLeftOut: Int) {
  let scalars = text.unicodeScalars
  guard let end = scalars.index(scalars.startIndex, offsetBy: most, limitedBy: scalars.endIndex), end < scalars.endIndex
  else { return (text, 0) }
  return (String(scalars[..<end]), scalars.distance(from: end, to: scalars.endIndex))
}
