import CoreML
import PocketBERT

extension ComputeUnits {
  /// Core ML's own name of it.
  var own: MLComputeUnits {
    switch self {
    case .all: .all
    case .cpuAndNeuralEngine: .cpuAndNeuralEngine
    case .cpuAndGPU: .cpuAndGPU
    case .cpuOnly: .cpuOnly
    }
  }
}
