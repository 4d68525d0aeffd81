import PocketBERT

/// All that the screens show.
public struct DemoState: Equatable, Sendable {
  public var sheet: Sheet?
  public var bundle = BundleState.loading
  public var engines: [EngineChoice]
  public var input: Input
  /// What Core ML may run the model on; nil leaves it to the manifest.
  public var computeUnits: ComputeUnits?
  public var answer = AnswerState.idle
  public var selfTest = SelfTestState.notRun
}

/// What may lie over the screen with the text.
public enum Sheet: Hashable, Sendable, Identifiable {
  case edit
  case selfTest
  case settings
  case about

  public var id: Self { self }
}

/// One place of the engine switch.
public struct EngineChoice: Hashable, Sendable {
  public var backend: String
  public var label: String
}

/// What became of the model bundle.
public enum BundleState: Equatable, Sendable {
  case loading
  case failed(Problem)
  case ready(ModelFacts)
}

/// What became of the question. It belongs to the text, question and engine that the state has.
public enum AnswerState: Equatable, Sendable {
  case idle
  /// A file is read, whose text takes the place of the one before.
  case opening
  /// The system makes the model ready for this very phone, once.
  case preparing
  case answering
  /// Milliseconds from the texts to the answer; the engine was opened before.
  case answered(Answer, milliseconds: Double)
  /// The same of a model that classifies.
  case classified(Classification, milliseconds: Double)
  case failed(Problem)

  /// Whether it may be stopped.
  public var isRunning: Bool { self == .opening || self == .preparing || self == .answering }
}

/// How far the test on this device has come.
public enum SelfTestState: Equatable, Sendable {
  case notRun
  case running([SelfTestStep])
  case done([SelfTestStep])

  /// Whether the test found nothing wrong; nil where it has not ended.
  public var hasPassed: Bool? {
    guard case .done(let steps) = self else { return nil }
    return steps.allSatisfy { $0.progress.hasPassed == true }
  }

  /// Those that there are so far.
  public var steps: [SelfTestStep] {
    switch self {
    case .notRun: []
    case .running(let steps), .done(let steps): steps
    }
  }
}

/// One step of the test.
public struct SelfTestStep: Equatable, Sendable {
  /// That the step is about; nil is the reading of texts, which needs no engine.
  public var engine: EngineChoice?
  public var progress = StepProgress.waiting
}

/// What became of one step of the test.
public enum StepProgress: Equatable, Sendable {
  case waiting
  case preparing
  case running(numRows: Int)
  case read(problems: [String])
  case asked(EngineResult)
  case failed(Problem)

  /// Whether a step that has ended found nothing wrong; nil where it has not.
  public var hasPassed: Bool? {
    switch self {
    case .waiting, .preparing, .running: nil
    case .read(let problems): problems.isEmpty
    case .asked(let result): result.problems.isEmpty
    case .failed: false
    }
  }
}

/// What the screens tell of a model.
public struct ModelFacts: Equatable, Sendable {
  /// A row of what and its value.
  public struct Row: Hashable, Sendable {
    public var name: String
    public var value: String
  }

  public var student: Student
  /// As the manifest calls it.
  public var task: String
  public var maxTextCharacters: Int
  /// How many texts a classifier takes; nil where the model answers questions.
  public var numClassifiedTexts: Int?
  public var artifacts: [Artifact]
  public var verdicts: [Verdict]
  public var licences: [Row]
  public var versions: [Row]

  init(_ bundle: ModelBundle) {
    let manifest = bundle.manifest
    func rows(_ map: [ExactString: String]) -> [Row] {
      map.map { Row(name: $0.key.string, value: $0.value) }.sorted { $0.name < $1.name }
    }
    student = manifest.student
    task = manifest.task.name
    maxTextCharacters = bundle.maxTextCharacters
    numClassifiedTexts = bundle.numClassifiedTexts
    artifacts = manifest.artifacts
    verdicts = manifest.verdicts
    licences = rows(manifest.licences)
    versions = rows(manifest.versions)
  }
}
