import Foundation
import UniformTypeIdentifiers

public struct Font: Sendable {
  public static let title2 = Font()
  public static let headline = Font()
  public static let body = Font()
  public static let footnote = Font()
}

public struct Edge {
  public struct Set: OptionSet, Sendable {
    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }

    public static let all = Set(rawValue: 15)
    public static let horizontal = Set(rawValue: 3)
    public static let vertical = Set(rawValue: 12)
  }
}

public struct Alignment: Sendable {
  public static let center = Alignment()
  public static let leading = Alignment()
}

public struct RoundedRectangle: Sendable {
  public init(cornerRadius: CGFloat) {}
}

public enum AccessibilityChildBehavior: Sendable {
  case combine
}

/// https://developer.apple.com/documentation/swiftui/pickerstyle
public protocol PickerStyle: Sendable {}

public struct SegmentedPickerStyle: PickerStyle {
  public init() {}
}

extension PickerStyle where Self == SegmentedPickerStyle {
  public static var segmented: SegmentedPickerStyle { SegmentedPickerStyle() }
}

public struct InlinePickerStyle: PickerStyle {
  public init() {}
}

extension PickerStyle where Self == InlinePickerStyle {
  public static var inline: InlinePickerStyle { InlinePickerStyle() }
}

public struct BorderedProminentButtonStyle: Sendable {
  public init() {}

  public static var borderedProminent: BorderedProminentButtonStyle { BorderedProminentButtonStyle() }
}

public struct EnabledTextSelectability: Sendable {
  public static var enabled: EnabledTextSelectability { EnabledTextSelectability() }
}

@MainActor
extension View {
  public func font(_ font: Font?) -> some View { noting("font") }
  public func padding(_ edges: Edge.Set = .all, _ length: CGFloat? = nil) -> some View { noting("padding") }
  public func foregroundStyle(_ style: Color) -> some View { noting("foregroundStyle \(style.name)") }
  public func background(_ style: Color, in shape: RoundedRectangle) -> some View { noting("background \(style.name)") }
  public func frame(
    minWidth: CGFloat? = nil, maxWidth: CGFloat? = nil, minHeight: CGFloat? = nil, maxHeight: CGFloat? = nil,
    alignment: Alignment = .center
  ) -> some View { noting("frame") }
  public func lineLimit(_ number: Int?) -> some View { noting("lineLimit") }
  public func disabled(_ disabled: Bool) -> some View { changed { $0.isDisabled = disabled } }
  public func pickerStyle(_ style: some PickerStyle) -> some View { noting("\(type(of: style))") }
  public func buttonStyle(_ style: BorderedProminentButtonStyle) -> some View { noting("prominent") }
  public func textSelection(_ selectability: EnabledTextSelectability) -> some View { noting("selectable") }
  public func id(_ id: some Hashable) -> some View { noting("id \(id)") }
  public func tag(_ tag: some Hashable) -> some View { noting("tag \(tag)") }
  public func onSubmit(_ action: @escaping () -> Void) -> some View { changed { $0.submit = action } }
  public func navigationTitle(_ title: Text) -> some View {
    changed { $0.children.insert(contentsOf: record(title), at: 0) }
  }
  public func toolbar<Content: View>(@ViewBuilder content: () -> Content) -> some View {
    let items = record(content())
    return changed { $0.children += items }
  }
  public func sheet<Item: Identifiable, Content: View>(
    item: Binding<Item?>, onDismiss: (() -> Void)? = nil, @ViewBuilder content: @escaping (Item) -> Content
  ) -> some View {
    let shown = item.wrappedValue.map { record(content($0)) } ?? []
    return changed { $0.children += shown }
  }
  public func fileImporter(
    isPresented: Binding<Bool>, allowedContentTypes: [UTType],
    onCompletion: @escaping (Result<URL, any Error>) -> Void
  ) -> some View { changed { $0.importFile = onCompletion } }
  public func onChange<V: Equatable>(
    of value: V, initial: Bool = false, _ action: @escaping (_ oldValue: V, _ newValue: V) -> Void
  ) -> some View { changed { $0.changes.append { action(value, value) } } }
  public func accessibilityLabel(_ label: Text) -> some View {
    changed { $0.accessibilityLabel = record(label)[0].words.first }
  }
  public func accessibilityElement(children: AccessibilityChildBehavior) -> some View { noting("element \(children)") }
}
