import Foundation

/// What a person is told where something does not work; each kind has a state on the screen.
public enum PocketBERTError: Error, Hashable, Sendable {
  /// There is no bundle where one should be.
  case noBundle(String)
  /// A file of the bundle is absent, or is not what the manifest says.
  case damagedBundle(path: String, String)
  /// The bundle was made for a newer app.
  case newerBundle(String)
  /// The bundle is not signed by the key that this app knows, or not at all.
  case untrustedBundle(String)
  /// An artifact wants a newer runtime or system than there is, or the bundle has none for an engine.
  case unsupportedArtifact(String)
  /// One of the texts cannot be read.
  case unreadableText(TextPart, UnreadableReason, String)
  /// A model cannot be loaded, or failed while it ran.
  case engineFailed(String)

  /// What is wrong, in words for the one who reports it.
  public var message: String {
    switch self {
    case .noBundle(let message), .damagedBundle(_, let message), .newerBundle(let message),
      .untrustedBundle(let message), .unsupportedArtifact(let message),
      .unreadableText(_, _, let message), .engineFailed(let message):
      message
    }
  }
}

extension PocketBERTError: CustomStringConvertible {
  /// What is wrong, in words.
  public var description: String { message }
}

extension PocketBERTError: LocalizedError {
  /// The same, as `localizedDescription` gives it.
  public var errorDescription: String? { message }
}

/// One of the texts that a task reads; the file of the task names its own.
public struct TextPart: Hashable, Sendable {
  /// As the examples of a bundle call it, such as `context`.
  public let name: String
  /// As messages call it, such as “text”.
  public let words: String
}

/// Why a text cannot be read.
public enum UnreadableReason: Hashable, Sendable, CaseIterable {
  /// It holds no token.
  case empty
  /// It has more characters than the manifest allows.
  case tooLong
  /// Too many of its words are not in the vocabulary.
  case unknownScript
  /// It is no valid Unicode, as a file may be; a Swift string always is.
  case noUnicode
}

/// Content of a file that cannot be what it should be; the reader of the file adds its path.
struct Damage: Error {
  let message: String

  init(_ message: String) {
    self.message = message
  }
}

/// Runs what reads the content of a file, and says which file is damaged where it is.
func reading<T>(_ path: String, _ read: () throws(Damage) -> T) throws(PocketBERTError) -> T {
  do {
    return try read()
  } catch {
    throw .damagedBundle(path: path, "\(path) is damaged: \(error.message)")
  }
}
