import Foundation
import PocketBERT

/// What does not work, as a screen tells it.
public struct Problem: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case noBundle
    case damagedBundle(path: String)
    case newerBundle
    case untrustedBundle
    case unreadableText(TextPart, UnreadableReason)
    case engineFailed(EngineStage, engine: String)
    case unexpected
  }

  /// Where an engine failed.
  public enum EngineStage: Hashable, Sendable, CaseIterable {
    case checkingVersion
    case loading
    case running
  }

  public var kind: Kind
  /// What the one who reports it copies; nobody need understand it.
  public var details: String

  /// Tells what does not work with the bundle.
  static func ofBundle(_ error: any Error) -> Problem {
    let kind: Kind =
      switch error as? PocketBERTError {
      case .noBundle: .noBundle
      case .damagedBundle(let path, _): .damagedBundle(path: path)
      case .newerBundle: .newerBundle
      case .untrustedBundle: .untrustedBundle
      default: .unexpected
      }
    return Problem(kind: kind, details: details(of: error))
  }

  /// Tells why an engine gave nothing; the engine is called by its label.
  static func ofEngine(_ error: any Error, _ engine: String, isOpening: Bool) -> Problem {
    let kind: Kind =
      switch error as? PocketBERTError {
      case .unreadableText(let part, let reason, _): .unreadableText(part, reason)
      case .damagedBundle(let path, _): .damagedBundle(path: path)
      case .unsupportedArtifact: .engineFailed(.checkingVersion, engine: engine)
      default: .engineFailed(isOpening ? .loading : .running, engine: engine)
      }
    return Problem(kind: kind, details: details(of: error))
  }

  private static func details(of error: any Error) -> String {
    (error as? PocketBERTError)?.message ?? String(describing: error)
  }

  /// Whether another engine may do better.
  public var isOfEngine: Bool {
    if case .engineFailed = kind { true } else { false }
  }
}
