import Foundation
import PocketBERT

/// Verifies a bundle and runs its self test. Exit codes: 0 all is well, 1 a check failed, 2 the call was wrong.
@main
struct Check {
  private let arguments: Arguments
  private let bundle: ModelBundle

  static func main() async {
    do {
      let check = try Check(Arguments(Array(CommandLine.arguments.dropFirst())))
      exit(try await check.run() ? 0 : 1)
    } catch let error as WrongCall {
      say("\(error.message)\n\(Arguments.usage)")
      exit(2)
    } catch let error as PocketBERTError {
      say(error.message)
      if case .noBundle = error { exit(2) }
      exit(1)
    } catch {
      say("\(error)")
      exit(2)
    }
  }

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    let key = try arguments.publicKey.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    bundle = try ModelBundle(at: URL(fileURLWithPath: arguments.bundle), publicKey: key)
  }

  /// Returns whether nothing is wrong.
  func run() async throws -> Bool {
    let test = try SelfTest(bundle)
    let problems = test.checkReading()
    Self.report("reading of texts", problems)
    var isGood = problems.isEmpty
    if let path = arguments.logits {
      for run in try RecordedLogits.read(path).runs where try await !replay(run, test) { isGood = false }
      return isGood
    }
    let known = Set(engines.map(\.backend))
    if let other = arguments.engines.first(where: { !known.contains($0) }) {
      throw WrongCall(message: "no engine \(other) runs here: \(known.sorted().joined(separator: ", "))")
    }
    if engines.isEmpty { Self.say("no engine runs here; give --logits") }
    for factory in engines where arguments.engines.isEmpty || arguments.engines.contains(factory.backend) {
      if try await !check(factory, test) { isGood = false }
    }
    return isGood
  }

  private func check(_ factory: any EngineFactory, _ test: SelfTest) async throws -> Bool {
    do {
      let artifact = try bundle.artifact(for: factory.backend)
      let engine = try await factory.open(artifact, of: bundle) { stage in
        if stage == .preparing { Self.say("\(factory.label): preparing the model for this machine, once") }
      }
      let result = try await test.check(engine)
      await engine.close()
      Self.report(factory.label, result)
      return result.problems.isEmpty
    } catch let error as PocketBERTError {
      Self.report(factory.label, [error.message])
      return false
    }
  }

  /// Answers the questions of a file of logits, and tests with as much of it as the self test asks.
  private func replay(_ run: RecordedLogits.Run, _ test: SelfTest) async throws -> Bool {
    guard let artifact = bundle.manifest.artifacts.first(where: { $0.path == run.artifact }) else {
      throw WrongCall(message: "the bundle has no artifact \(run.artifact)")
    }
    let windows = run.answers.flatMap(\.windows)
    for asked in run.answers {
      var shortened = artifact
      shortened.seqLens = asked.seqLens
      let reader = Reader(bundle, engine: RecordedEngine(shortened, windows))
      let answer = try await reader.ask(asked.question, in: asked.context)
      let line = Line(
        artifact: run.artifact, question: asked.question, text: answer.text, start: answer.range.lowerBound,
        end: answer.range.upperBound, score: answer.score)
      print(String(decoding: try JSONEncoder().encode(line), as: UTF8.self))
    }
    let result = try await test.check(RecordedEngine(artifact, windows))
    Self.report("recorded logits of \(run.artifact)", result)
    return result.problems.isEmpty
  }

  private struct Line: Encodable {
    let artifact: String
    let question: String
    let text: String
    let start: Int
    let end: Int
    let score: Double
  }

  private static func report(_ what: String, _ result: EngineResult) {
    let (difference, tolerance) = (result.maxAbsDiff, result.tolerance)
    report(
      "\(what): largest difference \(difference) of \(tolerance), \(result.numSame) of \(result.numAsked) answers",
      result.problems)
  }

  private static func report(_ what: String, _ problems: [String]) {
    say("\(problems.isEmpty ? "PASS" : "FAIL") \(what)")
    for problem in problems { say("  \(problem)") }
  }

  private static func say(_ text: String) {
    FileHandle.standardError.write(Data("\(text)\n".utf8))
  }
}
