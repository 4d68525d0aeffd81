/// A string that equals another one only if both have the same code points.
///
/// Swift's own strings are equal if they look the same: `"é" == "e\u{301}"`. Ids, paths and keys are not.
public struct ExactString: Hashable, Sendable {
  /// The same as Swift knows it.
  public let string: String

  public init(_ string: String) {
    self.string = string
  }

  public static func == (first: Self, second: Self) -> Bool {
    first.string.utf8.elementsEqual(second.string.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    for byte in string.utf8 { hasher.combine(byte) }
    hasher.combine(0xFF as UInt8)  // no UTF-8 holds it
  }
}

extension ExactString: ExpressibleByStringLiteral {
  public init(stringLiteral string: String) {
    self.init(string)
  }
}

extension String {
  /// Returns whether another string has the same code points.
  func isExactly(_ other: String) -> Bool {
    utf8.elementsEqual(other.utf8)
  }

  /// Makes a string of UTF-8, or nil where the bytes are none.
  init?(exactly bytes: some Collection<UInt8>) {
    self.init(decoding: bytes, as: UTF8.self)
    // Swift puts U+FFFD in place of what is no UTF-8, so the bytes are others then.
    guard utf8.elementsEqual(bytes) else { return nil }
  }
}
