import Foundation
import PocketBERT

extension ExecuTorchFactory {
  /// ExecuTorch, and what its prebuilt frameworks hold of others, as the script that builds them lists it.
  ///
  /// Source: ExecuTorch, `scripts/build_apple_frameworks.sh`, and `CMakeLists.txt` of XNNPACK.
  public var libraries: [Library] {
    [
      library("ExecuTorch \(Self.version)", "BSD 3-Clause", in: "ExecuTorch"),
      library("XNNPACK", "BSD 3-Clause", in: "XNNPACK"),
      library("pthreadpool", "BSD 2-Clause", in: "pthreadpool"),
      library("cpuinfo", "BSD 2-Clause", in: "cpuinfo"),
      library("FXdiv", "MIT", in: "FXdiv"),
      library("FP16", "MIT", in: "FP16"),
      library("FlatBuffers", "Apache 2.0", in: "Apache-2.0"),
      library("KleidiAI", "Apache 2.0", in: "Apache-2.0"),
      library("PyTorch, of which ExecuTorch takes headers", "BSD 3-Clause", in: "PyTorch"),
    ]
  }

  private func library(_ name: String, _ licence: String, in file: String) -> Library {
    let text = Bundle.module.url(forResource: file, withExtension: "txt")
      .flatMap { try? String(contentsOf: $0, encoding: .utf8) }
    return Library(name: name, licence: licence, text: text ?? "")
  }
}
