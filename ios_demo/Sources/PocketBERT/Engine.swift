/// Runs one artifact; it takes one row after the other.
public protocol Engine: Sendable {
  var artifact: Artifact { get }

  /// Returns what the artifact makes of a row, which has one of its lengths.
  ///
  /// - Throws: `PocketBERTError.engineFailed` where the runtime failed.
  func run(_ row: Row) async throws -> Outputs

  /// Gives back the memory that can be had again, as the system asks for it.
  func freeMemory() async

  /// Lets go of the model. It runs nothing after that.
  func close() async
}

extension Engine {
  public func freeMemory() async {}
}

/// Numbers by the role of the output, as in `start_logits`: for each place of a row, padding included, or for the row.
public typealias Outputs = [String: [Float]]

/// One row of input, padded to a length of the artifact.
public struct Row: Hashable, Sendable {
  public var inputIDs: [Int32]
  /// 1 for tokens, 0 for padding.
  public var attentionMask: [Int32]
  /// The manifest's second type for the second text and its `[SEP]`, else 0; for models that take them.
  public var tokenTypeIDs: [Int32]
  /// Padding left out.
  public var numTokens: Int

  public var seqLen: Int { inputIDs.count }

  /// Returns the numbers for an input of an artifact, by its role.
  public subscript(role: String) -> [Int32]? {
    switch role {
    case "input_ids": inputIDs
    case "attention_mask": attentionMask
    case "token_type_ids": tokenTypeIDs
    default: nil
    }
  }

  /// The roles that a row has numbers for.
  public static let roles = ["input_ids", "attention_mask", "token_type_ids"]
}

/// Opens the engine of one backend.
public protocol EngineFactory: Sendable {
  /// `coreml` or `executorch`, as the manifest calls it.
  var backend: String { get }
  /// What a person reads on the switch.
  var label: String { get }
  /// That it brings into an app.
  var libraries: [Library] { get }

  /// Loads an artifact of this backend.
  ///
  /// - Parameter onStage: Is told what takes so long.
  /// - Throws: `PocketBERTError.unsupportedArtifact` where it wants a newer runtime than this one,
  ///   `PocketBERTError.engineFailed` where the runtime does not take it, or `CancellationError`.
  func open(
    _ artifact: Artifact, of bundle: ModelBundle, onStage: @Sendable (OpeningStage) -> Void
  ) async throws -> any Engine
}

extension EngineFactory {
  public var libraries: [Library] { [] }
}

/// A library of others, which its licence wants to be named.
public struct Library: Hashable, Sendable {
  public var name: String
  /// Its short name.
  public var licence: String
  /// All of the licence.
  public var text: String

  public init(name: String, licence: String, text: String) {
    self.name = name
    self.licence = licence
    self.text = text
  }
}

/// What an engine that opens is busy with.
public enum OpeningStage: Hashable, Sendable {
  /// The system makes the model ready for this very device, once; it may take a minute.
  case preparing
  case loading
}

extension Engine {
  /// Runs a row and looks at what comes back.
  ///
  /// - Returns: What the task reads, as many numbers as it wants at least.
  func outputs(of row: Row, for task: any ModelTask) async throws -> Outputs {
    let outputs: Outputs
    do {
      outputs = try await run(row)
    } catch let error as PocketBERTError {
      throw error
    } catch let error as CancellationError {
      throw error
    } catch {
      throw PocketBERTError.engineFailed("\(artifact.path) failed while it ran: \(error)")
    }
    for output in task.outputs {
      let (found, wanted) = (outputs[output.name]?.count ?? 0, output.count(numTokens: row.numTokens))
      guard found >= wanted else {
        throw PocketBERTError.engineFailed(
          "\(artifact.path) gave \(found) numbers of \(output.name) for a row that wants \(wanted)")
      }
    }
    return outputs
  }
}
