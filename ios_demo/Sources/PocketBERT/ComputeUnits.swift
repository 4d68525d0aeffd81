/// What Core ML may run a model on, as the manifest calls it.
public enum ComputeUnits: String, CaseIterable, Sendable {
  case all
  case cpuAndNeuralEngine = "cpu-and-ne"
  case cpuAndGPU = "cpu-and-gpu"
  case cpuOnly = "cpu-only"

  /// Returns what the manifest says of an artifact.
  ///
  /// - Throws: `unsupportedArtifact` where this app does not know it.
  public static func of(_ artifact: Artifact) throws(PocketBERTError) -> ComputeUnits {
    guard let stated = artifact.computeUnits else { return .all }
    guard let units = ComputeUnits(rawValue: stated) else {
      throw .unsupportedArtifact("\(artifact.path) wants to run on \(stated), which this app does not know")
    }
    return units
  }
}

/// Opens engines that may run on one unit or another.
public protocol ComputeUnitsFactory: EngineFactory {
  /// What the model may run on, in place of what the manifest says; nil leaves it to the manifest.
  var computeUnits: ComputeUnits? { get set }
}
