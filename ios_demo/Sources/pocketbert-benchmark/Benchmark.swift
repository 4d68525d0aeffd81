import Foundation
import PocketBERT

/// Prints how long the reading of a text takes, the model aside: pocketbert-benchmark BUNDLE [WORDS]
@main
struct Benchmark {
  static func main() async throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let path = arguments.first, let numWords = Int(arguments.dropFirst().first ?? "2000") else {
      print("usage: pocketbert-benchmark BUNDLE [WORDS]")
      exit(2)
    }
    let begin = ContinuousClock.now
    let bundle = try ModelBundle(at: URL(fileURLWithPath: path))
    print("open the bundle: \(milliseconds(since: begin)) ms")
    let sentence = "The lamp was first lit in 1874 , and the keeper's daughter Agnes wrote every ship into her book . "
    let words = sentence.split(separator: " ")
    let text = (0..<numWords).map { String(words[$0 % words.count]) }.joined(separator: " ")
    let artifact = try bundle.artifact(for: "executorch")
    let reader = Reader(bundle, engine: ConstantEngine(artifact))
    report("tokenize") { _ = bundle.tokenizer.tokenize(text) }
    var best = Double.infinity
    for _ in 0..<200 {
      let begin = ContinuousClock.now
      _ = try await reader.ask("Who wrote every ship into her book?", in: text)
      best = min(best, milliseconds(since: begin))
    }
    print("from question and text to the answer, model aside: \(best) ms at best")
    print("\(bundle.tokenizer.tokenize(text).count) tokens, \(text.utf8.count) bytes")
  }

  private static func report(_ what: String, _ body: () -> Void) {
    var best = Double.infinity
    for _ in 0..<200 {
      let begin = ContinuousClock.now
      body()
      best = min(best, milliseconds(since: begin))
    }
    print("\(what): \(best) ms at best")
  }

  private static func milliseconds(since begin: ContinuousClock.Instant) -> Double {
    begin.duration(to: .now) / .milliseconds(1)
  }
}

/// Gives the same logits for every row of a length.
private struct ConstantEngine: Engine {
  let artifact: Artifact
  private let outputs: [Int: Outputs]

  init(_ artifact: Artifact) {
    self.artifact = artifact
    let pairs = artifact.seqLens.map { seqLen in
      let logits = (0..<seqLen).map { Float($0 * 7919 % 101) / 10 }
      return (seqLen, ["start_logits": logits, "end_logits": logits])
    }
    outputs = Dictionary(uniqueKeysWithValues: pairs)
  }

  func run(_ row: Row) -> Outputs { outputs[row.seqLen] ?? [:] }

  func close() {}
}
