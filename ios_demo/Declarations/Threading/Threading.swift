// What Observation misses when it is linked on Linux with Swift 6.0: https://github.com/swiftlang/swift/issues/75670

@_cdecl("_ZN5swift9threading5fatalEPKcz")
public func threadingFatal() -> Never { fatalError() }
