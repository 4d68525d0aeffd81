import Foundation
import PocketBERT

/// Opens packages with Core ML.
public struct CoreMLFactory: ComputeUnitsFactory {
  public let backend = "coreml"
  public let label = "Core ML"
  public var computeUnits: ComputeUnits?
  let models: CompiledModels
  private let system: (name: String, version: String)

  /// - Parameter computeUnits: What the model may run on, in place of what the manifest says.
  public init(computeUnits: ComputeUnits? = nil) {
    let version = ProcessInfo.processInfo.operatingSystemVersion
    let numbers = "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"
    #if os(macOS)
      self.init(computeUnits: computeUnits, system: ("macos", numbers), models: .own)
    #else
      self.init(computeUnits: computeUnits, system: ("ios", numbers), models: .own)
    #endif
  }

  init(computeUnits: ComputeUnits?, system: (name: String, version: String), models: CompiledModels) {
    self.computeUnits = computeUnits
    self.system = system
    self.models = models
  }

  public func open(
    _ artifact: Artifact, of bundle: ModelBundle, onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine {
    guard artifact.backend == backend else {
      throw PocketBERTError.unsupportedArtifact("\(label) does not run artifacts for \(artifact.backend)")
    }
    let others = Set(["ios", "macos"]).subtracting([system.name])
    try checkRuntime(of: artifact, versions: [system.name: system.version], ignoring: others)
    let package = try bundle.url(of: artifact.path)
    let units = try computeUnits ?? ComputeUnits.of(artifact)
    try CoreMLEngine.check(artifact)
    do {
      let name = CompiledModels.Name(bundle)
      if let compiled = try await models.find(name) {
        onStage(.loading)
        do {
          return try await load(artifact, compiled, units)
        } catch PocketBERTError.engineFailed {
          try await models.remove(name)  // as after a change of the system: it is compiled anew
        }
      }
      try Task.checkCancellation()
      onStage(.preparing)
      let compiled = try await models.compile(package, as: name)
      try Task.checkCancellation()
      onStage(.loading)
      return try await load(artifact, compiled, units)
    } catch let error as PocketBERTError {
      throw error
    } catch let error as CancellationError {
      throw error
    } catch {
      throw PocketBERTError.engineFailed("Core ML cannot prepare the model: \(error.localizedDescription)")
    }
  }

  private func load(_ artifact: Artifact, _ compiled: URL, _ units: ComputeUnits) async throws -> CoreMLEngine {
    let engine = try CoreMLEngine(artifact, compiled: compiled, units: units)
    try await engine.load(artifact.seqLens[0])
    return engine
  }
}

extension CompiledModels.Name {
  init(_ bundle: ModelBundle) {
    // Where an app lies changes with each update, but not how its folders are called.
    self.init(folder: bundle.folder.standardizedFileURL.lastPathComponent, hash: bundle.manifest.sha256)
  }
}
