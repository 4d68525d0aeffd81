import Foundation
import Testing

@testable import PocketBERT

/// A bundle built by Python is read, verified and asked here, with the logits it gave in Python.
struct WholePathTests {
  @Test("the logits of each artifact give the answers of Python")
  func recordedLogits() async throws {
    let bundle = try Fixture.open()
    let file = try Fixture.json(Fixture.folder.appendingPathComponent("artifact-logits.json"))
    let runs = try #require(file.members?["runs"]?.items)
    var asked: Set<String> = []
    for run in runs {
      guard case .string(let path) = run.members?["artifact"],
        let artifact = bundle.manifest.artifacts.first(where: { $0.path == path }),
        (try? bundle.artifact(for: artifact.backend)) != nil  // others are of other phones
      else { continue }
      asked.insert(artifact.backend)
      let answers = try AnsweredQuestion.read("answers", run)
      #expect(answers.contains { $0.windows.count > 1 })
      for stated in answers {
        #expect(Set(artifact.seqLens).isSuperset(of: stated.seqLens))
        var shortened = artifact
        shortened.seqLens = stated.seqLens
        let engine = RecordedEngine(shortened, stated.windows)
        let answer = try await Reader(bundle, engine: engine).ask(stated.question, in: stated.context)
        try stated.check(answer)
        #expect(await engine.numRun == stated.windows.count)
      }
    }
    let here = bundle.manifest.artifacts.filter { (try? bundle.artifact(for: $0.backend)) != nil }
    #expect(!asked.isEmpty && asked == Set(here.map(\.backend)))
  }
}

/// Gives what the artifact gave in Python, if it is asked the same.
actor RecordedEngine: Engine {
  nonisolated let artifact: Artifact
  private let windows: [AnsweredQuestion.Window]
  private(set) var numRun = 0

  init(_ artifact: Artifact, _ windows: [AnsweredQuestion.Window]) {
    self.artifact = artifact
    self.windows = windows
  }

  func run(_ row: Row) throws -> Outputs {
    let recorded = windows[numRun]
    numRun += 1
    #expect(row.inputIDs.map(Int.init) == recorded.inputIDs)
    return [
      "start_logits": recorded.startLogits.map { Float($0) },
      "end_logits": recorded.endLogits.map { Float($0) },
    ]
  }

  func close() {}
}
