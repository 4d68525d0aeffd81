import CoreML
import Foundation
import PocketBERT
import Support
import Testing

@testable import PocketBERTCoreML

struct CoreMLEngineTests {
  private let folder: Temporary
  private let log = Log<String>()

  init() throws { folder = try Temporary() }

  private func factory(_ version: String = "18.1", units: ComputeUnits? = nil) -> CoreMLFactory {
    CoreMLFactory(computeUnits: units, system: ("ios", version), models: CompiledModels(folder: folder.folder))
  }

  /// Compiles into a new folder, and gives the sum of a row's inputs for every logit.
  private func script(
    compile: (@Sendable () async throws -> Void)? = nil, load: (@Sendable (Int) throws -> Void)? = nil,
    run: (@Sendable () throws -> Void)? = nil, leaveOut: String? = nil
  ) -> CoreMLScript {
    let (log, folder) = (log, folder)
    return CoreMLScript { _ in
      log.note("compile")
      try await compile?()
      let made = folder.folder.appendingPathComponent("made-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: made, withIntermediateDirectories: true)
      return made
    } load: { url, configuration in
      let function = configuration.functionName ?? "default"
      try load?(log.all.count { $0.hasPrefix("load") })
      log.note("load \(function) \(configuration.computeUnits)")
      #expect(FileManager.default.fileExists(atPath: url.path) && url.pathExtension == "mlmodelc")
      return { given in
        try run?()
        return try Self.sums(of: given, leaveOut: leaveOut)
      }
    }
  }

  private static func sums(of given: any MLFeatureProvider, leaveOut: String?) throws -> any MLFeatureProvider {
    #expect(given.featureNames == ["own_input_ids", "own_attention_mask"])
    var sum: Float = 0
    var seqLen = 0
    for name in given.featureNames {
      let array = try #require(given.featureValue(for: name)?.multiArrayValue)
      seqLen = array.shape[1].intValue
      sum += MLShapedArray<Int32>(converting: array).scalars.reduce(0) { $0 + Float($1) }
    }
    var outputs: [String: MLFeatureValue] = [:]
    for (place, name) in ["own_start_logits", "own_end_logits"].enumerated() where name != leaveOut {
      let array = try MLMultiArray(shape: [1, NSNumber(value: seqLen)], dataType: .float32)
      array.withUnsafeMutableBytes { bytes, _ in
        for index in 0..<seqLen { bytes.bindMemory(to: Float.self)[index] = sum + Float(place) }
      }
      outputs[name] = MLFeatureValue(multiArray: array)
    }
    return try MLDictionaryFeatureProvider(dictionary: outputs)
  }

  private func place(of bundle: ModelBundle, _ name: String) -> URL {
    folder.folder.appendingPathComponent("\(bundle.folder.lastPathComponent)/\(name)")
  }

  private func kept(of bundle: ModelBundle) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: place(of: bundle, "").path)
  }

  private func open(
    _ factory: CoreMLFactory, _ made: (ModelBundle, Artifact), _ stages: Log<OpeningStage> = Log()
  ) async throws -> any Engine {
    try await factory.open(made.1, of: made.0) { stages.note($0) }
  }

  @Test("a package is compiled once, and kept under the hash of the manifest")
  func compiledOnce() async throws {
    let made = try Bundles.withCoreML()
    try await CoreMLScript.$current.withValue(script()) {
      let stages = Log<OpeningStage>()
      _ = try await open(factory(), made, stages)
      #expect(stages.all == [.preparing, .loading])
      _ = try await open(factory(), made, stages)
      #expect(stages.all == [.preparing, .loading, .loading])
      #expect(log.all == ["compile", "load len_32 all", "load len_32 all"])
      #expect(try kept(of: made.0) == ["\(made.0.manifest.sha256).mlmodelc"])
    }
  }

  @Test("all factories of an app share what is compiled, in its Application Support")
  func shared() async throws {
    #expect(CoreMLFactory().models === CoreMLFactory(computeUnits: .cpuOnly).models)
    let support = try FileManager.default.url(
      for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: false)
    #expect(try await CoreMLFactory().models.place() == support.appendingPathComponent("PocketBERT", isDirectory: true))
    let made = try Bundles.withCoreML()
    let (first, second) = (factory(), factory(units: .cpuOnly))
    let other = CoreMLFactory(computeUnits: .cpuOnly, system: ("ios", "18.1"), models: first.models)
    #expect(first.models !== second.models)
    let (gate, go) = AsyncStream.makeStream(of: Never.self)
    try await CoreMLScript.$current.withValue(script(compile: { for await _ in gate {} })) {
      async let one = open(first, made)
      async let two = open(other, made)
      while log.all.isEmpty { await Task.yield() }
      go.finish()
      _ = try await (one, two)
      #expect(log.all.filter { $0 == "compile" }.count == 1)
    }
  }

  @Test("what an older bundle of the same folder left is removed, and what does not load is compiled anew")
  func renewed() async throws {
    let made = try Bundles.withCoreML()
    let own = "\(made.0.manifest.sha256).mlmodelc"
    let other = folder.folder.appendingPathComponent("another bundle/of-it.mlmodelc")
    for place in [other, place(of: made.0, "old.mlmodelc"), place(of: made.0, own)] {
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    }
    let isFirst = Log<Int>()
    let script = script(load: { _ in
      isFirst.note(1)
      if isFirst.all.count == 1 { throw CocoaError(.fileReadCorruptFile) }
    })
    try await CoreMLScript.$current.withValue(script) {
      _ = try await open(factory(), made)
      #expect(log.all == ["compile", "load len_32 all"])
      #expect(try kept(of: made.0) == [own])
      #expect(FileManager.default.fileExists(atPath: other.path), "that of another bundle stays")
    }
  }

  @Test("rows come and go by the artifact's names, and inputs are filled anew")
  func run() async throws {
    try await CoreMLScript.$current.withValue(script()) {
      let engine = try await open(factory(), Bundles.withCoreML())
      for (seqLen, ids): (Int, [Int32]) in [(64, [2, 5, 3]), (64, [2, 3]), (32, [2, 9, 9, 3])] {
        let outputs = try await engine.run(Bundles.row(seqLen, ids: ids))
        let sum = Float(ids.reduce(0, +)) + Float(ids.count)
        #expect(outputs["start_logits"] == [Float](repeating: sum, count: seqLen))
        #expect(outputs["end_logits"] == [Float](repeating: sum + 1, count: seqLen))
      }
    }
  }

  @Test("no more than two functions are loaded, and none after a warning of memory")
  func functions() async throws {
    try await CoreMLScript.$current.withValue(script()) {
      let engine = try await open(factory(), Bundles.withCoreML())
      func loads(_ seqLens: Int...) async throws -> [String] {
        let before = log.all.count
        for seqLen in seqLens { _ = try await engine.run(Bundles.row(seqLen)) }
        return log.all.dropFirst(before).map { String($0.split(separator: " ")[1]) }
      }
      #expect(try await loads(32, 64, 32, 64) == ["len_64"])
      #expect(try await loads(128, 64, 128) == ["len_128"])
      #expect(try await loads(32) == ["len_32"], "32 was the one that had to go")
      await engine.freeMemory()
      #expect(try await loads(32) == ["len_32"])
      let error = await problem { _ = try await engine.run(Bundles.row(48)) }
      #expect(error?.failure?.contains("48") == true)
      await engine.close()
      #expect(await problem { _ = try await engine.run(Bundles.row(32)) }?.failure?.contains("closed") == true)
    }
  }

  @Test("a package of one length runs by its default function, on iOS 17, too")
  func oneFunction() async throws {
    try await CoreMLScript.$current.withValue(script()) {
      let engine = try await open(factory("17.0"), Bundles.withCoreML([64], units: nil))
      _ = try await engine.run(Bundles.row(64))
      #expect(log.all == ["compile", "load default all"])
    }
  }

  @Test("compute units are the manifest's, and the user's choice goes before")
  func computeUnits() async throws {
    try await CoreMLScript.$current.withValue(script()) {
      for units in ComputeUnits.allCases {
        _ = try await open(factory(), Bundles.withCoreML(units: units.rawValue))
        #expect(log.all.last?.hasSuffix(" \(units.own)") == true)
        _ = try await open(factory(units: units), Bundles.withCoreML(units: "cpu-only"))
        #expect(log.all.last?.hasSuffix(" \(units.own)") == true)
        var chosen: any ComputeUnitsFactory = factory()
        chosen.computeUnits = units
        let made = try Bundles.withCoreML(units: "cpu-only")
        _ = try await chosen.open(made.1, of: made.0) { _ in }
        #expect(log.all.last?.hasSuffix(" \(units.own)") == true)
      }
      #expect(
        await problem { _ = try await open(factory(), Bundles.withCoreML(units: "quantum")) }?.isUnsupported == true)
    }
  }

  @Test("what cannot run here is refused before anything is compiled")
  func refused() async throws {
    try await CoreMLScript.$current.withValue(script()) {
      let made = try Bundles.withCoreML()
      #expect(await problem { _ = try await open(factory("17.9"), made) }?.isUnsupported == true)
      var other = made.1
      other.backend = "executorch"
      #expect(await problem { _ = try await open(factory(), (made.0, other)) }?.isUnsupported == true)
      for change: (inout Artifact) -> Void in [
        { $0.inputs[0].name = "pixels" }, { $0.inputs[0].dtype = "float32" }, { $0.inputs[0].dtype = "int64" },
        { $0.outputs[0].dtype = "int8" }, { $0.computeUnits = "quantum" },
      ] {
        var artifact = made.1
        change(&artifact)
        #expect(await problem { _ = try await open(factory(), (made.0, artifact)) }?.isUnsupported == true)
      }
      #expect(log.all == [])
    }
  }

  @Test("what Core ML throws is told, wherever it is")
  func failures() async throws {
    let broken: @Sendable () throws -> Void = { throw CocoaError(.fileReadCorruptFile) }
    let made = try Bundles.withCoreML()
    await CoreMLScript.$current.withValue(script(compile: broken)) {
      #expect(await problem { _ = try await open(factory(), made) }?.failure?.contains("prepare") == true)
    }
    await CoreMLScript.$current.withValue(script(load: { _ in try broken() })) {
      #expect(await problem { _ = try await open(factory(), made) }?.failure?.contains("load") == true)
    }
    try await CoreMLScript.$current.withValue(script(run: broken)) {
      let engine = try await open(factory(), made)
      #expect(await problem { _ = try await engine.run(Bundles.row(32)) }?.failure?.contains("Core ML failed") == true)
    }
    try await CoreMLScript.$current.withValue(script(leaveOut: "own_end_logits")) {
      let engine = try await open(factory(), made)
      #expect(await problem { _ = try await engine.run(Bundles.row(32)) }?.failure?.contains("own_end_logits") == true)
    }
  }

  @Test(
    "one who waits for the preparation may be cancelled; it goes on, and is there for the next",
    .timeLimit(.minutes(10))
  )
  func cancelled() async throws {
    let (gate, open) = AsyncStream.makeStream(of: Never.self)
    let made = try Bundles.withCoreML()
    let factory = factory()
    try await CoreMLScript.$current.withValue(script(compile: { for await _ in gate {} })) {
      let work = Task { try await self.open(factory, made) }
      while log.all.isEmpty { await Task.yield() }
      work.cancel()
      #expect(await problem { _ = try await work.value } is CancellationError)
      let next = Task { try await self.open(factory, made) }
      open.finish()
      _ = try await next.value
      #expect(log.all.filter { $0 == "compile" }.count == 1)
    }
  }
}
