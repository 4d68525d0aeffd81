/// Rule 4: canonical decomposition in canonical order.
///
/// Sources are given by place: each first character of a decomposition takes the next source that came in, each further
/// one that of its neighbour. All that came before a run of marks is passed on when it begins, so the sources of its own
/// firsts are all that must be kept.
struct Decomposer {
  private struct Mark {
    let point: UInt32
    let rank: Int32
    let isFirst: Bool
    let index: Int
  }

  var next: WordSplitter
  private let tables: UnicodeTables
  private var run: [Mark] = []
  private var runSources: [Int32] = []
  private var lastSource: Int32?

  // The Unicode Standard, section 3.12.
  private static let syllables: ClosedRange<UInt32> = 0xAC00...0xD7A3
  private static let firstLead: UInt32 = 0x1100
  private static let firstVowel: UInt32 = 0x1161
  private static let firstTrail: UInt32 = 0x11A7
  private static let numVowels: UInt32 = 21
  private static let numTrails: UInt32 = 28

  init(_ tables: UnicodeTables, next: WordSplitter) {
    self.tables = tables
    self.next = next
  }

  mutating func add(_ point: UInt32, _ source: Int32) {
    guard Self.syllables.contains(point) else {
      tables.decompositions.forEach(of: point) { made, isFirst in
        put(made, source, isFirst: isFirst)
      }
      return
    }
    let syllable = point - Self.syllables.lowerBound
    let trail = syllable % Self.numTrails
    put(Self.firstLead + syllable / (Self.numVowels * Self.numTrails), source, isFirst: true)
    put(Self.firstVowel + syllable / Self.numTrails % Self.numVowels, source, isFirst: false)
    if trail > 0 { put(Self.firstTrail + trail, source, isFirst: false) }
  }

  /// Says that a stretch of text ends.
  mutating func finish() {
    passRun()
    lastSource = nil
  }

  private mutating func put(_ point: UInt32, _ source: Int32, isFirst: Bool) {
    let rank = tables.combiningClass(of: point)
    if rank == 0 {
      if !run.isEmpty { passRun() }
      if isFirst { lastSource = source }
      next.addDecomposed(point, lastSource ?? source)
      return
    }
    if isFirst { runSources.append(source) }
    run.append(Mark(point: point, rank: rank, isFirst: isFirst, index: run.count))
  }

  private mutating func passRun() {
    if run.count > 1 { run.sort { ($0.rank, $0.index) < ($1.rank, $1.index) } }
    var numTaken = 0
    for mark in run {
      if mark.isFirst {
        lastSource = runSources[numTaken]
        numTaken += 1
      }
      // Where nothing stands before a further one, it takes the first source.
      let source = lastSource ?? runSources[0]
      lastSource = source
      next.addDecomposed(mark.point, source)
    }
    run.removeAll(keepingCapacity: true)
    runSources.removeAll(keepingCapacity: true)
  }
}
