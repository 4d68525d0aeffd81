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
