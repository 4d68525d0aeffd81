import SwiftUI

/// Ends what runs.
struct StopButton: View {
  let demo: Demo

  var body: some View {
    Button {
      demo.cancel()
    } label: {
      WordLabel("Stop", symbol: "stop.fill")
    }
  }
}

/// Closes what lies over the screen.
struct DoneButton: View {
  let action: @MainActor () -> Void

  var body: some View {
    Button(action: action) { WordLabel("Done", symbol: "checkmark") }
  }
}
