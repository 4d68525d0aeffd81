// swift-tools-version: 6.0

import PackageDescription

// Apple's frameworks and ExecuTorch are not there on Linux: what is used of them is declared, so that all of it compiles
// and is tested.
#if os(Linux)
  let isLinux = true
#else
  let isLinux = false
#endif

/// ExecuTorch 1.4.1, whose branches hold prebuilt frameworks: XNNPACK, and the kernels outside of it.
let executorch: [Target.Dependency] =
  isLinux
  ? ["ExecuTorch"]
  : ["executorch", "backend_xnnpack", "kernels_optimized", "kernels_quantized"].map {
    .product(name: $0, package: "executorch")
  }

func declared(_ names: Target.Dependency...) -> [Target.Dependency] { isLinux ? names : [] }

let package = Package(
  name: "PocketBERT",
  defaultLocalization: "en",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [
    .library(name: "PocketBERT", targets: ["PocketBERT"]),
    .library(name: "PocketBERTCoreML", targets: ["PocketBERTCoreML"]),
    .library(name: "PocketBERTExecuTorch", targets: ["PocketBERTExecuTorch"]),
    .library(name: "PocketBERTUI", targets: ["PocketBERTUI"]),
    .executable(name: "pocketbert-check", targets: ["pocketbert-check"]),
  ],
  dependencies: isLinux
    ? [] : [.package(url: "https://github.com/pytorch/executorch.git", branch: "swiftpm-1.4.1")],
  targets: [
    .target(name: "PocketBERT", dependencies: declared("CryptoKit")),
    .target(name: "PocketBERTCoreML", dependencies: ["PocketBERT"] + declared("CoreML")),
    .target(name: "PocketBERTExecuTorch", dependencies: ["PocketBERT"] + executorch, resources: [.process("Licences")]),
    .target(
      name: "PocketBERTUI",
      dependencies: ["PocketBERT"] + declared("SwiftUI", "UniformTypeIdentifiers", "Accessibility", "Threading"),
      resources: [.process("Resources")]),
    .executableTarget(
      name: "pocketbert-check", dependencies: ["PocketBERT", "PocketBERTCoreML", "PocketBERTExecuTorch"]),
    .executableTarget(name: "pocketbert-benchmark", dependencies: ["PocketBERT"]),
    .target(name: "Support", path: "Tests/Support"),
    .testTarget(name: "PocketBERTTests", dependencies: ["PocketBERT", "Support"]),
    .testTarget(
      name: "PocketBERTUITests", dependencies: ["PocketBERTUI", "PocketBERTExecuTorch", "Support"]),
    .testTarget(
      name: "PocketBERTDeviceTests", dependencies: ["PocketBERT", "PocketBERTCoreML", "PocketBERTExecuTorch"]),
  ],
  swiftLanguageModes: [.v6]
)

if isLinux {
  package.targets += [
    .systemLibrary(name: "CLibcrypto", path: "Declarations/CLibcrypto"),
    .target(name: "CryptoKit", dependencies: ["CLibcrypto"], path: "Declarations/CryptoKit"),
    .target(name: "CoreML", path: "Declarations/CoreML"),
    .target(name: "ExecuTorch", path: "Declarations/ExecuTorch"),
    .target(name: "LocalizedStrings", path: "Declarations/LocalizedStrings"),
    .target(
      name: "SwiftUI", dependencies: ["LocalizedStrings", "UniformTypeIdentifiers"], path: "Declarations/SwiftUI"),
    .target(name: "UniformTypeIdentifiers", path: "Declarations/UniformTypeIdentifiers"),
    .target(name: "Accessibility", path: "Declarations/Accessibility"),
    .target(name: "AppIntents", dependencies: ["LocalizedStrings"], path: "Declarations/AppIntents"),
    // The app, which Xcode builds elsewhere.
    .executableTarget(
      name: "PocketBertDemo",
      dependencies: ["PocketBERTUI", "PocketBERTCoreML", "PocketBERTExecuTorch", "SwiftUI", "AppIntents"],
      path: "App", exclude: ["Info.plist", "PrivacyInfo.xcprivacy", "Assets.xcassets", "Localizable.xcstrings"]),
    .target(name: "Threading", path: "Declarations/Threading"),
    // Their stand-ins do as a test says.
    .testTarget(
      name: "PocketBERTEnginesTests",
      dependencies: ["PocketBERTCoreML", "PocketBERTExecuTorch", "CoreML", "ExecuTorch", "Support"]),
  ]
}
