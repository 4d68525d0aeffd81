import Foundation

/// Calls an action as often as the system asks for memory.
@MainActor
final class MemoryWarnings {
  private let observer: any NSObjectProtocol

  init(_ action: @escaping @MainActor @Sendable () -> Void) {
    // UIKit's constant of this name is not there on a Mac, which sends no such notification.
    let name = Notification.Name("UIApplicationDidReceiveMemoryWarningNotification")
    observer = NotificationCenter.default.addObserver(forName: name, object: nil, queue: nil) { _ in
      Task { @MainActor in action() }
    }
  }
}
