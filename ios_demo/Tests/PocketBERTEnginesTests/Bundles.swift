import Foundation
import Support
import Testing

@testable import PocketBERT

/// The bundle that Python wrote, and artifacts of it.
enum Bundles {
  static let opened = Result { try ModelBundle(at: fixtureFolder.appendingPathComponent("bundle")) }

  /// Returns a bundle that holds a package for Core ML at lengths of 32, 64 and 128 tokens, whether Python's does or not.
  static func withCoreML(_ seqLens: [Int] = [32, 64, 128], units: String? = "all") throws -> (ModelBundle, Artifact) {
    let bundle = try opened.get()
    var artifact = try bundle.artifact(for: "executorch")
    artifact.backend = "coreml"
    artifact.seqLens = seqLens
    artifact.entryPoints = seqLens.count > 1 ? seqLens.map { "len_\($0)" } : ["main"]
    artifact.requires = ["ios": seqLens.count > 1 ? "18.0" : "17.0", "macos": "99.0"]
    artifact.inputs = ["input_ids", "attention_mask"].map {
      TensorDescription(name: $0, artifactName: "own_\($0)", dtype: "int32")
    }
    artifact.outputs = ["start_logits", "end_logits"].map {
      TensorDescription(name: $0, artifactName: "own_\($0)", dtype: "float32")
    }
    artifact.computeUnits = units
    return (bundle, artifact)
  }

  /// Returns a row of a length whose first ids are these.
  static func row(_ seqLen: Int, ids: [Int32] = [2, 5, 3]) -> Row {
    func padded(_ numbers: [Int32]) -> [Int32] { numbers + [Int32](repeating: 0, count: seqLen - numbers.count) }
    return Row(
      inputIDs: padded(ids), attentionMask: padded(ids.map { _ in 1 }), tokenTypeIDs: padded([]), numTokens: ids.count)
  }
}

/// Notes what happened, from wherever.
final class Log<Event: Sendable>: Sendable {
  private let events = Locked<[Event]>([])

  var all: [Event] { events.withLock { $0 } }

  func note(_ event: Event) { events.withLock { $0.append(event) } }
}

/// Returns what a call throws.
func problem(_ body: () async throws -> Void) async -> (any Error)? {
  do {
    try await body()
    return nil
  } catch {
    return error
  }
}

extension Error {
  var isUnsupported: Bool {
    guard case .unsupportedArtifact = self as? PocketBERTError else { return false }
    return true
  }

  var failure: String? {
    guard case .engineFailed(let message) = self as? PocketBERTError else { return nil }
    return message
  }
}
