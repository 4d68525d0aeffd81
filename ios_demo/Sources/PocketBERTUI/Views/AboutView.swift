import PocketBERT
import SwiftUI

/// Where the model comes from, how it was checked, and what licences ask for.
struct AboutView: View {
  let facts: ModelFacts
  let libraries: [Library]
  let done: @MainActor () -> Void

  var body: some View {
    NavigationStack {
      List {
        Section {
          Fact("Name", facts.student.name)
          Fact("Task", facts.task)
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
            ForEach(libraries, id: \.name) { library in
              NavigationLink {
                LicenceView(library: library)
              } label: {
                NamedFact(name: library.name, value: library.licence)
              }
            }
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

/// All of a licence, paragraph by paragraph.
private struct LicenceView: View {
  let library: Library

  var body: some View {
    List {
      ForEach(Chunk.cut(library.text), id: \.start) { chunk in
        Text(verbatim: chunk.text).font(.footnote).textSelection(.enabled)
      }
    }
    .navigationTitle(Text(verbatim: library.name))
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
