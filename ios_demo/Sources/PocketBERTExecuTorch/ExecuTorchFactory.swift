import Foundation
import PocketBERT

/// Opens `.pte` files with ExecuTorch.
public struct ExecuTorchFactory: EngineFactory {
  public let backend = "executorch"
  public let label = "ExecuTorch"
  private let versions: [String: String]

  /// Of the runtime that this package is built with, as `Package.swift` names it.
  public static let version = "1.4.1"

  public init() {
    self.init(hasHalfArithmetic: processorHasHalfArithmetic())
  }

  /// - Parameter hasHalfArithmetic: Whether the processor computes in half precision, as files at fp16 want it.
  init(hasHalfArithmetic: Bool) {
    versions = ["executorch": Self.version].merging(hasHalfArithmetic ? ["arm64-fp16": "8.2"] : [:]) { first, _ in first
    }
  }

  public func open(
    _ artifact: Artifact, of bundle: ModelBundle, onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine {
    guard artifact.backend == backend else {
      throw PocketBERTError.unsupportedArtifact("\(label) does not run artifacts for \(artifact.backend)")
    }
    try checkRuntime(of: artifact, versions: versions)
    onStage(.loading)
    return try ExecuTorchEngine(artifact, path: bundle.url(of: artifact.path).path)
  }
}

/// Returns whether arithmetic in half precision is no hindrance: it is asked of arm64 processors alone, and iPhones have
/// had it since the A11; some iPads that run iOS 17 have an A10.
private func processorHasHalfArithmetic() -> Bool {
  #if arch(arm64) && canImport(Darwin)
    var found: Int32 = 0
    var size = MemoryLayout.size(ofValue: found)
    return sysctlbyname("hw.optional.arm.FEAT_FP16", &found, &size, nil, 0) == 0 && found != 0
  #else
    return true
  #endif
}
