import Foundation

public enum HorizontalAlignment: Sendable {
  case leading
  case center
}

public enum VerticalAlignment: Sendable {
  case firstTextBaseline
  case center
}

/// https://developer.apple.com/documentation/swiftui/vstack
public struct VStack<Content: View>: View, Recorded {
  let content: Content

  public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
  ) {
    self.content = content()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("VStack", record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/lazyvstack
public struct LazyVStack<Content: View>: View, Recorded {
  let content: Content

  public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
  ) {
    self.content = content()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("LazyVStack", record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/hstack
public struct HStack<Content: View>: View, Recorded {
  let content: Content

  public init(
    alignment: VerticalAlignment = .center, spacing: CGFloat? = nil, @ViewBuilder content: () -> Content
  ) {
    self.content = content()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("HStack", record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/viewthatfits
public struct ViewThatFits<Content: View>: View, Recorded {
  let content: Content

  public init(@ViewBuilder content: () -> Content) { self.content = content() }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("ViewThatFits", record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/scrollview
public struct ScrollView<Content: View>: View, Recorded {
  let content: Content

  public init(@ViewBuilder content: () -> Content) { self.content = content() }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("ScrollView", record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/scrollviewreader
public struct ScrollViewReader<Content: View>: View, Recorded {
  let content: (ScrollViewProxy) -> Content

  public init(@ViewBuilder content: @escaping (ScrollViewProxy) -> Content) { self.content = content }

  public typealias Body = Never

  var recordings: [Recording] {
    let proxy = ScrollViewProxy()
    return record(content(proxy)).map {
      var made = $0
      made.scrolled = proxy.scrolled
      return made
    }
  }
}

/// What a proxy was last asked for, as tests look at it.
public final class ScrolledTo {
  public fileprivate(set) var id: AnyHashable?
}

/// https://developer.apple.com/documentation/swiftui/scrollviewproxy
public struct ScrollViewProxy {
  let scrolled = ScrolledTo()

  public func scrollTo(_ id: some Hashable, anchor: UnitPoint? = nil) { scrolled.id = AnyHashable(id) }
}

public struct UnitPoint: Sendable {
  public static let center = UnitPoint()
}

/// https://developer.apple.com/documentation/swiftui/list
public struct List<Content: View>: View, Recorded {
  let content: Content

  public init(@ViewBuilder content: () -> Content) { self.content = content() }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("List", record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/section
public struct Section<Header: View, Content: View>: View, Recorded {
  let content: Content
  let header: Header

  public init(@ViewBuilder content: () -> Content, @ViewBuilder header: () -> Header) {
    self.content = content()
    self.header = header()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("Section", record(header) + record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/navigationstack
public struct NavigationStack<Root: View>: View, Recorded {
  let root: Root

  public init(@ViewBuilder root: () -> Root) { self.root = root() }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("NavigationStack", record(root))] }
}

/// https://developer.apple.com/documentation/swiftui/contentunavailableview
public struct ContentUnavailableView<Label: View, Description: View, Actions: View>: View, Recorded {
  let label: Label
  let description: Description
  let actions: Actions

  public init(
    @ViewBuilder label: () -> Label, @ViewBuilder description: () -> Description, @ViewBuilder actions: () -> Actions
  ) {
    self.label = label()
    self.description = description()
    self.actions = actions()
  }

  public typealias Body = Never

  var recordings: [Recording] {
    [Recording("ContentUnavailableView", record(label) + record(description) + record(actions))]
  }
}
