import PocketBERT
import PocketBERTCoreML
import PocketBERTExecuTorch

extension Check {
  /// The engines that run on this machine: on Linux there are none.
  var engines: [any EngineFactory] {
    #if os(Linux)
      []
    #else
      [CoreMLFactory(), ExecuTorchFactory()]
    #endif
  }
}
