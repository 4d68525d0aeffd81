import PocketBERT
import SwiftUI

/// The test of the model on this very device.
struct SelfTestView: View {
  let demo: Demo

  var body: some View {
    NavigationStack {
      List {
        Section {
          Text(
            "Gives the model, on this very device, the texts that it was given when it was built, and compares.",
            bundle: .module)
          verdict
          button
        } header: {
          Text("Self-test", bundle: .module)
        }
        ForEach(demo.state.selfTest.steps, id: \.engine) { step in StepView(step: step) }
      }
      .navigationTitle(Text("Self-test", bundle: .module))
      .toolbar { DoneButton { demo.sheet = nil } }
      .onChange(of: demo.state.selfTest) { _, test in
        if let hasPassed = test.hasPassed { announce(String(localized: Self.words(hasPassed))) }
      }
    }
  }

  @ViewBuilder private var verdict: some View {
    if let hasPassed = demo.state.selfTest.hasPassed {
      WordLabel(of: Self.words(hasPassed), symbol: hasPassed ? "checkmark.circle" : "xmark.circle")
    }
  }

  private static func words(_ hasPassed: Bool) -> LocalizedStringResource {
    hasPassed
      ? .own("The model works on this device as it did when it was built.")
      : .own("Something differs from what the model did when it was built.")
  }

  @ViewBuilder private var button: some View {
    if case .running = demo.state.selfTest {
      StopButton(demo: demo)
    } else {
      Button {
        demo.runSelfTest()
      } label: {
        WordLabel("Run the test", symbol: "play.fill")
      }
    }
  }
}

/// One step of the self test.
private struct StepView: View {
  let step: SelfTestStep

  private static let mostProblems = 3

  var body: some View {
    Section {
      progress
    } header: {
      if let engine = step.engine {
        Text(verbatim: engine.label)
      } else {
        Text("Reading of texts", bundle: .module)
      }
    }
  }

  @ViewBuilder private var progress: some View {
    switch step.progress {
    case .waiting: Text("Waiting", bundle: .module)
    case .preparing: ProgressView { Text("Preparing the model for this device, once", bundle: .module) }
    case .running(let numRows):
      ProgressView { Text("Running, \(numRows) parts of texts so far", bundle: .module) }
    case .read(let problems):
      outcome(problems.isEmpty)
      list(problems)
    case .asked(let result):
      outcome(result.problems.isEmpty)
      Text(
        "Largest difference \(formatted(result.maxAbsDiff)), tolerance \(formatted(result.tolerance))", bundle: .module)
      Text("Same answers: \(result.numSame) of \(result.numAsked)", bundle: .module)
      list(result.problems)
    case .failed(let problem):
      outcome(false)
      Text(problem.words.title)
      Text(verbatim: problem.details).font(.footnote).textSelection(.enabled)
    }
  }

  @ViewBuilder private func outcome(_ hasPassed: Bool) -> some View {
    if hasPassed {
      WordLabel("Passed", symbol: "checkmark.circle")
    } else {
      WordLabel("Failed", symbol: "xmark.circle")
    }
  }

  @ViewBuilder private func list(_ problems: [String]) -> some View {
    ForEach(Array(problems.prefix(Self.mostProblems)), id: \.self) { problem in
      Text(verbatim: problem).font(.footnote).textSelection(.enabled)
    }
    if problems.count > Self.mostProblems {
      Text("and \(problems.count - Self.mostProblems) more", bundle: .module).font(.footnote)
    }
  }
}
