// What the package uses of SwiftUI, for Linux: so that it compiles, and so that tests look into views. Initializers of
// views are the main actor's here, where Apple's belong to none: what compiles against these does so there.
// https://developer.apple.com/documentation/swiftui

import Foundation
@_exported import LocalizedStrings

/// https://developer.apple.com/documentation/swiftui/view
@MainActor @preconcurrency
public protocol View {
  associatedtype Body: View

  @ViewBuilder @MainActor @preconcurrency var body: Body { get }
}

extension Never: View {
  public var body: Never { fatalError("a view of SwiftUI has no body") }
}

extension View where Body == Never {
  public var body: Never { fatalError("a view of SwiftUI has no body") }
}

/// https://developer.apple.com/documentation/swiftui/viewbuilder
@MainActor
@resultBuilder
public struct ViewBuilder {
  public static func buildExpression<Content: View>(_ content: Content) -> Content { content }
  public static func buildBlock() -> EmptyView { EmptyView() }
  public static func buildBlock<Content: View>(_ content: Content) -> Content { content }
  public static func buildBlock<each Content: View>(_ content: repeat each Content) -> TupleView<(repeat each Content)>
  {
    TupleView((repeat each content))
  }
  public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
  public static func buildEither<First: View, Second: View>(first: First) -> _ConditionalContent<First, Second> {
    _ConditionalContent(content: .first(first))
  }
  public static func buildEither<First: View, Second: View>(second: Second) -> _ConditionalContent<First, Second> {
    _ConditionalContent(content: .second(second))
  }
}

public struct EmptyView: View {
  public init() {}

  public typealias Body = Never
}

public struct TupleView<T>: View, Recorded {
  public var value: T

  public init(_ value: T) { self.value = value }

  public typealias Body = Never

  var recordings: [Recording] {
    Mirror(reflecting: value).children.flatMap { child in
      (child.value as? any View).map { record($0) } ?? []
    }
  }
}

// swift-format-ignore: NoLeadingUnderscores
public struct _ConditionalContent<First: View, Second: View>: View, Recorded {
  enum Content {
    case first(First)
    case second(Second)
  }

  let content: Content

  init(content: Content) { self.content = content }

  public typealias Body = Never

  var recordings: [Recording] {
    switch content {
    case .first(let view): record(view)
    case .second(let view): record(view)
    }
  }
}

extension Optional: View where Wrapped: View {
  public typealias Body = Never
}

extension Optional: Recorded where Wrapped: View {
  var recordings: [Recording] { map { record($0) } ?? [] }
}

/// https://developer.apple.com/documentation/swiftui/group
public struct Group<Content: View>: View, Recorded {
  let content: Content

  public init(@ViewBuilder content: () -> Content) { self.content = content() }

  public typealias Body = Never

  var recordings: [Recording] { record(content) }
}

/// https://developer.apple.com/documentation/swiftui/foreach
public struct ForEach<Data: RandomAccessCollection, ID: Hashable, Content: View>: View, Recorded {
  let data: Data
  let content: (Data.Element) -> Content

  public init(
    _ data: Data, id: KeyPath<Data.Element, ID>, @ViewBuilder content: @escaping (Data.Element) -> Content
  ) {
    self.data = data
    self.content = content
  }

  public typealias Body = Never

  var recordings: [Recording] { data.flatMap { record(content($0)) } }
}

/// https://developer.apple.com/documentation/swiftui/state
@MainActor @preconcurrency
@propertyWrapper
public struct State<Value> {
  @MainActor
  private final class Box {
    var value: Value

    init(_ value: Value) { self.value = value }
  }

  private let box: Box

  public init(wrappedValue value: Value) { box = Box(value) }

  public var wrappedValue: Value {
    get { box.value }
    nonmutating set { box.value = newValue }
  }

  public var projectedValue: Binding<Value> {
    Binding {
      box.value
    } write: {
      box.value = $0
    }
  }
}

/// https://developer.apple.com/documentation/swiftui/binding
@MainActor @preconcurrency
@propertyWrapper
public struct Binding<Value> {
  private let read: @MainActor () -> Value
  private let write: @MainActor (Value) -> Void

  init(read: @escaping @MainActor () -> Value, write: @escaping @MainActor (Value) -> Void) {
    self.read = read
    self.write = write
  }

  public var wrappedValue: Value {
    get { read() }
    nonmutating set { write(newValue) }
  }

  public var projectedValue: Binding<Value> { self }
}

/// https://developer.apple.com/documentation/swiftui/bindable
@MainActor @preconcurrency
@dynamicMemberLookup
@propertyWrapper
public struct Bindable<Value: AnyObject> {
  public var wrappedValue: Value

  public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

  public var projectedValue: Bindable<Value> { self }

  public subscript<Subject>(
    dynamicMember keyPath: ReferenceWritableKeyPath<Value, Subject>
  ) -> Binding<Subject> {
    let object = wrappedValue
    return Binding {
      object[keyPath: keyPath]
    } write: {
      object[keyPath: keyPath] = $0
    }
  }
}

/// https://developer.apple.com/documentation/swiftui/localizedstringkey
public struct LocalizedStringKey: Equatable, ExpressibleByStringInterpolation {
  /// As it stands in the catalog, with `%@` and `%lld` in place of values.
  public let key: String
  public let values: [String]

  public init(stringLiteral value: String) {
    key = value
    values = []
  }

  public init(stringInterpolation: StringInterpolation) {
    key = stringInterpolation.key
    values = stringInterpolation.values
  }

  public struct StringInterpolation: StringInterpolationProtocol {
    var key = ""
    var values: [String] = []

    public init(literalCapacity: Int, interpolationCount: Int) {}

    public mutating func appendLiteral(_ literal: String) {
      key += literal.replacingOccurrences(of: "%", with: "%%")
    }

    public mutating func appendInterpolation(_ value: String) {
      key += "%@"
      values.append(value)
    }

    public mutating func appendInterpolation(_ value: Int) {
      key += "%lld"
      values.append("\(value)")
    }
  }
}
