import CoreML
import Foundation
import PocketBERT

/// Runs a package with Core ML: one function for each length, over shared weights.
public actor CoreMLEngine: Engine {
  public nonisolated let artifact: Artifact
  private let compiled: URL
  private let units: ComputeUnits
  private let bindings: Bindings
  /// Those that are loaded, the one that was used last at the end.
  private var functions: [CoreMLFunction] = []
  private var isClosed = false

  /// Each function that is loaded takes memory of its own.
  private static let mostFunctions = 2

  init(_ artifact: Artifact, compiled: URL, units: ComputeUnits) throws {
    self.artifact = artifact
    self.compiled = compiled
    self.units = units
    bindings = try Bindings(artifact)
  }

  /// Refuses what no row can be given to, before anything is made of it.
  static func check(_ artifact: Artifact) throws(PocketBERTError) {
    for input in try Bindings(artifact).inputs where input.dtype != "int32" {
      throw .unsupportedArtifact("\(artifact.path) wants \(input.role) as \(input.dtype), not as int32")
    }
  }

  /// Loads the function of a length, so that the first row need not wait.
  func load(_ seqLen: Int) throws {
    _ = try function(for: seqLen)
  }

  public func run(_ row: Row) throws -> Outputs {
    guard !isClosed else { throw PocketBERTError.engineFailed("the model was closed") }
    let function = try function(for: row.seqLen)
    do {
      return try function.run(row, bindings)
    } catch let error as PocketBERTError {
      throw error
    } catch {
      throw PocketBERTError.engineFailed("Core ML failed: \(error.localizedDescription)")
    }
  }

  public func freeMemory() {
    functions.removeAll()
  }

  public func close() {
    isClosed = true
    functions.removeAll()
  }

  private func function(for seqLen: Int) throws -> CoreMLFunction {
    if let place = functions.firstIndex(where: { $0.seqLen == seqLen }) {
      functions.append(functions.remove(at: place))
      return functions[functions.count - 1]
    }
    // Makes room first: there may be none for three.
    functions.removeFirst(max(0, functions.count - Self.mostFunctions + 1))
    let name = artifact.entryPoints.count > 1 ? try artifact.entryPoint(for: seqLen) : nil
    let made = try CoreMLFunction(
      model(function: name), seqLen: seqLen, inputs: bindings.inputs.map(\.name))
    functions.append(made)
    return made
  }

  /// - Parameter function: Nothing for the only one of its package.
  private func model(function: String?) throws -> MLModel {
    let configuration = MLModelConfiguration()
    configuration.computeUnits = units.own
    if let function {
      guard #available(iOS 18.0, macOS 15.0, *) else {
        throw PocketBERTError.unsupportedArtifact("\(artifact.path) has several functions, which iOS 18 brought")
      }
      configuration.functionName = function
    }
    do {
      return try MLModel(contentsOf: compiled, configuration: configuration)
    } catch {
      throw PocketBERTError.engineFailed("Core ML cannot load the model: \(error.localizedDescription)")
    }
  }
}

/// A function that is loaded, and its inputs, which are filled anew for each row.
private final class CoreMLFunction {
  let seqLen: Int
  private let model: MLModel
  private let arrays: [String: MLMultiArray]
  private let provider: MLDictionaryFeatureProvider

  init(_ model: MLModel, seqLen: Int, inputs: [String]) throws {
    self.model = model
    self.seqLen = seqLen
    var arrays: [String: MLMultiArray] = [:]
    for name in inputs {
      arrays[name] = try MLMultiArray(shape: [1, NSNumber(value: seqLen)], dataType: .int32)
    }
    self.arrays = arrays
    provider = try MLDictionaryFeatureProvider(dictionary: arrays.mapValues { MLFeatureValue(multiArray: $0) })
  }

  func run(_ row: Row, _ bindings: Bindings) throws -> Outputs {
    for input in bindings.inputs {
      guard let numbers = row[input.role] else { continue }  // bindings have no other roles
      arrays[input.name]?.withUnsafeMutableBytes { bytes, _ in
        numbers.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    let given = try model.prediction(from: provider)
    var outputs: Outputs = [:]
    for output in bindings.outputs {
      guard let array = given.featureValue(for: output.name)?.multiArrayValue else {
        throw PocketBERTError.engineFailed("the model gave no \(output.name)")
      }
      outputs[output.role] = MLShapedArray<Float>(converting: array).scalars
    }
    return outputs
  }
}
