import Foundation

/// https://developer.apple.com/documentation/swiftui/text
public struct Text: View, Recorded {
  private var key: LocalizedStringKey?
  private var content: String
  private var hasBundle = true
  private var marks: [String] = []
  private var parts: [Text] = []

  public init(
    _ key: LocalizedStringKey, tableName: String? = nil, bundle: Bundle? = nil, comment: StaticString? = nil
  ) {
    self.key = key
    content = key.values.joined(separator: " ")
    hasBundle = bundle != nil
  }

  public init(_ resource: LocalizedStringResource) {
    key = LocalizedStringKey(stringLiteral: resource.key)
    content = resource.key
    hasBundle = resource.bundle != .main
  }

  public init(verbatim content: String) { self.content = content }

  public func bold() -> Text { marked("bold") }
  public func underline(_ isActive: Bool = true) -> Text { isActive ? marked("underline") : self }
  public func foregroundStyle(_ style: Color) -> Text { marked("foregroundStyle \(style.name)") }

  public static func + (first: Text, second: Text) -> Text {
    var sum = Text(verbatim: first.content + second.content)
    sum.parts = (first.parts.isEmpty ? [first] : first.parts) + (second.parts.isEmpty ? [second] : second.parts)
    return sum
  }

  private func marked(_ mark: String) -> Text {
    var made = self
    made.marks.append(mark)
    return made
  }

  public typealias Body = Never

  var recordings: [Recording] {
    var made = Recording("Text", parts.flatMap(\.recordings))
    made.key = key?.key
    made.hasBundle = hasBundle
    made.modifiers = marks
    if key == nil && parts.isEmpty { made.verbatim = content }
    return [made]
  }
}

/// https://developer.apple.com/documentation/swiftui/image
public struct Image: View, Recorded {
  let symbol: String

  public init(systemName: String) { symbol = systemName }

  public typealias Body = Never

  var recordings: [Recording] {
    var made = Recording("Image")
    made.symbol = symbol
    return [made]
  }
}

/// https://developer.apple.com/documentation/swiftui/label
public struct Label<Title: View, Icon: View>: View, Recorded {
  let title: Title
  let icon: Icon

  public init(@ViewBuilder title: () -> Title, @ViewBuilder icon: () -> Icon) {
    self.title = title()
    self.icon = icon()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("Label", record(title) + record(icon))] }
}

/// https://developer.apple.com/documentation/swiftui/button
public struct Button<Label: View>: View, Recorded {
  let action: @MainActor () -> Void
  let label: Label

  public init(action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Label) {
    self.action = action
    self.label = label()
  }

  public typealias Body = Never

  var recordings: [Recording] {
    var made = Recording("Button", record(label))
    made.action = action
    return [made]
  }
}

/// https://developer.apple.com/documentation/swiftui/menu
public struct Menu<Label: View, Content: View>: View, Recorded {
  let content: Content
  let label: Label

  public init(@ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label) {
    self.content = content()
    self.label = label()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("Menu", record(label) + record(content))] }
}

/// https://developer.apple.com/documentation/swiftui/picker
public struct Picker<Label: View, SelectionValue: Hashable, Content: View>: View, Recorded {
  let selection: Binding<SelectionValue>
  let content: Content
  let label: Label

  public init(
    selection: Binding<SelectionValue>, @ViewBuilder content: () -> Content, @ViewBuilder label: () -> Label
  ) {
    self.selection = selection
    self.content = content()
    self.label = label()
  }

  public typealias Body = Never

  var recordings: [Recording] {
    var made = Recording("Picker", record(label) + record(content))
    made.choose = { if let value = $0 as? SelectionValue { selection.wrappedValue = value } }
    return [made]
  }
}

/// https://developer.apple.com/documentation/swiftui/navigationlink
public struct NavigationLink<Label: View, Destination: View>: View, Recorded {
  let destination: Destination
  let label: Label

  public init(@ViewBuilder destination: () -> Destination, @ViewBuilder label: () -> Label) {
    self.destination = destination()
    self.label = label()
  }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("NavigationLink", record(label) + record(destination))] }
}

/// https://developer.apple.com/documentation/swiftui/textfield
public struct TextField<Label: View>: View, Recorded {
  let text: Binding<String>
  let label: Label

  public init(text: Binding<String>, prompt: Text? = nil, axis: Axis, @ViewBuilder label: () -> Label) {
    self.text = text
    self.label = label()
  }

  public typealias Body = Never

  var recordings: [Recording] {
    var field = Recording("TextField", record(label))
    field.verbatim = text.wrappedValue
    return [field]
  }
}

public enum Axis: Sendable {
  case horizontal
  case vertical
}

/// https://developer.apple.com/documentation/swiftui/texteditor
public struct TextEditor: View, Recorded {
  let text: Binding<String>

  public init(text: Binding<String>) { self.text = text }

  public typealias Body = Never

  var recordings: [Recording] {
    var editor = Recording("TextEditor")
    editor.verbatim = text.wrappedValue
    return [editor]
  }
}

/// https://developer.apple.com/documentation/swiftui/progressview
public struct ProgressView<Label: View, CurrentValueLabel: View>: View, Recorded {
  let label: Label
  let currentValueLabel: CurrentValueLabel?

  public init(@ViewBuilder label: () -> Label) where CurrentValueLabel == EmptyView {
    self.label = label()
    currentValueLabel = nil
  }

  public init<V: BinaryFloatingPoint>(
    value: V?, total: V = 1.0, @ViewBuilder label: () -> Label,
    @ViewBuilder currentValueLabel: () -> CurrentValueLabel
  ) {
    self.label = label()
    self.currentValueLabel = currentValueLabel()
  }

  public typealias Body = Never

  var recordings: [Recording] {
    [Recording("ProgressView", record(label) + (currentValueLabel.map { record($0) } ?? []))]
  }
}

/// https://developer.apple.com/documentation/swiftui/sharelink
public struct ShareLink<Label: View>: View, Recorded {
  let label: Label

  public init(item: String, @ViewBuilder label: () -> Label) { self.label = label() }

  public typealias Body = Never

  var recordings: [Recording] { [Recording("ShareLink", record(label))] }
}

/// https://developer.apple.com/documentation/swiftui/pastebutton
public struct PasteButton: View, Recorded {
  let action: ([String]) -> Void

  public init(payloadType: String.Type, onPaste: @escaping ([String]) -> Void) {
    action = onPaste
  }

  public typealias Body = Never

  /// The system gives it its label.
  var recordings: [Recording] {
    var made = Recording("PasteButton")
    made.verbatim = "Paste"
    made.paste = action
    return [made]
  }
}

/// https://developer.apple.com/documentation/swiftui/color
public struct Color: Sendable {
  public let name: String

  public init(_ name: String, bundle: Bundle? = nil) { self.name = name }

  init(system name: String) { self.name = name }

  public static let secondary = Color(system: "secondary")
}
