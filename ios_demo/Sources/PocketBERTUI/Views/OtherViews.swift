import PocketBERT
import SwiftUI

/// A field to write the text in.
struct EditView: View {
  @Bindable var demo: Demo

  var body: some View {
    NavigationStack {
      TextEditor(text: $demo.text)
        .accessibilityLabel(Text("Text", bundle: .module))
        .padding()
        .navigationTitle(Text("Edit text", bundle: .module))
        .toolbar {
          Button {
            demo.text = ""
          } label: {
            WordLabel("Clear", symbol: "trash")
          }
          DoneButton { demo.sheet = nil }
        }
    }
  }
}

/// The test of the model on this very device.
struct SelfTestView: View {
  let demo: Demo

  var body: some View {
    NavigationStack {
      List {
        Section {
          Text(
            "Asks the model, on this very device, the questions that it was asked when it was built, and compares.",
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
    }
  }

  @ViewBuilder private var verdict: some View {
    if case .done(let steps) = demo.state.selfTest {
      if steps.allSatisfy({ $0.progress.hasPassed == true }) {
        WordLabel("The model works on this device as it did when it was built.", symbol: "checkmark.circle")
      } else {
        WordLabel("Something differs from what the model did when it was built.", symbol: "xmark.circle")
      }
    }
  }

  @ViewBuilder private var button: some View {
    if case .running = demo.state.selfTest {
      Button {
        demo.cancel()
      } label: {
        WordLabel("Stop", symbol: "stop.fill")
      }
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
    case .running(let numWindows): ProgressView { Text("Running, \(numWindows) windows so far", bundle: .module) }
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
      Text(problem.words.title, bundle: .module)
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

/// Where the model comes from, how it was checked, and what licences ask for.
struct AboutView: View {
  let facts: ModelFacts
  let libraries: [ModelFacts.Row]
  let done: @MainActor () -> Void

  var body: some View {
    NavigationStack {
      List {
        Section {
          Fact("Name", facts.student.name)
          Fact("Architecture", facts.student.architecture)
          Fact("Longest text", "\(facts.maxTextCharacters)")
          Fact("Weights (SHA-256)", facts.student.weightsSHA256)
        } header: {
          Text("Model", bundle: .module)
        }
        Section {
          Fact("Model weights", facts.student.licence)
          ForEach(facts.licences, id: \.name) { row in NamedFact(name: row.name, value: row.value) }
        } header: {
          Text("Licences", bundle: .module)
        }
        if !libraries.isEmpty {
          Section {
            ForEach(libraries, id: \.name) { row in NamedFact(name: row.name, value: row.value) }
          } header: {
            Text("Libraries of this app", bundle: .module)
          }
        }
        Section {
          ForEach(facts.artifacts, id: \.path) { artifact in
            NamedFact(
              name: "\(artifact.backend), \(artifact.precision)",
              value: "\(formatted(Double(artifact.sizeBytes) / 1e6)) MB")
          }
        } header: {
          Text("Files for the engines", bundle: .module)
        }
        Section {
          ForEach(facts.verdicts, id: \.self) { verdict in
            NamedFact(name: "\(verdict.runtime), \(verdict.seqLen)", value: "\(verdict.verdict) \(verdict.reason)")
          }
        } header: {
          Text("Checked when it was built", bundle: .module)
        }
        Section {
          ForEach(facts.versions, id: \.name) { row in NamedFact(name: row.name, value: row.value) }
        } header: {
          Text("Built with", bundle: .module)
        }
      }
      .navigationTitle(Text("About the model", bundle: .module))
      .toolbar { DoneButton(action: done) }
    }
  }
}

/// What and its value, one above the other so that long ones and large letters fit.
private struct Fact: View {
  let name: LocalizedStringKey
  let value: String

  init(_ name: LocalizedStringKey, _ value: String) {
    self.name = name
    self.value = value
  }

  var body: some View {
    VStack(alignment: .leading) {
      Text(name, bundle: .module).font(.footnote).foregroundStyle(Color.secondary)
      Text(verbatim: value).textSelection(.enabled)
    }
    .accessibilityElement(children: .combine)
  }
}

/// A fact whose name is no word of the app.
private struct NamedFact: View {
  let name: String
  let value: String

  var body: some View {
    VStack(alignment: .leading) {
      Text(verbatim: name).font(.footnote).foregroundStyle(Color.secondary)
      Text(verbatim: value).textSelection(.enabled)
    }
    .accessibilityElement(children: .combine)
  }
}

private struct DoneButton: View {
  let action: @MainActor () -> Void

  var body: some View {
    Button(action: action) { WordLabel("Done", symbol: "checkmark") }
  }
}
