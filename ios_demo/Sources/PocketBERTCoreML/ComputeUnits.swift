import CoreML
import PocketBERT

/// What Core ML may run a model on, as the manifest calls it.
public enum ComputeUnits: String, CaseIterable, Sendable {
  case all
  case cpuAndNeuralEngine = "cpu-and-ne"
  case cpuAndGPU = "cpu-and-gpu"
  case cpuOnly = "cpu-only"

  /// Core ML's own name of it.
  var own: MLComputeUnits {
    switch self {
    case .all: .all
    case .cpuAndNeuralEngine: .cpuAndNeuralEngine
    case .cpuAndGPU: .cpuAndGPU
    case .cpuOnly: .cpuOnly
    }
  }

  /// Returns what the manifest says of an artifact.
  ///
  /// - Throws: `unsupportedArtifact` where this app does not know it.
  static func of(_ artifact: Artifact) throws(PocketBERTError) -> ComputeUnits {
    guard let stated = artifact.computeUnits else { return .all }
    guard let units = ComputeUnits(rawValue: stated) else {
      throw .unsupportedArtifact("\(artifact.path) wants to run on \(stated), which this app does not know")
    }
    return units
  }
}
