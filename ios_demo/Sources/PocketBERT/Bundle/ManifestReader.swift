import CryptoKit
import Foundation

/// The file that says all else of a bundle.
let manifestFile = "manifest.json"

/// Of the schema that this app knows; a newer major version is refused, of a newer minor one unknown keys are ignored.
private let schemaVersion = (major: 1, minor: 0)

/// Reads a manifest from its bytes.
///
/// - Throws: `damagedBundle` where they are not, one by one, what was written; `newerBundle` where it is of a newer
///   major version.
func readManifest(_ bytes: [UInt8]) throws(PocketBERTError) -> Manifest {
  let (rest, hash) = try takeHash(Data(bytes))
  let json = try reading(manifestFile) { () throws(Damage) in try JSONReader.read(rest) }
  let isNewer = try isOfNewerMinor(json)
  return try reading(manifestFile) { () throws(Damage) in
    var fields = try JSONFields(json, ignoresUnknown: isNewer)
    let manifest = try Manifest(&fields, sha256: hash)
    try checkManifest(manifest)
    return manifest
  }
}

private func isOfNewerMinor(_ json: JSON) throws(PocketBERTError) -> Bool {
  let stated = try reading(manifestFile) { () throws(Damage) in
    var fields = try JSONFields(json)
    return try fields.string("schema_version")
  }
  guard let numbers = versionNumbers(stated), numbers.count == 2, numbers[0] <= schemaVersion.major
  else {
    throw .newerBundle(
      "the bundle has schema version \(stated), and this app reads up to \(schemaVersion.major).x: update the app")
  }
  return isNewerMinor(numbers)
}

private func isNewerMinor(_ numbers: [Int]) -> Bool {
  numbers.count == 2 && numbers[0] == schemaVersion.major && numbers[1] > schemaVersion.minor
}

/// Returns the bytes that the manifest's own hash is of, which it is found in and compared with, and the hash.
private func takeHash(_ manifest: Data) throws(PocketBERTError) -> (rest: [UInt8], hash: String) {
  let (before, behind) = (Data("\"manifest_sha256\":\"".utf8), Data("\",".utf8))
  let size = before.count + 64 + behind.count
  var found: [Int] = []
  var from = manifest.startIndex
  while let range = manifest.range(of: before, in: from..<manifest.endIndex) {
    from = range.upperBound
    let end = range.lowerBound + size
    if end <= manifest.endIndex, manifest[(end - behind.count)..<end] == behind,
      manifest[range.upperBound..<(end - behind.count)].allSatisfy(isHexadecimal)
    {
      found.append(range.lowerBound)
    }
  }
  guard found.count == 1, let start = found.first else {
    throw .damagedBundle(path: manifestFile, "\(manifestFile) does not state its hash once")
  }
  let digits = manifest[(start + before.count)..<(start + before.count + 64)]
  let hash = String(decoding: digits, as: UTF8.self)
  let rest = [UInt8](manifest[..<start] + manifest[(start + size)...])
  guard hexadecimal(SHA256.hash(data: rest)) == hash else {
    throw .damagedBundle(path: manifestFile, "\(manifestFile) was changed after it was written")
  }
  return (rest, hash)
}

func isHexadecimal(_ byte: UInt8) -> Bool {
  UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte
}

extension Manifest {
  /// Whether it is of a newer minor version, so that what is not known in it is ignored.
  var isNewerMinor: Bool { versionNumbers(schemaVersion).map(PocketBERT.isNewerMinor) ?? false }

