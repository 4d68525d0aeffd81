/// The test of a bundle on the device that it is on, with what its `vectors.json` holds.
///
/// First the tokenizer, the windows and the decoder, which need no engine; then each engine. So a failure says where to
/// look.
public struct SelfTest: Sendable {
  private let vectors: Vectors
  private let reading: ReadingTest
  private let task: QuestionAnswering

  /// - Throws: `damagedBundle` where that file cannot be read.
  public init(_ bundle: ModelBundle) throws(PocketBERTError) {
    try self.init(bundle, tokenizer: bundle.tokenizer)
  }

  init(_ bundle: ModelBundle, tokenizer: any Tokenizer) throws(PocketBERTError) {
    let manifest = bundle.manifest
    vectors = try bundle.readVectors()
    task = QuestionAnswering(manifest, tokenizer: tokenizer)
    reading = ReadingTest(
      vectors: vectors, tokenizer: tokenizer,
      cutter: WindowCutter(manifest.spanRules, manifest.tokenizer),
      rules: manifest.spanRules)
  }

  /// Returns in words what the tokenizer, the windows or the decoder make otherwise.
  public func checkReading() -> [String] { reading.problems() }

  /// Asks an engine all questions. Cancelling the task ends it before the next window.
  ///
  /// - Parameter onWindow: Is told before each window how many there were.
  /// - Throws: `PocketBERTError.engineFailed` where the engine failed, `PocketBERTError.damagedBundle` where nothing is
  ///   known of the engine's artifact, or `CancellationError`.
  public func check(
    _ engine: any Engine, onWindow: @Sendable (Int) -> Void = { _ in }
  ) async throws -> EngineResult {
    let path = engine.artifact.path
    guard let tolerance = vectors.tolerances[ExactString(path)] else {
      throw PocketBERTError.damagedBundle(
        path: vectorsFile, "\(vectorsFile) has no tolerance for \(path)")
    }
    var result = EngineResult(tolerance: tolerance)
    var numWindows = 0
    for vector in vectors.questions {
      var difference = 0.0
      var place = 0
      let windows = reading.windows(of: vector)
      let answer = try await task.answer(in: vector.context, windows) { window in
        onWindow(numWindows)
        numWindows += 1
        let logits = try await engine.outputs(of: window.row, roles: QuestionAnswering.roles)
        let stated = place < vector.windows.count ? vector.windows[place] : nil
        place += 1
        difference = max(difference, largestDifference(logits, stated))
        return logits
      }
      result.note(
        vector, answer, difference: difference, isJudged: !vector.otherAnswerIn.contains(where: path.isExactly))
    }
    return result
  }
}

/// What became of one engine.
public struct EngineResult: Hashable, Sendable {
  /// The largest difference of a logit from the student's; infinite where one is no number.
  public internal(set) var maxAbsDiff = 0.0
  /// Of that difference.
  public let tolerance: Double
  /// Questions with the student's answer.
  public internal(set) var numSame = 0
  /// Questions that are to have the student's answer.
  public internal(set) var numAsked = 0
  /// In words, what is wrong; empty is good.
  public internal(set) var problems: [String] = []

  init(tolerance: Double) {
    self.tolerance = tolerance
  }

  fileprivate mutating func note(
    _ vector: QuestionVector, _ answer: Answer?, difference: Double, isJudged: Bool
  ) {
    maxAbsDiff = max(maxAbsDiff, difference)
    if !(difference <= tolerance) {
      problems.append(
        "logits of “\(vector.question)” differ by \(difference), the tolerance is \(tolerance)")
    }
    guard isJudged else { return }
    numAsked += 1
    if answer?.isSpan(of: vector) == true {
      numSame += 1
    } else {
      problems.append(
        "it answers “\(vector.question)” with “\(answer?.text ?? "")”, expected “\(vector.answer.text)”")
    }
  }
}

/// Returns the largest difference of logits from those of a vector; infinite where one is no number.
private func largestDifference(_ logits: [[Float]], _ stated: WindowVector?) -> Double {
  guard let stated else { return .infinity }  // the tokenizer cuts other windows
  var worst = 0.0
  for (found, stated) in zip(logits, [stated.startLogits, stated.endLogits]) {
    for (place, logit) in stated.enumerated() {
      guard let logit else { continue }
      let difference = place < found.count ? abs(Double(found[place]) - logit) : .infinity
      worst = difference.isNaN ? .infinity : max(worst, difference)
    }
  }
  return worst
}
