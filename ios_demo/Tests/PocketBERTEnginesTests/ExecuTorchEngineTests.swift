import ExecuTorch
import Foundation
import PocketBERT
import Testing

@testable import PocketBERTExecuTorch

struct ExecuTorchEngineTests {
  private let log = Log<String>()

  private func made(_ change: (inout Artifact) -> Void = { _ in }) throws -> (ModelBundle, Artifact) {
    let bundle = try Bundles.opened.get()
    var artifact = try bundle.artifact(for: "executorch")
    change(&artifact)
    return (bundle, artifact)
  }

  private func open(_ made: (ModelBundle, Artifact)) async throws -> any Engine {
    try await ExecuTorchFactory().open(made.1, of: made.0) { _ in }
  }

  /// Gives the ids as start logits and the mask as end logits.
  private func script() -> ExecuTorchScript {
    let log = log
    var script = ExecuTorchScript { method, inputs in
      log.note("execute \(method)")
      return try inputs.prefix(2).map { input in
        let short: Tensor<Int32>? = input.tensor()
        let long: Tensor<Int64>? = input.tensor()
        let numbers = short?.scalars().map { Float($0) } ?? long?.scalars().map { Float($0) }
        return Value(Tensor(try #require(numbers), shape: [1, try #require(numbers).count]))
      }
    }
    script.load = { path, method in log.note("load \(method) \(path.hasSuffix("executorch/model.pte"))") }
    return script
  }

  @Test("one method is loaded once, and runs rows of every length")
  func run() async throws {
    for dtype in ["int32", "int64"] {
      try await ExecuTorchScript.$current.withValue(script()) {
        let made = try made { for place in $0.inputs.indices { $0.inputs[place].dtype = dtype } }
        let engine = try await open(made)
        for seqLen in made.1.seqLens {
          let outputs = try await engine.run(Bundles.row(seqLen))
          #expect(outputs["start_logits"]?.prefix(4) == [2, 5, 3, 0])
          #expect(outputs["end_logits"]?.prefix(4) == [1, 1, 1, 0])
          #expect(outputs["end_logits"]?.count == seqLen)
        }
        #expect(log.all.filter { $0.hasPrefix("load") }.allSatisfy { $0 == "load forward true" })
      }
    }
  }

  @Test("inputs are given by their positions, in whatever order the manifest has them")
  func positions() async throws {
    try await ExecuTorchScript.$current.withValue(script()) {
      let engine = try await open(made { $0.inputs.reverse() })
      #expect(try await engine.run(Bundles.row(32, ids: [2, 7, 3]))["start_logits"]?.prefix(3) == [2, 7, 3])
      for change: (inout Artifact) -> Void in [
        { $0.inputs[0].artifactName = "first" }, { $0.inputs[0].artifactName = "-1" },
        { $0.inputs[0].artifactName = "7" },
        { $0.inputs[0].artifactName = $0.inputs[1].artifactName }, { $0.inputs[0].name = "pixels" },
        { $0.requires = ["executorch": "9.0"] }, { $0.requires = ["other": "1.0"] }, { $0.backend = "coreml" },
      ] {
        #expect(await problem { _ = try await self.open(self.made(change)) }?.isUnsupported == true)
      }
    }
  }

  @Test("a file in half precision is loaded where the processor computes so")
  func halves() async throws {
    try await ExecuTorchScript.$current.withValue(script()) {
      let made = try made { $0.requires["arm64-fp16"] = "8.2" }
      func open(_ factory: ExecuTorchFactory) async throws { _ = try await factory.open(made.1, of: made.0) { _ in } }
      try await open(ExecuTorchFactory(hasHalfArithmetic: true))
      #expect(await problem { try await open(ExecuTorchFactory(hasHalfArithmetic: false)) }?.isUnsupported == true)
    }
  }

  @Test("what ExecuTorch throws, or lacks, is told")
  func failures() async throws {
    var noMethod = script()
    noMethod.methods = { _ in ["backward"] }
    await ExecuTorchScript.$current.withValue(noMethod) {
      #expect(await problem { _ = try await self.open(self.made()) }?.failure?.contains("forward") == true)
    }
    var noBackend = script()
    noBackend.load = { _, _ in throw CocoaError(.executableNotLoadable) }
    await ExecuTorchScript.$current.withValue(noBackend) {
      #expect(await problem { _ = try await self.open(self.made()) }?.failure?.contains("cannot load") == true)
    }
    for execute: @Sendable (String, [Value]) throws -> [Value] in [
      { _, _ in throw CocoaError(.featureUnsupported) }, { _, _ in [] },
      { _, inputs in inputs },  // integers are no logits
    ] {
      var broken = script()
      broken.execute = execute
      try await ExecuTorchScript.$current.withValue(broken) {
        let engine = try await open(made())
        #expect(await problem { _ = try await engine.run(Bundles.row(32)) }?.failure != nil)
      }
    }
    try await ExecuTorchScript.$current.withValue(script()) {
      let engine = try await open(made())
      await engine.close()
      #expect(await problem { _ = try await engine.run(Bundles.row(32)) }?.failure?.contains("closed") == true)
    }
  }
}
