/// Everything about a bundle but the bytes of its files; `manifest.schema.json` describes it.
public struct Manifest: Sendable {
  public var schemaVersion: String
  /// Tells one manifest from every other.
  public var sha256: String
  public var pocketbertVersion: String
  public var student: Student
  public var tokenizer: TokenizerSettings
  public var task: TaskDescription
  public var artifacts: [Artifact]
  public var taskLibrary: Artifact?
  public var thresholds: [ExactString: [ExactString: Double]]
  public var verdicts: [Verdict]
  public var versions: [ExactString: String]
  public var licences: [ExactString: String]
  public var platforms: [ExactString: [String]]
  public var files: [ExactString: String]
}

/// The student that the artifacts were made from.
public struct Student: Hashable, Sendable {
  public var name: String
  public var architecture: String
  public var weightsSHA256: String
  public var licence: String
}

/// How text becomes ids: BERT's WordPiece, its settings, and its files inside the bundle.
public struct TokenizerSettings: Hashable, Sendable {
  public enum Kind: String, Sendable {
    case wordpiece
  }

  public var kind: Kind
  public var cleanText: Bool
  public var handleChineseChars: Bool
  public var stripAccents: Bool
  public var lowercase: Bool
  public var continuingSubwordPrefix: String
  public var maxInputCharsPerWord: Int
  public var specialTokens: [ExactString: Int]
  public var addedTokens: [ExactString: Int]
  /// What is a token wherever a normalized text holds it, itself normalized.
  public var normalizedAddedTokens: [ExactString: Int] = [:]
  public var numPieces: Int
  /// Of the context and its `[SEP]`: 1, or 0 where the student was trained without types.
  public var secondTokenType = 1
  public var vocabulary: String
  public var unicodeTables: String
}

/// What the student answers, and by which rules.
public struct TaskDescription: Hashable, Sendable {
  /// Such as `question-answering`.
  public var name: String
  /// Which there are, and their bounds, the task says.
  public var rules: [ExactString: TaskValue]
  /// Of a classifier, by their place in its output.
  public var labels: [String]
}

/// One artifact. At `seqLens[i]`, call `entryPoints[i]`; shapes are `(1, seqLen)`.
public struct Artifact: Hashable, Sendable {
  public var backend: String
  public var precision: String
  public var path: String
  public var sizeBytes: Int
  public var seqLens: [Int]
  public var entryPoints: [String]
  /// The least versions that run it, by runtime or system.
  public var requires: [ExactString: String]
  public var inputs: [TensorDescription]
  public var outputs: [TensorDescription]
  public var activations: String
  /// What Core ML may use; nothing for other backends.
  public var computeUnits: String?

  /// Returns whether a file of the bundle is the artifact, or inside of it.
  func holds(_ file: String) -> Bool {
    file.isExactly(path) || file.utf8.starts(with: "\(path)/".utf8)
  }
}

/// An input or output: its role, and the name or position that the artifact knows it by.
public struct TensorDescription: Hashable, Sendable {
  public var name: String
  public var artifactName: String
  public var dtype: String
}

/// What the parity check said of one artifact in one runtime at one length.
public struct Verdict: Hashable, Sendable {
  public var backend: String
  public var runtime: String
  public var seqLen: Int
  public var verdict: String
  public var reason: String
}
