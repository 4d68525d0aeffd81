import Foundation

/// What Python wrote: the files that the Android demo's tests read, too, or those of a folder that the environment names.
///
/// It holds `bundle`, `public-key.bin`, `vectors` and `artifact-logits.json`.
public let fixtureFolder: URL =
  ProcessInfo.processInfo.environment["POCKETBERT_FIXTURE"].map { URL(fileURLWithPath: $0) }
  ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "../../../android_demo/core/src/test/resources"
  ).standardizedFileURL

/// A value that one at a time reads or changes. (`Mutex` wants iOS 18.)
public final class Locked<Value>: @unchecked Sendable {  // the lock is held whenever the value is touched
  private let lock = NSLock()
  private var value: Value

  public init(_ value: Value) { self.value = value }

  public func withLock<T>(_ body: (inout Value) throws -> T) rethrows -> T {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}

/// A folder that is there as long as this is.
public final class Temporary: Sendable {
  public let folder: URL

  public init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Copies the bundle, to be damaged.
  public func copyBundle() throws -> URL {
    let copy = folder.appendingPathComponent("bundle")
    try FileManager.default.copyItem(at: fixtureFolder.appendingPathComponent("bundle"), to: copy)
    return copy
  }
}
