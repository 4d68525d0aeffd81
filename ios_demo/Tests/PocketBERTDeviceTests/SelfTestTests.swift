import Foundation
import PocketBERT
import PocketBERTCoreML
import PocketBERTExecuTorch
import Testing

#if os(Linux)
  private let hasEngines = false
#else
  private let hasEngines = true
#endif

/// The bundle that `POCKETBERT_FIXTURE` names, by the engines themselves, on a Mac, a simulator or a phone.
struct DeviceTests {
  @Test("the self test passes with both engines", .enabled(if: hasEngines, "no engine runs on Linux"))
  func selfTest() async throws {
    let folder = try #require(
      ProcessInfo.processInfo.environment["POCKETBERT_FIXTURE"], "names a folder with bundle/ and public-key.bin")
    let fixture = URL(fileURLWithPath: folder)
    let key = try Data(contentsOf: fixture.appendingPathComponent("public-key.bin"))
    let bundle = try ModelBundle(at: fixture.appendingPathComponent("bundle"), publicKey: key)
    #expect(try SelfTest(bundle).checkReading() == [])
    for factory in [CoreMLFactory(), ExecuTorchFactory()] as [any EngineFactory] {
      let engine = try await factory.open(bundle.artifact(for: factory.backend), of: bundle) { _ in }
      #expect(try await SelfTest(bundle).check(engine).problems == [], "\(factory.label)")
      await engine.close()
    }
  }
}
