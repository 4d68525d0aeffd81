import CryptoKit
import Foundation
import Support
import Testing

@testable import PocketBERT

/// What Python wrote.
enum Fixture {
  static let folder = fixtureFolder
  static let bundle = folder.appendingPathComponent("bundle")
  static let vectors = folder.appendingPathComponent("vectors")

  static func publicKey() throws -> Data {
    try Data(contentsOf: folder.appendingPathComponent("public-key.bin"))
  }

  /// Returns the bundle, which is opened once.
  static func open() throws -> ModelBundle { try opened.get() }

  private static let opened = Result { try ModelBundle(at: bundle, publicKey: publicKey()) }

  /// Opens a tokenizer of the vectors.
  static func tokenizer(_ name: String) throws -> any Tokenizer {
    let files = BundleFiles(folder: vectors.appendingPathComponent(name))
    return try WordPieceTokenizer(settings(name).tokenizer, read: files.read)
  }

  static func settings(_ name: String) throws -> (tokenizer: TokenizerSettings, rules: SpanRules) {
    var fields = try JSONFields(json(vectors.appendingPathComponent("\(name)/settings.json")))
    var tokenizer = try fields.fields("tokenizer")
    var task = try fields.fields("task")
    var rules = try task.fields("rules")
    return (try TokenizerSettings(&tokenizer), try SpanRules(&rules))
  }

  static func json(_ file: URL) throws -> JSON {
    try JSONReader.read([UInt8](Data(contentsOf: file)))
  }
}

/// Returns a changed manifest with its right hash, as whoever made it would have.
func changed(_ file: URL, _ change: (inout [String: JSON]) throws -> Void) throws -> [UInt8] {
  var members = try #require(try Fixture.json(file).members)
  members["manifest_sha256"] = nil
  try change(&members)
  let hash = hexadecimal(SHA256.hash(data: Array(JSON(members).canonical.utf8)))
  members["manifest_sha256"] = .string(hash)
  return Array(JSON(members).canonical.utf8)
}

/// Writes a changed manifest in place of the one that a bundle has.
func rewriteManifest(in folder: URL, _ change: (inout [String: JSON]) throws -> Void) throws {
  let file = folder.appendingPathComponent("manifest.json")
  try Data(changed(file, change)).write(to: file)
}

extension JSON {
  init(_ members: [String: JSON]) {
    var object = JSONObject()
    for (key, value) in members { try? object.add(key, value) }
    self = .object(object)
  }

  var members: [String: JSON]? {
    guard case .object(let object) = self else { return nil }
    return Dictionary(uniqueKeysWithValues: object.members.map { ($0.key, $0.value) })
  }

  var items: [JSON]? {
    guard case .array(let items) = self else { return nil }
    return items
  }

  /// The bytes of a manifest that holds this.
  var canonical: String { "\(text)\n" }

  /// With keys in the order of their code points, and no spaces.
  private var text: String {
    switch self {
    case .null: return "null"
    case .bool(let bool): return "\(bool)"
    case .integer(let integer): return "\(integer)"
    case .number(let number): return "\(number)"
    case .string(let text): return Self.quoted(text)
    case .array(let items): return "[\(items.map(\.text).joined(separator: ","))]"
    case .object(let object):
      let members = object.members.sorted {
        $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
      }
      return "{\(members.map { "\(Self.quoted($0.key)):\($0.value.text)" }.joined(separator: ","))}"
    }
  }

  private static func quoted(_ text: String) -> String {
    let parts = text.unicodeScalars.map { scalar -> String in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case "\n": "\\n"
      case "\0"..<" ": "\\u00\(scalar.value < 16 ? "0" : "")\(String(scalar.value, radix: 16))"
      default: String(scalar)
      }
    }
    return "\"\(parts.joined())\""
  }
}

/// Numbers that seem to come by chance, and are the same each time.
struct Chance: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64 = 1) {
    state = seed
  }

  /// SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Returns what a call throws.
func problem(_ body: () throws -> Void) -> PocketBERTError? {
  do {
    try body()
    return nil
  } catch {
    return error as? PocketBERTError
  }
}

extension PocketBERTError {
  /// The path of a damaged file, if that is what is wrong.
  var damagedPath: String? {
    guard case .damagedBundle(let path, _) = self else { return nil }
    return path
  }

  var isUntrusted: Bool {
    guard case .untrustedBundle = self else { return false }
    return true
  }
}
