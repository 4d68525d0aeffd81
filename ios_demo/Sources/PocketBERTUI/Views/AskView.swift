import PocketBERT
import SwiftUI

/// A text, a question, and the answer marked in the text.
struct AskView: View {
  @Bindable var demo: Demo
  let facts: ModelFacts
  @State private var isChoosingFile = false
  @Environment(\.dynamicTypeSize) private var typeSize

  var body: some View {
    VStack(alignment: .leading, spacing: 12) {
      MarkedText(chunks: demo.chunks, answer: answer) {
        TextHeader(demo: demo) { isChoosingFile = true }
        // Beside large letters there would be no room for the text, or none for the button.
        if typeSize.isAccessibilitySize { panels }
      }
      if !typeSize.isAccessibilitySize { panels }
    }
    .padding(.horizontal)
    .modifier(Frame(demo: demo, facts: facts, isChoosingFile: $isChoosingFile))
  }

  @ViewBuilder private var panels: some View {
    AnswerPanel(demo: demo)
    QuestionPanel(demo: demo)
  }

  private var answer: Answer? {
    if case .answered(let answer, _) = demo.state.answer { answer } else { nil }
  }
}

/// What the text is, and where another one comes from.
struct TextHeader: View {
  let demo: Demo
  let chooseFile: @MainActor () -> Void

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      WordLabel("Nothing leaves this device. The app asks for no network.", symbol: "lock")
        .font(.footnote)
      ViewThatFits {
        HStack(spacing: 12) { sources }
        VStack(alignment: .leading, spacing: 8) { sources }
      }
      notes.font(.footnote).foregroundStyle(Color.secondary)
    }
  }

  @ViewBuilder private var sources: some View {
    Menu {
      ForEach(Sample.all, id: \.title) { sample in
        Button {
          demo.takeSample(sample.text, question: sample.questions[0])
        } label: {
          Text(verbatim: sample.title)
        }
      }
    } label: {
      WordLabel("Samples", symbol: "text.book.closed")
    }
    if let sample, !isClassifier {
      Menu {
        ForEach(sample.questions, id: \.self) { question in
          Button {
            demo.takeSample(sample.text, question: question)
            demo.ask()
          } label: {
            Text(verbatim: question)
          }
        }
      } label: {
        WordLabel("Questions to try", symbol: "questionmark.bubble")
      }
    }
    PasteButton(payloadType: String.self) { texts in
      if let text = texts.first { demo.text = text }
    }
    Button(action: chooseFile) { WordLabel("Open", symbol: "folder") }
    Button {
      demo.sheet = .edit
    } label: {
      WordLabel("Edit", symbol: "pencil")
    }
    .disabled(!demo.state.input.isEditable)
  }

  private var isClassifier: Bool { demo.numClassifiedTexts != nil }

  /// The sample that the text is, if it is one.
  private var sample: Sample? { Sample.all.first { $0.text.utf8.elementsEqual(demo.text.utf8) } }

  @ViewBuilder private var notes: some View {
    let input = demo.state.input
    if input.text.isEmpty {
      Text("No text yet. Pick a sample, paste a text, or write one.", bundle: .module)
    } else {
      Text("\(input.text.unicodeScalars.count) characters", bundle: .module)
    }
    if input.numLeftOut > 0 {
      Text("The text was too long. Its last \(input.numLeftOut) characters were left out.", bundle: .module)
    }
    if !input.isEditable {
      Text("Too long to edit here. You can ask about it, or paste another one.", bundle: .module)
    }
  }
}

/// The question, the engine, and the button that asks.
struct QuestionPanel: View {
  @Bindable var demo: Demo

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      TextField(
        text: $demo.question, prompt: Text("What do you want to know?", bundle: .module), axis: .vertical
      ) {
        Text("Question", bundle: .module)
      }
      .onSubmit { demo.ask() }
      EnginePicker(demo: demo)
      if demo.state.answer.isRunning {
        StopButton(demo: demo)
      } else {
        Button {
          demo.ask()
        } label: {
          WordLabel("Ask", symbol: "magnifyingglass").foregroundStyle(Color.onAccent)
        }
        .buttonStyle(.borderedProminent)
      }
    }
    .padding(.vertical)
  }
}

/// The switch between engines.
struct EnginePicker: View {
  @Bindable var demo: Demo

  var body: some View {
    Picker(selection: $demo.backend) {
      ForEach(demo.state.engines, id: \.backend) { choice in
        Text(verbatim: choice.label).tag(choice.backend)
      }
    } label: {
      Text("Engine", bundle: .module)
    }
    .pickerStyle(.segmented)
  }
}
