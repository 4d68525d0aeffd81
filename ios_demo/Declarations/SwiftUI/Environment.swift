/// https://developer.apple.com/documentation/swiftui/dynamictypesize
public enum DynamicTypeSize: Sendable {
  case large
  case accessibility1

  public var isAccessibilitySize: Bool { self != .large }
}

/// https://developer.apple.com/documentation/swiftui/environmentvalues
public struct EnvironmentValues: Sendable {
  public var dynamicTypeSize = DynamicTypeSize.large

  public init() {}

  /// What views find while a test looks at them; SwiftUI has nothing of the kind.
  @TaskLocal public static var current = EnvironmentValues()
}

/// https://developer.apple.com/documentation/swiftui/environment
@MainActor @preconcurrency
@propertyWrapper
public struct Environment<Value> {
  private let keyPath: KeyPath<EnvironmentValues, Value>

  public init(_ keyPath: KeyPath<EnvironmentValues, Value>) { self.keyPath = keyPath }

  public var wrappedValue: Value { EnvironmentValues.current[keyPath: keyPath] }
}
