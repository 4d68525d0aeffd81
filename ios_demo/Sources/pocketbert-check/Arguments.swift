/// What the command was called with.
struct Arguments {
  static let usage = """
    usage: pocketbert-check BUNDLE [--public-key FILE] [--engine coreml|executorch]... [--logits FILE]

    Verifies a bundle for iOS and runs its self test: the reading of texts, and every engine that runs here.
      --public-key FILE  32 bytes of Ed25519; the bundle must be signed with the key that belongs to it
      --engine NAME      only this engine; may be given more than once
      --logits FILE      logits that the artifacts gave elsewhere, in place of engines; the answers are
                         printed, a line of JSON each
    """

  private(set) var bundle = ""
  private(set) var publicKey: String?
  private(set) var engines: [String] = []
  private(set) var logits: String?

  /// - Throws: `WrongCall` where an argument is missing or not known.
  init(_ arguments: [String]) throws {
    var rest = arguments[...]
    var places: [String] = []
    while let argument = rest.popFirst() {
      func value() throws -> String {
        guard let value = rest.popFirst() else { throw WrongCall(message: "\(argument) wants a value") }
        return value
      }
      switch argument {
      case "--public-key": publicKey = try value()
      case "--engine": engines.append(try value())
      case "--logits": logits = try value()
      case _ where argument.hasPrefix("--"): throw WrongCall(message: "\(argument) is not known")
      default: places.append(argument)
      }
    }
    guard places.count == 1 else { throw WrongCall(message: "give one bundle") }
    bundle = places[0]
  }
}

struct WrongCall: Error {
  let message: String
}
