import PocketBERT
import SwiftUI

/// What a person chooses for good.
struct SettingsView: View {
  @Bindable var demo: Demo

  var body: some View {
    NavigationStack {
      List {
        Section {
          Picker(selection: $demo.computeUnits) {
            Text("What the model was built for", bundle: .module).tag(ComputeUnits?.none)
            ForEach(ComputeUnits.allCases, id: \.self) { units in
              Text(units.word, bundle: .module).tag(Optional(units))
            }
          } label: {
            Text("Runs on", bundle: .module)
          }
          .pickerStyle(.inline)
          Text(
            "It may be faster on one than on another, and its numbers may differ a little. The self-test tells.",
            bundle: .module
          )
          .font(.footnote)
        } header: {
          Text(verbatim: engines)
        }
      }
      .navigationTitle(Text("Settings", bundle: .module))
      .toolbar { DoneButton { demo.sheet = nil } }
    }
  }

  /// Those that the choice is of.
  private var engines: String { demo.enginesWithUnits.map(\.label).joined(separator: ", ") }
}

extension ComputeUnits {
  fileprivate var word: LocalizedStringKey {
    switch self {
    case .all: "All of the device"
    case .cpuAndNeuralEngine: "Processor and Neural Engine"
    case .cpuAndGPU: "Processor and graphics"
    case .cpuOnly: "Processor alone"
    }
  }
}
