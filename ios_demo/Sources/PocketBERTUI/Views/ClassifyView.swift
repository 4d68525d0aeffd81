import PocketBERT
import SwiftUI

/// A text, or two, and the labels that the model gives them while they are written.
struct ClassifyView: View {
  @Bindable var demo: Demo
  let facts: ModelFacts
  @State private var isChoosingFile = false

  var body: some View {
    ScrollView {
      VStack(alignment: .leading, spacing: 12) {
        TextHeader(demo: demo) { isChoosingFile = true }
        if demo.state.input.isEditable {
          TextField(text: $demo.text, prompt: Text("What is to be labelled?", bundle: .module), axis: .vertical) {
            Text("Text", bundle: .module)
          }
        }
        if facts.numClassifiedTexts == 2 {
          TextField(text: $demo.pair, prompt: Text("What it is held against", bundle: .module), axis: .vertical) {
            Text("Second text", bundle: .module)
          }
        }
        AnswerPanel(demo: demo)
        EnginePicker(demo: demo)
        if demo.state.answer.isRunning {
          StopButton(demo: demo)
        } else {
          Button {
            demo.ask()
          } label: {
            WordLabel("Label", symbol: "tag").foregroundStyle(Color.onAccent)
          }
          .buttonStyle(.borderedProminent)
        }
      }
    }
    .padding(.horizontal)
    .modifier(Frame(demo: demo, facts: facts, isChoosingFile: $isChoosingFile))
  }
}

/// Labels with bars, the most likely first, or a number.
struct LabelsCard: View {
  let found: Classification
  let milliseconds: Double
  let engine: String

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      if let number = found.number {
        Text("Number", bundle: .module).font(.footnote)
        Text(verbatim: formatted(number)).font(.title2).textSelection(.enabled)
      } else {
        Text("Labels", bundle: .module).font(.footnote)
        ForEach(found.labels, id: \.name) { label in LabelBar(label: label) }
      }
      if found.numLeftOut > 0 {
        Text("The model had no room for the last \(found.numLeftOut) pieces of words.", bundle: .module)
          .font(.footnote)
      }
      Text("\(formatted(milliseconds)) ms", bundle: .module).font(.footnote)
      Text(verbatim: engine).font(.footnote)
      ShareLink(item: found.words) { WordLabel("Share", symbol: "square.and.arrow.up") }
    }
    .padding()
    .foregroundStyle(Color.answerText)
    .frame(maxWidth: .infinity, alignment: .leading)
    .background(Color.answerBackground, in: RoundedRectangle(cornerRadius: 12))
  }
}

/// A label, how likely it is, and whether it is set: by a symbol, not by its colour alone.
private struct LabelBar: View {
  let label: Classification.Label

  var body: some View {
    ProgressView(value: label.score) {
      if label.isSet {
        Label {
          Text(verbatim: label.name).bold()
        } icon: {
          Image(systemName: "checkmark.circle")
        }
        .accessibilityLabel(Text("\(label.name), set", bundle: .module))
      } else {
        Text(verbatim: label.name)
      }
    } currentValueLabel: {
      Text(verbatim: percent(label.score))
    }
  }
}

extension Classification {
  /// The labels that are set, or the number, as they are shared and read out.
  public var words: String {
    number.map(formatted) ?? labels.filter(\.isSet).map(\.name).joined(separator: ", ")
  }
}
