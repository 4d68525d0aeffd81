/// https://developer.apple.com/documentation/swiftui/viewmodifier
@MainActor @preconcurrency
public protocol ViewModifier {
  associatedtype Body: View
  typealias Content = ModifiedContent

  @ViewBuilder func body(content: Content) -> Body
}

/// What a modifier is given, which is another type of Apple's.
public struct ModifiedContent: View, Recorded {
  let recordings: [Recording]

  public typealias Body = Never
}

extension View {
  @MainActor
  public func modifier(_ modifier: some ViewModifier) -> some View {
    modifier.body(content: ModifiedContent(recordings: record(self)))
  }
}
