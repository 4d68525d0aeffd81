/// Strings and their ids as a tree of code points, so that the longest that stands at a place is found in one walk, and
/// no part of the text is copied.
///
/// Edges lie in a table of hashes: from a node and a code point to the next node.
struct Trie: Sendable {
  static let root: Int32 = 0
  static let none: Int32 = -1

  private var ids: [Int32] = [none]
  private var keys: [Int64]
  private var nodes: [Int32]

  private static let free: Int64 = -1
  private static let pointBits: Int64 = 21
  /// Fibonacci hashing: 2^64 divided by the golden ratio spreads keys that are close together.
  private static let multiplier: Int64 = -7_046_029_254_386_353_131
  private static let hashShift: UInt64 = 33

  /// - Parameter numCharacters: Of all strings that will be added together, or more.
  init(numCharacters: Int) {
    var numSlots = 4
    while numSlots < 2 * numCharacters { numSlots *= 2 }
    keys = [Int64](repeating: Self.free, count: numSlots)
    nodes = [Int32](repeating: 0, count: numSlots)
  }

  mutating func add(_ points: some Sequence<UInt32>, id: Int) {
    var node = Self.root
    for point in points {
      let slot = slot(node, point)
      if keys[slot] == Self.free {
        keys[slot] = key(node, point)
        nodes[slot] = Int32(ids.count)
        ids.append(Self.none)
      }
      node = nodes[slot]
    }
    ids[Int(node)] = Int32(id)
  }

  /// Returns the node behind an edge, or `none`.
  func next(_ node: Int32, _ point: UInt32) -> Int32 {
    let slot = slot(node, point)
    return keys[slot] == Self.free ? Self.none : nodes[slot]
  }

  /// Returns the node that a string leads to, or `none`.
  func find(_ string: String) -> Int32 {
    var node = Self.root
    for scalar in string.unicodeScalars where node != Self.none { node = next(node, scalar.value) }
    return node
  }

  /// Returns the longest string that stands at a place, and where it ends, or nil.
  func longest(in points: [UInt32], at place: Int) -> (id: Int32, end: Int)? {
    var node = next(Self.root, points[place])
    var at = place
    var found: (id: Int32, end: Int)?
    while node != Self.none {
      at += 1
      if id(at: node) != Self.none { found = (id(at: node), at) }
      node = at < points.count ? next(node, points[at]) : Self.none
    }
    return found
  }

  /// Returns the id of the string that ends at a node, or `none`.
  func id(at node: Int32) -> Int32 { ids[Int(node)] }

  private func slot(_ node: Int32, _ point: UInt32) -> Int {
    let key = key(node, point)
    let mask = keys.count - 1
    var slot = Int(UInt64(bitPattern: key &* Self.multiplier) >> Self.hashShift) & mask
    while keys[slot] != key && keys[slot] != Self.free { slot = (slot + 1) & mask }
    return slot
  }

  private func key(_ node: Int32, _ point: UInt32) -> Int64 {
    Int64(node) << Self.pointBits | Int64(point)
  }
}

extension String {
  /// The string's code points.
  var points: some Sequence<UInt32> { unicodeScalars.lazy.map(\.value) }
}
