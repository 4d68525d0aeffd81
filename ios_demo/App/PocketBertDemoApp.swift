import PocketBERT
import PocketBERTCoreML
import PocketBERTExecuTorch
import PocketBERTUI
import SwiftUI

@main
struct PocketBertDemoApp: App {
  private let demo: Demo
  private let warnings: MemoryWarnings

  init() {
    let sample = Sample.all[0]
    let demo = Demo(
      factories: [CoreMLFactory(), ExecuTorchFactory()],
      input: Input(text: sample.text, question: sample.questions[0])
    ) { try openCarriedBundle() }
    self.demo = demo
    warnings = MemoryWarnings { demo.freeMemory() }
  }

  var body: some Scene {
    WindowGroup { RootView(demo: demo) }
  }
}
