/// The test of a bundle on the device that it is on, with what its `vectors.json` holds, whatever its task is.
///
/// First the tokenizer, the rows and the decoder, which need no engine; then each engine. So a failure says where to
/// look.
public struct SelfTest: Sendable {
  private let reading: ReadingTest

  /// - Throws: `damagedBundle` where that file cannot be read.
  public init(_ bundle: ModelBundle) throws(PocketBERTError) {
    try self.init(bundle, tokenizer: bundle.tokenizer)
  }

  init(_ bundle: ModelBundle, tokenizer: any Tokenizer) throws(PocketBERTError) {
    reading = ReadingTest(vectors: try bundle.readVectors(), tokenizer: tokenizer, task: bundle.task)
  }

  /// Returns in words what the tokenizer, the rows or the decoder make otherwise.
  public func checkReading() -> [String] { reading.problems() }

  /// Gives an engine all examples. Cancelling the task ends it before the next row.
  ///
  /// - Parameter onRow: Is told before each row how many there were.
  /// - Throws: `PocketBERTError.engineFailed` where the engine failed, `PocketBERTError.damagedBundle` where nothing is
  ///   known of the engine's artifact, or `CancellationError`.
  public func check(
    _ engine: any Engine, onRow: @Sendable (Int) -> Void = { _ in }
  ) async throws -> EngineResult {
    let path = engine.artifact.path
    guard let tolerance = reading.vectors.tolerances[ExactString(path)] else {
      throw PocketBERTError.damagedBundle(
        path: vectorsFile, "\(vectorsFile) has no tolerance for \(path)")
    }
    var result = EngineResult(tolerance: tolerance)
    var numRows = 0
    for vector in reading.vectors.examples {
      guard var example = try? reading.example(of: vector) else {
        result.note("“\(vector.name)” cannot be read")
        continue
      }
      var difference = 0.0
      for (place, row) in example.rows.enumerated() {
        try Task.checkCancellation()
        onRow(numRows)
        numRows += 1
        let outputs = try await engine.outputs(of: row, for: reading.task)
        let stated = place < vector.rows.count ? vector.rows[place] : nil
        difference = max(difference, largestDifference(outputs, stated))
        example.add(outputs, ofRow: place)
      }
      result.note(vector, difference: difference)
      if !vector.otherAnswerIn.contains(where: path.isExactly) {
        let answer = example.fields()
        result.note(vector, answer: answer, isSame: reading.isSame(answer, vector))
      }
    }
    return result
  }
}

/// What became of one engine.
public struct EngineResult: Hashable, Sendable {
  /// The largest difference of an output from the student's; infinite where one is no number.
  public internal(set) var maxAbsDiff = 0.0
  /// Of that difference.
  public let tolerance: Double
  /// Examples with the student's answer.
  public internal(set) var numSame = 0
  /// Examples that are to have the student's answer.
  public internal(set) var numAsked = 0
  /// In words, what is wrong; empty is good.
  public internal(set) var problems: [String] = []

  init(tolerance: Double) {
    self.tolerance = tolerance
  }

  fileprivate mutating func note(_ problem: String) {
    problems.append(problem)
  }

  fileprivate mutating func note(_ vector: ExampleVector, difference: Double) {
    maxAbsDiff = max(maxAbsDiff, difference)
    if !(difference <= tolerance) {
      note("outputs of “\(vector.name)” differ by \(difference), the tolerance is \(tolerance)")
    }
  }

  fileprivate mutating func note(_ vector: ExampleVector, answer: [ExactString: TaskValue]?, isSame: Bool) {
    numAsked += 1
    if isSame {
      numSame += 1
    } else {
      note("it answers “\(vector.name)” with \(inWords(answer ?? [:])), expected \(inWords(vector.answer))")
    }
  }
}

/// Returns the fields of an answer, in the order of their names.
private func inWords(_ answer: [ExactString: TaskValue?]) -> String {
  if answer.isEmpty { return "nothing" }
  let fields = answer.map { ($0.key.string, $0.value?.description ?? "no number") }
  return fields.sorted { $0.0 < $1.0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
}

/// Returns the largest difference of outputs from those of a vector; infinite where one is no number.
private func largestDifference(_ outputs: Outputs, _ row: RowVector?) -> Double {
  guard let row else { return .infinity }  // the tokenizer makes other rows
  var worst = 0.0
  for (name, stated) in row.outputs {
    let found = outputs[name] ?? []
    for (place, number) in stated.enumerated() {
      guard let number else { continue }
      let difference = place < found.count ? abs(Double(found[place]) - number) : .infinity
      worst = difference.isNaN ? .infinity : max(worst, difference)
    }
  }
  return worst
}
