/// The largest code point.
let lastCodePoint = 0x10FFFF

/// A number for each code point, 0 unless it was set. Pages of equal numbers are held once.
struct CodePointMap: Sendable {
  private var places = [Int](repeating: 0, count: numPages)
  private var numbers = [Int32](repeating: 0, count: pageSize)

  private static let pageBits = 8
  private static let pageSize = 1 << pageBits
  private static let numPages = (lastCodePoint + 1) >> pageBits

  subscript(point: UInt32) -> Int32 {
    numbers[places[Int(point) >> Self.pageBits] + Int(point) & (Self.pageSize - 1)]
  }

  /// Makes the map that a builder was filled with.
  init(_ builder: Builder) {
    var known = [[Int32](repeating: 0, count: Self.pageSize): 0]
    for (index, page) in builder.pages {
      if let place = known[page] {
        places[index] = place
      } else {
        known[page] = numbers.count
        places[index] = numbers.count
        numbers += page
      }
    }
  }

  struct Builder {
    fileprivate var pages: [Int: [Int32]] = [:]

    /// Sets bits of every code point of a range.
    mutating func set(_ bits: Int32, in points: ClosedRange<Int>) {
      for point in points {
        let empty = [Int32](repeating: 0, count: pageSize)
        pages[point >> pageBits, default: empty][point & (pageSize - 1)] |= bits
      }
    }
  }
}
