/// https://developer.apple.com/documentation/accessibility/accessibilitynotification
public enum AccessibilityNotification {
  /// https://developer.apple.com/documentation/accessibility/accessibilitynotification/announcement
  public struct Announcement: Sendable {
    private let announcement: String

    public init(_ announcement: String) { self.announcement = announcement }

    public func post() { Announced.current(announcement) }
  }
}

/// Hears what is announced, as a test wants it; Accessibility has nothing of the kind.
public enum Announced {
  @TaskLocal public static var current: @Sendable (String) -> Void = { _ in }
}
