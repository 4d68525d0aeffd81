import ExecuTorch
import PocketBERT

/// Runs a `.pte` file with ExecuTorch, which knows inputs and outputs by their positions.
public actor ExecuTorchEngine: Engine {
  public nonisolated let artifact: Artifact
  private let bindings: Bindings
  private let positions: [String: Int]
  private var module: Module?

  /// Loads the file and its methods, which have one name for all lengths.
  init(_ artifact: Artifact, path: String) throws {
    self.artifact = artifact
    bindings = try Bindings(artifact)
    positions = try Self.positions(artifact)
    let module = Module(filePath: path, loadMode: .mmap)
    do {
      let methods = try module.methodNames()
      for name in Set(artifact.entryPoints) {
        guard methods.contains(name) else {
          throw PocketBERTError.engineFailed("the model has no method \(name)")
        }
        try module.load(name)
      }
    } catch let error as PocketBERTError {
      throw error
    } catch {
      throw PocketBERTError.engineFailed("ExecuTorch cannot load the model: \(error.localizedDescription)")
    }
    self.module = module
  }

  public func run(_ row: Row) throws -> Outputs {
    guard let module else { throw PocketBERTError.engineFailed("the model was closed") }
    let method = try artifact.entryPoint(for: row.seqLen)
    let inputs = bindings.inputs.sorted { position($0.name) < position($1.name) }.map { input in
      tensor(row[input.role] ?? [], isLong: input.dtype == "int64")
    }
    let given: [Value]
    do {
      given = try module.execute(method, inputs)
    } catch {
      throw PocketBERTError.engineFailed("ExecuTorch failed: \(error.localizedDescription)")
    }
    var outputs: Outputs = [:]
    for output in bindings.outputs {
      let place = position(output.name)
      guard place < given.count, let tensor: Tensor<Float> = given[place].tensor() else {
        throw PocketBERTError.engineFailed("the model gave no floats for \(output.role)")
      }
      outputs[output.role] = tensor.scalars()
    }
    return outputs
  }

  public func close() {
    module = nil
  }

  private func tensor(_ numbers: [Int32], isLong: Bool) -> any ValueConvertible {
    let shape = [1, numbers.count]
    return isLong ? Tensor(numbers.map(Int64.init), shape: shape) : Tensor(numbers, shape: shape)
  }

  private func position(_ name: String) -> Int { positions[name] ?? 0 }

  /// Returns the positions that the artifact's tensors have for names; inputs must stand without a gap.
  private static func positions(_ artifact: Artifact) throws(PocketBERTError) -> [String: Int] {
    var positions: [String: Int] = [:]
    for tensor in artifact.inputs + artifact.outputs {
      guard let position = Int(tensor.artifactName), position >= 0 else {
        throw .unsupportedArtifact("\(artifact.path) knows a tensor as \(tensor.artifactName)")
      }
      positions[tensor.artifactName] = position
    }
    let inputs = artifact.inputs.compactMap { positions[$0.artifactName] }.sorted()
    guard inputs == Array(0..<inputs.count) else {
      throw .unsupportedArtifact("the inputs of \(artifact.path) stand at \(inputs)")
    }
    return positions
  }
}
