/// What the numbers of a manifest may be.
enum Bounds {
  /// Far above what any bundle needs, and far below what sums of it would overflow.
  static let most = 1_000_000_000
  static let count = 0...most
  static let share = 0.0...1.0
  /// Rows are held in memory, some at a time.
  static let longestRow = 1_000_000

  static func id(_ value: JSON, at place: String) throws(Damage) -> Int {
    try JSONFields.integer(value, at: place, in: count)
  }
}

/// Refuses a manifest that is well-formed but makes no sense.
func checkManifest(_ manifest: Manifest) throws(Damage) {
  try checkTokenizer(manifest.tokenizer)
  if manifest.artifacts.isEmpty { throw Damage("it has no artifact") }
  for artifact in manifest.artifacts + [manifest.taskLibrary].compactMap(\.self) {
    try checkArtifact(artifact)
    guard manifest.files.keys.contains(where: { artifact.holds($0.string) }) else {
      throw Damage("\(artifact.path) is not among the files")
    }
  }
  for (path, hash) in manifest.files {
    try checkInside(path.string)
    guard hash.utf8.count == 64, hash.utf8.allSatisfy(isHexadecimal) else {
      throw Damage("\(hash) is no sha256")
    }
  }
  for path in manifest.platforms.values.joined() {
    guard manifest.files[ExactString(path)] != nil else {
      throw Damage("\(path) is not among the files")
    }
  }
}

private func checkTokenizer(_ settings: TokenizerSettings) throws(Damage) {
  for token in SpecialToken.allCases where settings.specialTokens[token.text] == nil {
    throw Damage("the tokenizer has no \(token.rawValue)")
  }
  try checkInside(settings.vocabulary)
  try checkInside(settings.unicodeTables)
}

private func checkArtifact(_ artifact: Artifact) throws(Damage) {
  let path = artifact.path
  try checkInside(path)
  if artifact.inputs.isEmpty || artifact.outputs.isEmpty {
    throw Damage("\(path) has no inputs or no outputs")
  }
  let lengths = artifact.seqLens
  guard let longest = lengths.last, zip(lengths, lengths.dropFirst()).allSatisfy(<) else {
    throw Damage("\(path) has no lengths in ascending order")
  }
  guard longest > QuestionWindow.numSpecial else { throw Damage("\(path) has no room for a token") }
  guard artifact.entryPoints.count == lengths.count else {
    throw Damage("\(path) has not one entry point for each length")
  }
}

/// A manifest may come from anywhere: what it names must not lie elsewhere on this device.
private func checkInside(_ path: String) throws(Damage) {
  let parts = path.utf8.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
  let leavesFolder = parts.contains { $0.elementsEqual("..".utf8) }
  if parts.isEmpty || path.utf8.first == UInt8(ascii: "/") || leavesFolder || path.utf8.contains(0) {
    throw Damage("\(path) is not a path inside the bundle")
  }
}
