import Foundation
import PocketBERT

/// Gives what an artifact gave elsewhere, if it is asked the same; so the rest can be checked where no engine runs.
struct RecordedEngine: Engine {
  let artifact: Artifact
  private let outputs: [[Int32]: Outputs]

  init(_ artifact: Artifact, _ windows: [RecordedLogits.Window]) {
    self.artifact = artifact
    let pairs = windows.map {
      ($0.inputIDs, ["start_logits": $0.startLogits, "end_logits": $0.endLogits])
    }
    outputs = Dictionary(pairs) { first, _ in first }
  }

  func run(_ row: Row) throws -> Outputs {
    guard let outputs = outputs[row.inputIDs] else {
      throw PocketBERTError.engineFailed("no logits were recorded for the row \(row.inputIDs)")
    }
    return outputs
  }

  func close() {}
}

/// A file of logits: what the artifacts of a bundle gave for questions in another program.
struct RecordedLogits: Decodable {
  struct Run: Decodable {
    let artifact: String
    let answers: [Asked]
  }

  struct Asked: Decodable {
    let question: String
    let context: String
    let seqLens: [Int]
    let windows: [Window]
  }

  struct Window: Decodable {
    let inputIDs: [Int32]
    let startLogits: [Float]
    let endLogits: [Float]

    enum CodingKeys: String, CodingKey {
      case inputIDs = "inputIds"
      case startLogits
      case endLogits
    }
  }

  let runs: [Run]

  static func read(_ path: String) throws -> RecordedLogits {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(RecordedLogits.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }
}
