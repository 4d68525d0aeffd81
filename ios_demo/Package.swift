// swift-tools-version: 6.0

import PackageDescription

let package = Package(
  name: "PocketBERT",
  defaultLocalization: "en",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [
    .library(name: "PocketBERT", targets: ["PocketBERT"]),
    .executable(name: "pocketbert-check", targets: ["pocketbert-check"]),
  ],
  targets: [
    .target(name: "PocketBERT"),
    .executableTarget(name: "pocketbert-check", dependencies: ["PocketBERT"]),
    .testTarget(name: "PocketBERTTests", dependencies: ["PocketBERT"]),
  ],
  swiftLanguageModes: [.v6]
)

#if os(Linux)
  // Apple's frameworks are not there: what is used of them is declared, so that all of it compiles and is tested.
  package.targets += [
    .systemLibrary(name: "CLibcrypto", path: "Declarations/CLibcrypto"),
    .target(name: "CryptoKit", dependencies: ["CLibcrypto"], path: "Declarations/CryptoKit"),
  ]
  let declared: [String: [String]] = ["PocketBERT": ["CryptoKit"]]
  for target in package.targets {
    target.dependencies += (declared[target.name] ?? []).map { .byName(name: $0) }
  }
#endif