  init(_ fields: inout JSONFields, sha256: String) throws(Damage) {
    self.sha256 = sha256
    schemaVersion = try fields.string("schema_version")
    pocketbertVersion = try fields.string("pocketbert_version")
    var inner = try fields.fields("student")
    student = try Student(&inner)
    inner = try fields.fields("tokenizer")
    tokenizer = try TokenizerSettings(&inner)
    inner = try fields.fields("task")
    task = try TaskDescription(&inner)
    let outer = fields
    artifacts = try fields.list("artifacts") { (value, place) throws(Damage) in
      var inner = try outer.fields(of: value, at: place)
      return try Artifact(&inner)
    }
    taskLibrary = nil
    if let value = fields.optionalValue("task_library") {
      var inner = try outer.fields(of: value, at: "task_library")
      taskLibrary = try Artifact(&inner)
    }
    thresholds = try fields.map("thresholds") { (value, place) throws(Damage) in
      guard case .object(let object) = value else {
        throw Damage("\(place) is \(value.kind), not an object")
      }
      var limits: [ExactString: Double] = [:]
      for (key, limit) in object.members {
        limits[ExactString(key)] = try JSONFields.number(limit, at: "\(place).\(key)")
      }
      return limits
    }
    verdicts = try fields.list("verdicts") { (value, place) throws(Damage) in
      var inner = try outer.fields(of: value, at: place)
      return try Verdict(&inner)
    }
    versions = try fields.stringMap("versions")
    licences = try fields.stringMap("licences")
    platforms = try fields.map("platforms") { (value, place) throws(Damage) in
      guard case .array(let items) = value else {
        throw Damage("\(place) is \(value.kind), not a list")
      }
      var paths: [String] = []
      for item in items { paths.append(try JSONFields.string(item, at: place)) }
      return paths
    }
    files = try fields.stringMap("files")
    try fields.finish()
  }
}

extension Student {
  init(_ fields: inout JSONFields) throws(Damage) {
    name = try fields.string("name")
    architecture = try fields.string("architecture")
    weightsSHA256 = try fields.string("weights_sha256")
    licence = try fields.string("licence")
    try fields.finish()
  }
}

extension TokenizerSettings {
  init(_ fields: inout JSONFields) throws(Damage) {
    kind = try fields.choice("kind")
    cleanText = try fields.bool("clean_text")
    handleChineseChars = try fields.bool("handle_chinese_chars")
    stripAccents = try fields.bool("strip_accents")
    lowercase = try fields.bool("lowercase")
    continuingSubwordPrefix = try fields.string("continuing_subword_prefix")
    maxInputCharsPerWord = try fields.integer("max_input_chars_per_word", in: Bounds.charsPerWord)
    specialTokens = try fields.map("special_tokens", Bounds.id)
    addedTokens = try fields.map("added_tokens", Bounds.id)
    if fields.optionalValue("normalized_added_tokens") != nil {
      normalizedAddedTokens = try fields.map("normalized_added_tokens", Bounds.id)
    }
    numPieces = try fields.integer("num_pieces", in: Bounds.pieces)
    if fields.optionalValue("second_token_type") != nil {
      secondTokenType = try fields.integer("second_token_type", in: 0...1)
    }
    vocabulary = try fields.string("vocabulary")
    unicodeTables = try fields.string("unicode_tables")
    try fields.finish()
  }
}

extension TaskDescription {
  init(_ fields: inout JSONFields) throws(Damage) {
    name = try fields.string("name")
    rules = try fields.map("rules") { (value, place) throws(Damage) in try TaskValue(value, at: place) }
    labels = try fields.strings("labels")
    try fields.finish()
  }
}

extension Artifact {
  init(_ fields: inout JSONFields) throws(Damage) {
    backend = try fields.string("backend")
    precision = try fields.string("precision")
    path = try fields.string("path")
    sizeBytes = try fields.integer("size_bytes", in: Bounds.artifactBytes)
    seqLens = try fields.integers("seq_lens", in: Bounds.seqLen)
    entryPoints = try fields.strings("entry_points")
    requires = try fields.stringMap("requires")
    let outer = fields
    inputs = try fields.list("inputs") { (value, place) throws(Damage) in
      try TensorDescription(outer.fields(of: value, at: place))
    }
    outputs = try fields.list("outputs") { (value, place) throws(Damage) in
      try TensorDescription(outer.fields(of: value, at: place))
    }
    activations = try fields.optionalString("activations") ?? "dynamic"
    computeUnits = try fields.optionalString("compute_units")
    try fields.finish()
  }
}

extension TensorDescription {
  fileprivate init(_ stated: JSONFields) throws(Damage) {
    var fields = stated
    name = try fields.string("name")
    artifactName = try fields.string("artifact_name")
    dtype = try fields.string("dtype")
    try fields.finish()
  }
}

extension Verdict {
  init(_ fields: inout JSONFields) throws(Damage) {
    backend = try fields.string("backend")
    runtime = try fields.string("runtime")
    seqLen = try fields.integer("seq_len", in: Bounds.seqLen)
    verdict = try fields.string("verdict")
    reason = try fields.string("reason")
    try fields.finish()
  }
}
