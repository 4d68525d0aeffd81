import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

/// The self test, as the screens run it.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct SelfTestRunTests {
  @Test("the self test goes through the texts and both engines")
  func selfTest() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.demo.sheet = .selfTest
    made.demo.runSelfTest()
    #expect(made.demo.state.selfTest.steps.count == 3)
    await made.demo.settle()
    guard case .done(let steps) = made.demo.state.selfTest else {
      Issue.record("\(made.demo.state.selfTest)")
      return
    }
    #expect(steps[0].progress == .read(problems: []) && steps[0].progress.hasPassed == true)
    for step in steps.dropFirst() {
      // An engine that always takes the first word does not pass.
      guard case .asked(let result) = step.progress else {
        Issue.record("\(step)")
        continue
      }
      #expect(step.progress.hasPassed == false && !result.problems.isEmpty)
    }
    made.script.change { $0.openingFails = .engineFailed("x") }
    made.demo.runSelfTest()
    await made.demo.settle()
    // The second is still open; the first must be opened anew.
    guard case .failed(let problem) = made.demo.state.selfTest.steps[1].progress else {
      Issue.record("\(made.demo.state.selfTest)")
      return
    }
    #expect(problem.kind == .engineFailed(.loading, engine: "First"))
  }

  @Test("the self test can be stopped, and is stopped by leaving")
  func selfTestStopped() async throws {
    for stop: @MainActor (Demo) -> Void in [{ $0.cancel() }, { $0.sheet = nil }] {
      let made = DemoFixture()
      await made.demo.settle()
      made.demo.sheet = .selfTest
      made.script.gate.shut()
      made.demo.runSelfTest()
      try await made.wait { made.script.events.contains("run First") }
      stop(made.demo)
      #expect(made.demo.state.selfTest == .notRun)
      made.script.gate.open()
      await made.demo.settle()
      #expect(made.demo.state.selfTest == .notRun)
    }
  }
}
