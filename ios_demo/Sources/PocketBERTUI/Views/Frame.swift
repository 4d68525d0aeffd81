import Accessibility
import PocketBERT
import SwiftUI
import UniformTypeIdentifiers

/// What is around the texts, whatever the model does with them: title, buttons, the other screens, what is read out.
struct Frame: ViewModifier {
  @Bindable var demo: Demo
  let facts: ModelFacts
  @Binding var isChoosingFile: Bool

  func body(content: Content) -> some View {
    content
      .navigationTitle(Text("PocketBERT", bundle: .module))
      .toolbar {
        Button {
          demo.sheet = .selfTest
        } label: {
          WordLabel("Self-test", symbol: "checkmark.seal")
        }
        if !demo.enginesWithUnits.isEmpty {
          Button {
            demo.sheet = .settings
          } label: {
            WordLabel("Settings", symbol: "gearshape")
          }
        }
        Button {
          demo.sheet = .about
        } label: {
          WordLabel("About the model", symbol: "info.circle")
        }
      }
      .fileImporter(isPresented: $isChoosingFile, allowedContentTypes: [.plainText]) { chosen in
        // One who chooses no file wants to hear nothing.
        if case .success(let file) = chosen { demo.openFile(file) }
      }
      .sheet(item: $demo.sheet) { sheet in
        switch sheet {
        case .edit: EditView(demo: demo)
        case .selfTest: SelfTestView(demo: demo)
        case .settings: SettingsView(demo: demo)
        case .about: AboutView(facts: facts, libraries: demo.libraries) { demo.sheet = nil }
        }
      }
      .onChange(of: demo.state.answer) { _, answer in
        switch answer {
        case .answered(let found, _): announce(found.text)
        case .failed(let problem): announce(String(localized: problem.words.title))
        case .classified(let found, _): announce(found.words)
        case .idle, .opening, .preparing, .answering: break
        }
      }
  }
}

/// Has VoiceOver say what is new on the screen.
func announce(_ words: String) {
  AccessibilityNotification.Announcement(words).post()
}
