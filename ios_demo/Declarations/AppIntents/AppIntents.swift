// What the app uses of App Intents, for Linux. https://developer.apple.com/documentation/appintents

import Foundation
@_exported import LocalizedStrings

/// https://developer.apple.com/documentation/appintents/appintent
public protocol AppIntent: Sendable {
  associatedtype PerformResult: IntentResult

  static var title: LocalizedStringResource { get }
  static var description: IntentDescription? { get }

  init()

  func perform() async throws -> PerformResult
}

extension AppIntent {
  public static var description: IntentDescription? { nil }
}

/// https://developer.apple.com/documentation/appintents/intentdescription
public struct IntentDescription: Sendable {
  public let descriptionText: LocalizedStringResource

  public init(
    _ descriptionText: LocalizedStringResource, categoryName: LocalizedStringResource? = nil,
    searchKeywords: [LocalizedStringResource] = []
  ) {
    self.descriptionText = descriptionText
  }
}

/// https://developer.apple.com/documentation/appintents/intentresult
public protocol IntentResult: Sendable {}

/// https://developer.apple.com/documentation/appintents/returnsvalue
public protocol ReturnsValue<Value>: IntentResult {
  associatedtype Value: Sendable

  var value: Value? { get }
}

/// https://developer.apple.com/documentation/appintents/intentresultcontainer
public struct IntentResultContainer<Value: Sendable>: IntentResult, ReturnsValue {
  public let value: Value?
}

extension IntentResult {
  public static func result<Value: Sendable>(value: Value) -> Self where Self == IntentResultContainer<Value> {
    IntentResultContainer(value: value)
  }
}

/// https://developer.apple.com/documentation/appintents/intentparameter
@propertyWrapper
public struct IntentParameter<Value: Sendable>: Sendable {
  private var value: Value?

  public init(title: LocalizedStringResource, description: LocalizedStringResource? = nil) {}

  public var wrappedValue: Value {
    get {
      guard let value else { fatalError("the system fills it before perform") }
      return value
    }
    set { value = newValue }
  }
}

extension AppIntent {
  public typealias Parameter<Value: Sendable> = IntentParameter<Value>
}
