import Foundation
import Testing

@testable import PocketBERT

/// Manifests that someone wrote on purpose: their hash is right.
struct ManifestTests {
  private static let hash = String(repeating: "ab", count: 32)

  /// Returns what is wrong with the manifest once it was changed, or with the tokenizer that it describes.
  private func refusal(_ change: (inout [String: JSON]) throws -> Void) throws -> PocketBERTError? {
    let file = Fixture.bundle.appendingPathComponent("manifest.json")
    let bytes = try changed(file, change)
    return problem {
      let manifest = try readManifest(bytes)
      _ = try openTask(of: manifest, among: knownTasks)
      _ = try WordPieceTokenizer(manifest.tokenizer, read: BundleFiles(folder: Fixture.bundle).read)
    }
  }

  @Test(
    "a version that this app does not know asks for an update",
    arguments: ["2.0", "10.7", "999999999.0", "1", "", "1.0.0", "one", "1.x", "١.٠"])
  func newer(_ version: String) throws {
    let refusal = try refusal {
      $0["schema_version"] = .string(version)
      $0["artifacts"] = .string("of another kind")
    }
    guard case .newerBundle(let message) = refusal else {
      Issue.record("\(String(describing: refusal))")
      return
    }
    #expect(message.contains("update the app") && (version.isEmpty || message.contains(version)))
  }

  @Test("unknown keys are an error in this minor version, and ignored in a newer one")
  func unknownKeys() throws {
    for place in ["", "student", "tokenizer", "task", "task.rules"] {
      func change(_ version: String) throws -> PocketBERTError? {
        try refusal {
          $0["schema_version"] = .string(version)
          if place.isEmpty {
            $0["new"] = JSON(["of": .array([.number(1.5)])])
          } else if place == "task.rules" {
            $0.editRules { $0["new"] = .integer(1) }
          } else {
            $0.edit(place) { $0["new"] = .null }
          }
        }
      }
      #expect(try change("1.0")?.message.contains("new") == true, "\(place)")
      #expect(try change("1.1") == nil, "\(place)")
    }
    for list in ["artifacts", "verdicts"] {
      func change(_ version: String) throws -> PocketBERTError? {
        try refusal {
          $0["schema_version"] = .string(version)
          $0.editFirst(of: list) { $0["new"] = .bool(true) }
        }
      }
      #expect(try change("1.0")?.damagedPath == "manifest.json")
      #expect(try change("1.1") == nil)
    }
  }

  @Test(
    "a path that leaves the bundle is refused wherever it stands",
    arguments: ["/etc/passwd", "../manifest.json", "a/../../b", "..", ".", "", "a\u{0}b", "./"])
  func paths(_ path: String) throws {
    let changes: [(inout [String: JSON]) -> Void] = [
      { $0.edit("files") { $0[path] = .string(Self.hash) } },
      { $0.edit("tokenizer") { $0["vocabulary"] = .string(path) } },
      { $0.edit("tokenizer") { $0["unicode_tables"] = .string(path) } },
      { $0.editFirst(of: "artifacts") { $0["path"] = .string(path) } },
      {
        $0.edit("files") { $0[path] = .string(Self.hash) }
        $0["platforms"] = JSON(["ios": .array([.string(path)])])
      },
    ]
    for change in changes {
      #expect(try refusal(change)?.damagedPath == "manifest.json")
    }
  }

