import Foundation

/// What a view's body holds, as tests look at it; SwiftUI has nothing of the kind.
public struct Recording {
  /// The type of the view, as in `Button`.
  public var kind: String
  /// The key of a text in the catalog.
  public var key: String?
  /// A text that is shown as it is.
  public var verbatim: String?
  /// Whether the catalog that the key is looked up in was named.
  public var hasBundle = true
  public var symbol: String?
  public var modifiers: [String] = []
  public var accessibilityLabel: String?
  public var isDisabled = false
  public var children: [Recording] = []
  public var action: (@MainActor () -> Void)?
  /// Is told what was pasted.
  public var paste: (([String]) -> Void)?
  /// Is told which file was chosen.
  public var importFile: ((Result<URL, any Error>) -> Void)?
  /// Called where a field is left by the keyboard's own button.
  public var submit: (() -> Void)?
  /// Told that values changed into those that they have.
  public var changes: [@MainActor () -> Void] = []
  /// Where a reader was scrolled to, and by whom.
  public var scrolled: ScrolledTo?
  /// Chooses the place of a picker that has this tag.
  public var choose: (@MainActor (Any) -> Void)?

  init(_ kind: String, _ children: [Recording] = []) {
    self.kind = kind
    self.children = children
  }

  /// This and all inside.
  public var all: [Recording] { [self] + children.flatMap(\.all) }

  /// All that can be read in this, keys and texts.
  public var words: [String] { all.compactMap { $0.key ?? $0.verbatim } }
}

/// Returns what a view's body holds.
@MainActor
public func record(_ view: some View) -> [Recording] {
  if let own = view as? any Recorded { return own.recordings }
  if view is EmptyView { return [] }
  return record(view.body)
}

/// A view of SwiftUI itself.
@MainActor
protocol Recorded {
  var recordings: [Recording] { get }
}

extension View {
  @MainActor
  func changed(_ change: (inout Recording) -> Void) -> Changed {
    var made = record(self)
    for place in made.indices { change(&made[place]) }
    return Changed(recordings: made)
  }

  @MainActor
  func noting(_ modifier: String) -> Changed { changed { $0.modifiers.append(modifier) } }
}

public struct Changed: View, Recorded {
  let recordings: [Recording]

  public typealias Body = Never
}
