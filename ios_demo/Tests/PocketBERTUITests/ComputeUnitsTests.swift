import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

/// What Core ML runs on, by the manifest or by choice.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct ComputeUnitsTests {
  @Test("the manifest says what the model runs on, a person may choose otherwise, and that is remembered")
  func computeUnits() async throws {
    let remembered = Remembered()
    let made = DemoFixture(choices: remembered.choices)
    await made.demo.settle()
    #expect(made.demo.computeUnits == nil)
    made.demo.computeUnits = .cpuOnly
    #expect(made.demo.state.computeUnits == .cpuOnly && made.demo.state.answer == .idle, "nothing was asked yet")
    made.demo.ask()
    await made.demo.settle()
    #expect(made.script.events.first == "open First on cpu-only" && made.answer != nil)
    made.demo.computeUnits = .cpuAndNeuralEngine
    #expect(made.demo.state.answer == .answering, "what was asked is asked again")
    await made.demo.settle()
    let order = made.script.events.filter { !$0.hasPrefix("r") }
    #expect(order == ["open First on cpu-only", "close First", "open First on cpu-and-ne"])
    let next = DemoFixture(choices: remembered.choices)
    await next.demo.settle()
    #expect(next.demo.computeUnits == .cpuAndNeuralEngine, "as it was chosen before")
    next.demo.computeUnits = nil
    next.demo.ask()
    await next.demo.settle()
    #expect(next.script.events.first == "open First")
    #expect(remembered.choices.computeUnits == nil)
    remembered.defaults.set("abacus", forKey: "compute_units")
    #expect(DemoFixture(choices: remembered.choices).demo.computeUnits == nil, "of an app that knew more")
  }

  @Test("another unit ends what runs, is of no matter to an engine that knows none, and is tested anew")
  func computeUnitsInTheMiddle() async throws {
    let made = DemoFixture()
    await made.demo.settle()
    made.script.gate.shut()
    made.demo.ask()
    try await made.wait { made.script.events.contains("run First") }
    made.demo.computeUnits = .cpuAndGPU
    made.script.gate.open()
    await made.demo.settle()
    #expect(made.answer != nil && made.script.events.contains("open First on cpu-and-gpu"))
    made.demo.runSelfTest()
    await made.demo.settle()
    guard case .done = made.demo.state.selfTest else {
      Issue.record("\(made.demo.state.selfTest)")
      return
    }
    made.demo.computeUnits = .all
    await made.demo.settle()
    #expect(made.demo.state.selfTest == .notRun, "it told of other units")
    made.demo.backend = "second"
    await made.demo.settle()
    let (answer, numEvents) = (made.demo.state.answer, made.script.events.count)
    made.demo.computeUnits = .cpuOnly
    await made.demo.settle()
    #expect(made.demo.state.answer == answer && made.answer != nil && made.script.events.count == numEvents)
    made.script.change { $0.openingFails = .engineFailed("not on this unit") }
    made.demo.backend = "executorch"
    await made.demo.settle()
    #expect(made.problem == .engineFailed(.loading, engine: "First"))
    made.script.change { $0.openingFails = nil }
    made.demo.computeUnits = nil
    await made.demo.settle()
    #expect(made.answer != nil, "an engine that failed on one is tried on the other")
  }
}