  @Test("every member is missed, and refused where it is of another kind")
  func everyMember() throws {
    let manifest = try #require(try Fixture.json(Fixture.bundle.appendingPathComponent("manifest.json")).members)
    let optional: Set = [
      "task_library", "activations", "compute_units", "normalized_added_tokens", "second_token_type",
    ]
    func check(_ name: String, _ change: @escaping (inout [String: JSON], JSON?) -> Void) throws {
      if !optional.contains(name) {
        #expect(try refusal { change(&$0, nil) } != nil, "\(name) is not missed")
      }
      #expect(try refusal { change(&$0, .bool(true)) } != nil || name.hasPrefix("strip"), "\(name)")
      #expect(try refusal { change(&$0, .array([.bool(true)])) } != nil, "\(name)")
    }
    for key in manifest.keys where key != "manifest_sha256" {
      try check(key) { $0[key] = $1 }
    }
    let bools: Set = ["clean_text", "handle_chinese_chars", "strip_accents", "lowercase"]
    for part in ["student", "tokenizer", "task"] {
      for key in try #require(manifest[part]?.members).keys where !bools.contains(key) {
        try check(key) { (all, value) in all.edit(part) { $0[key] = value } }
      }
    }
    for key in try #require(manifest["task"]?.members?["rules"]?.members).keys {
      try check(key) { (all, value) in all.editRules { $0[key] = value } }
    }
    for list in ["artifacts", "verdicts"] {
      for key in try #require(manifest[list]?.items?.first?.members).keys {
        try check(key) { (all, value) in all.editFirst(of: list) { $0[key] = value } }
      }
    }
  }

  @Test("numbers that make no sense are refused")
  func numbers() throws {
    let rules: [(key: String, numbers: [Int])] = [
      ("max_question_tokens", [-1, 8193, .max]), ("max_answer_tokens", [0, 8193, .max]),
      ("window_overlap_tokens", [-1, 8193, .max]), ("max_text_characters", [0, 10_000_001, .max]),
      ("max_unknown_share", [-1, 2]),
    ]
    for (key, numbers) in rules {
      for number in numbers {
        let refusal = try refusal { $0.editRules { $0[key] = .integer(number) } }
        #expect(refusal?.message.contains("task.rules.\(key) is ") == true, "\(key) of \(number)")
      }
    }
    let bounds: [(part: String, key: String, numbers: [Int])] = [
      ("tokenizer", "num_pieces", [0, 1_048_577, .max]), ("tokenizer", "max_input_chars_per_word", [0, 257, .max]),
      ("tokenizer", "second_token_type", [-1, 2]),
    ]
    for (part, key, numbers) in bounds {
      for number in numbers {
        #expect(try refusal { $0.edit(part) { $0[key] = .integer(number) } } != nil, "\(key) of \(number)")
      }
    }
    for size in [-1, 17_179_869_185, .max] {
      #expect(try refusal { $0.editFirst(of: "artifacts") { $0["size_bytes"] = .integer(size) } } != nil)
    }
    let changes: [(inout [String: JSON]) -> Void] = [
      { $0.editRules { $0["max_answer_tokens"] = .number(30.0) } },
      { $0.editRules { $0["max_unknown_share"] = .number(1.5) } },
      { $0.editRules { $0["score"] = .string("of another kind") } },
      { $0.edit("tokenizer") { $0["kind"] = .string("bpe") } },
      { $0.edit("tokenizer") { $0["num_pieces"] = .integer(1_048_576) } },  // more than there are lines
      { $0.edit("tokenizer") { $0["normalized_added_tokens"] = JSON(["a": .integer(0)]) } },
      { $0.edit("tokenizer") { $0["normalized_added_tokens"] = JSON(["a": .integer(1_048_576)]) } },
      { $0.edit("tokenizer") { $0["special_tokens"] = JSON(["[PAD]": .integer(0)]) } },
      { $0.edit("tokenizer") { $0["added_tokens"] = JSON(["[SEP]": .integer(-1)]) } },
      { $0.edit("tokenizer") { $0["added_tokens"] = JSON(["[SEP]": .integer(1_048_576)]) } },
      { $0.edit("files") { $0["vectors.json"] = .string("AB" + Self.hash.dropFirst(2)) } },
      { $0.edit("files") { $0["vectors.json"] = .string("") } },
      { $0["platforms"] = JSON(["ios": .array([.string("absent")])]) },
      { $0["artifacts"] = .array([]) },
    ]
    for (place, change) in changes.enumerated() {
      #expect(try refusal(change) != nil, "change \(place)")
    }
    for lengths: [Int] in [[], [0, 32], [64, 32], [32, 32], [-1], [1, 3], [64, 8193], Array(32...96), [Int.max]] {
      let refusal = try refusal {
        $0.editFirst(of: "artifacts") {
          $0["seq_lens"] = .array(lengths.map { .integer($0) })
          $0["entry_points"] = .array(lengths.map { _ in .string("forward") })
        }
      }
      #expect(refusal?.damagedPath == "manifest.json", "\(lengths)")
    }
    #expect(try refusal { $0.editFirst(of: "artifacts") { $0["entry_points"] = .array([]) } } != nil)
    #expect(try refusal { $0.editFirst(of: "artifacts") { $0["inputs"] = .array([]) } } != nil)
  }

  @Test("a task that this app does not know is told, and asks for an update")
  func unknownTask() throws {
    for name in ["token-labels", "Question-Answering", "question-answering "] {
      guard case .newerBundle(let message) = try refusal({ $0.edit("task") { $0["name"] = .string(name) } }) else {
        Issue.record("\(name) is known")
        continue
      }
      #expect(message == "the bundle was made for a task that this app does not know: \(name)")
    }
    #expect(try refusal { $0.edit("task") { $0["name"] = .string("") } }?.message.contains("task.name") == true)
  }

  @Test("a rule that the task does not know, or misses, is refused by its name")
  func rulesByName() throws {
    let names = try Fixture.open().manifest.task.rules.keys.map(\.string)
    #expect(names.count == 6)
    for name in names {
      let refusal = try refusal { $0.editRules { $0[name] = nil } }
      #expect(refusal?.message.contains("task.rules.\(name) is missing") == true)
      #expect(refusal?.damagedPath == "manifest.json")
    }
    #expect(
      try refusal { $0.editRules { $0["extra"] = .bool(true) } }?.message.contains("task.rules.extra is not known")
        == true)
  }

  @Test("rules are flat, and no more than 64; labels are bounded, and question answering has none")
  func rulesAndLabels() throws {
    for value: JSON in [.null, .array([]), JSON([:]), .integer(1 << 53 + 1)] {
      #expect(try refusal { $0.editRules { $0["extra"] = value } }?.message.contains("task.rules.extra") == true)
    }
    let many = try refusal { $0.editRules { for place in 0..<60 { $0["extra \(place)"] = .integer(1) } } }
    #expect(many?.message.contains("66 members") == true)
    func refused(_ labels: [JSON]) throws -> String? {
      try refusal { $0.edit("task") { $0["labels"] = .array(labels) } }?.message
    }
    #expect(try refused([.string("good")])?.contains("task.labels is not empty") == true)
    #expect(try refused([.integer(1)])?.contains("task.labels.0") == true)
    #expect(try refused([.string(String(repeating: "a", count: 1001))])?.contains("1000 characters") == true)
    #expect(try refused([JSON](repeating: .string("a"), count: 10_001))?.contains("10001 labels") == true)
  }

  @Test("an artifact that lacks an output of the task is refused")
  func outputs() throws {
    let refusal = try refusal {
      $0.editFirst(of: "artifacts") { $0.editFirst(of: "outputs") { $0["name"] = .string("logits") } }
    }
    #expect(refusal?.message.contains("gives no start_logits") == true)
  }

  @Test("keys that look the same are two keys, and one that stands twice is refused")
  func equalKeys() throws {
    let (composed, decomposed) = ("\u{E9}", "e\u{301}")
    #expect(composed == decomposed && ExactString(composed) != ExactString(decomposed))
    let text = "{\"\(composed)\":1,\"\(decomposed)\":2}"
    var fields = try JSONFields(JSONReader.read(Array(text.utf8)))
    #expect(try fields.integer(composed, in: 0...9) == 1)
    #expect(try fields.integer(decomposed, in: 0...9) == 2)
    #expect(throws: Damage.self) { try JSONReader.read(Array("{\"a\":1,\"a\":1}".utf8)) }
    #expect(throws: Damage.self) { try JSONReader.read(Array("{\"a\":1,\"\\u0061\":1}".utf8)) }
  }
}

extension [String: JSON] {
  /// Changes the rules of the task.
  mutating func editRules(_ change: (inout [String: JSON]) -> Void) {
    edit("task") { $0.edit("rules", change) }
  }

  /// Changes an object inside.
  mutating func edit(_ key: String, _ change: (inout [String: JSON]) -> Void) {
    var inner = self[key]?.members ?? [:]
    change(&inner)
    self[key] = JSON(inner)
  }

  /// Changes the first object of a list.
  mutating func editFirst(of key: String, _ change: (inout [String: JSON]) -> Void) {
    var items = self[key]?.items ?? []
    var inner = items.first?.members ?? [:]
    change(&inner)
    items = [JSON(inner)] + items.dropFirst()
    self[key] = .array(items)
  }
}
