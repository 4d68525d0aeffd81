/// What the names of an artifact's inputs and outputs mean, once it is known that a row has all that it takes.
public struct Bindings: Sendable {
  /// The roles of the inputs and the names that the artifact knows them by, in the artifact's order.
  public let inputs: [(role: String, name: String, dtype: String)]
  /// The same of the outputs.
  public let outputs: [(role: String, name: String)]

  /// - Throws: `unsupportedArtifact` where it takes what no row has, or gives what is no float.
  public init(_ artifact: Artifact) throws(PocketBERTError) {
    for input in artifact.inputs {
      guard Row.roles.contains(input.name) else {
        throw .unsupportedArtifact("\(artifact.path) wants an input \(input.name)")
      }
      guard ["int32", "int64"].contains(input.dtype) else {
        throw .unsupportedArtifact("\(artifact.path) wants \(input.name) as \(input.dtype), not as integers")
      }
    }
    for output in artifact.outputs {
      guard ["float16", "float32"].contains(output.dtype) else {
        throw .unsupportedArtifact("\(artifact.path) gives \(output.name) as \(output.dtype), not as floats")
      }
    }
    inputs = artifact.inputs.map { ($0.name, $0.artifactName, $0.dtype) }
    outputs = artifact.outputs.map { ($0.name, $0.artifactName) }
  }
}

extension Artifact {
  /// Returns what to call for rows of a length.
  ///
  /// - Throws: `engineFailed` where it takes no row of that length.
  public func entryPoint(for seqLen: Int) throws(PocketBERTError) -> String {
    guard let place = seqLens.firstIndex(of: seqLen) else {
      throw .engineFailed("\(path) takes rows of \(seqLens), not of \(seqLen)")
    }
    return entryPoints[place]
  }
}
