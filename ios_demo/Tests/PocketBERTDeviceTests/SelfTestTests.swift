import Foundation
import PocketBERT
import PocketBERTCoreML
import PocketBERTExecuTorch
import Testing

/// A folder with `bundle` and `public-key.bin`, where engines run.
private let fixture: URL? = {
  #if os(Linux)
    return nil
  #else
    return ProcessInfo.processInfo.environment["POCKETBERT_DEVICE_FIXTURE"].map { URL(fileURLWithPath: $0) }
  #endif
}()

/// A bundle by the engines themselves, on a Mac, a simulator or a phone.
struct DeviceTests {
  @Test(
    "the self test passes with both engines",
    .enabled(if: fixture != nil, "POCKETBERT_DEVICE_FIXTURE names no folder, or no engine runs here"))
  func selfTest() async throws {
    let fixture = try #require(fixture)
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
