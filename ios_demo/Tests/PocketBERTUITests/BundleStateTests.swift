import Foundation
import Support
import Testing

@testable import PocketBERT
@testable import PocketBERTUI

/// What the screens are told of the bundle.
@MainActor
@Suite(.timeLimit(.minutes(10)))
struct BundleStateTests {
  @Test("every way in which a bundle is bad has a state of its own, and may be tried again")
  func badBundle() async throws {
    for (error, kind): (any Error, Problem.Kind) in [
      (PocketBERTError.noBundle("x"), .noBundle), (PocketBERTError.newerBundle("x"), .newerBundle),
      (PocketBERTError.damagedBundle(path: "a/b", "x"), .damagedBundle(path: "a/b")),
      (PocketBERTError.untrustedBundle("x"), .untrustedBundle), (CocoaError(.fileReadNoPermission), .unexpected),
      (PocketBERTError.unsupportedArtifact("nothing for ios"), .unexpected),
    ] {
      let isMended = Locked(false)
      let made = DemoFixture {
        if isMended.withLock({ $0 }) { return try Bundles.opened.get() }
        throw error
      }
      await made.demo.settle()
      guard case .failed(let problem) = made.demo.state.bundle else {
        Issue.record("\(error) is \(made.demo.state.bundle)")
        continue
      }
      #expect(problem.kind == kind && !problem.details.isEmpty)
      made.demo.ask()
      made.demo.text = "of no use"
      made.demo.runSelfTest()
      #expect(made.demo.state.answer == .idle && made.demo.state.selfTest == .notRun)
      isMended.withLock { $0 = true }
      made.demo.retry()
      #expect(made.demo.state.bundle == .loading)
      await made.demo.settle()
      guard case .ready = made.demo.state.bundle else {
        Issue.record("\(made.demo.state.bundle)")
        continue
      }
    }
  }

  @Test("a damaged bundle is told by what its opening says")
  func damagedBundle() async throws {
    let temporary = try Temporary()
    let folder = try temporary.copyBundle()
    try Data("other".utf8).write(to: folder.appendingPathComponent("executorch/model.pte"))
    let made = DemoFixture { try ModelBundle(at: folder) }
    await made.demo.settle()
    guard case .failed(let problem) = made.demo.state.bundle else {
      Issue.record("it opens")
      return
    }
    #expect(problem.kind == .damagedBundle(path: "executorch/model.pte"))
  }
}
