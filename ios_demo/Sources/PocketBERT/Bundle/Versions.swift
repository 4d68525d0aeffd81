/// Refuses an artifact that wants a newer runtime or system than there is.
///
/// - Parameters:
///   - artifact: Names the least version of each.
///   - versions: Those that are here, by the names that the manifest's `requires` uses.
///   - ignored: Names that do not matter here: those of other systems.
/// - Throws: `unsupportedArtifact` where one of them is too old, or is not there.
public func checkRuntime(
  of artifact: Artifact, versions: [String: String], ignoring ignored: Set<String> = []
) throws(PocketBERTError) {
  let needed = artifact.requires.map { (runtime: $0.key.string, least: $0.value) }
  for (runtime, least) in needed.sorted(by: { $0.runtime < $1.runtime })
  where !ignored.contains(runtime) {
    guard let own = versions[runtime] else {
      throw .unsupportedArtifact(
        "\(artifact.path) runs on \(runtime) \(least), which is not here")
    }
    guard isVersion(own, atLeast: least) else {
      throw .unsupportedArtifact(
        "\(artifact.path) needs \(runtime) \(least) or newer, and here is \(own)")
    }
  }
}

/// Compares number by number; what is not there counts 0. A version of other signs is too old.
func isVersion(_ version: String, atLeast least: String) -> Bool {
  guard var own = versionNumbers(version), var needed = versionNumbers(least) else { return false }
  let size = max(own.count, needed.count)
  own += Array(repeating: 0, count: size - own.count)
  needed += Array(repeating: 0, count: size - needed.count)
  return !own.lexicographicallyPrecedes(needed)
}

/// Returns the numbers between the dots, or nil where there is another sign.
func versionNumbers(_ version: String) -> [Int]? {
  var numbers: [Int] = []
  for part in version.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
    let isNumber = part.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    guard isNumber, 1...9 ~= part.count, let number = Int(String(decoding: part, as: UTF8.self))
    else { return nil }
    numbers.append(number)
  }
  return numbers
}
