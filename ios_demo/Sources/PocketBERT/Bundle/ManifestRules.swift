/// What the numbers of a manifest and of vectors may be: what a reader takes in memory and time grows with them.
enum Bounds {
  static let manifestBytes = 16_000_000
  static let seqLen = 1...8192
  static let numSeqLens = 1...64
  static let tokens = 0...8192
  static let ids = 0...1_048_575
  static let pieces = 1...1_048_576
  static let charsPerWord = 1...256
  static let textCharacters = 1...10_000_000
  /// In a text, of code points or UTF-16 units.
  static let places = 0...20_000_000
  static let artifactBytes = 0...17_179_869_184
  static let share = 0.0...1.0
  /// Whole numbers that every reader of JSON has exactly.
  static let wholes = -(1 << 53)...(1 << 53)
  static let numRules = 0...64
  static let numLabels = 0...10_000
  static let labelCharacters = 0...1000

  static func id(_ value: JSON, at place: String) throws(Damage) -> Int {
    try JSONFields.integer(value, at: place, in: ids)
  }

  /// Refuses lengths of rows that do not ascend, or are too many.
  static func checkSeqLens(_ lengths: [Int], of what: String) throws(Damage) {
    guard numSeqLens.contains(lengths.count), zip(lengths, lengths.dropFirst()).allSatisfy(<) else {
      throw Damage("\(what) has not one to \(numSeqLens.upperBound) lengths in ascending order")
    }
  }
}

/// Refuses a manifest that is well-formed but makes no sense.
func checkManifest(_ manifest: Manifest) throws(Damage) {
  try checkTokenizer(manifest.tokenizer)
  try checkTask(manifest.task)
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

private func checkTask(_ task: TaskDescription) throws(Damage) {
  if task.name.isEmpty { throw Damage("task.name is empty") }
  guard Bounds.numRules.contains(task.rules.count) else {
    throw Damage("task.rules has \(task.rules.count) members, more than \(Bounds.numRules.upperBound)")
  }
  guard Bounds.numLabels.contains(task.labels.count) else {
    throw Damage("task.labels has \(task.labels.count) labels, more than \(Bounds.numLabels.upperBound)")
  }
  for label in task.labels where !Bounds.labelCharacters.contains(label.unicodeScalars.count) {
    throw Damage("a label has more than \(Bounds.labelCharacters.upperBound) characters")
  }
}

private func checkArtifact(_ artifact: Artifact) throws(Damage) {
  let path = artifact.path
  try checkInside(path)
  if artifact.inputs.isEmpty || artifact.outputs.isEmpty {
    throw Damage("\(path) has no inputs or no outputs")
  }
  try Bounds.checkSeqLens(artifact.seqLens, of: path)
  guard artifact.entryPoints.count == artifact.seqLens.count else {
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
