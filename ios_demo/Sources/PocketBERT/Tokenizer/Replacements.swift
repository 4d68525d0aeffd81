/// What some characters become; every other stays as it is.
struct Replacements: Sendable {
  private let places: CodePointMap
  private let made: [UInt32]

  /// - Parameter rows: A character and what it becomes, in ascending order.
  init(_ rows: [[Int]]) {
    var places = CodePointMap.Builder()
    var made: [UInt32] = []
    for row in rows {
      places.set(Int32(made.count + 1), in: row[0]...row[0])
      made.append(UInt32(row.count - 1))
      made += row.dropFirst().map(UInt32.init)
    }
    self.places = CodePointMap(places)
    self.made = made
  }

  /// Calls an action with each character that one becomes, and whether it is the first of them.
  @inline(__always)
  func forEach(of point: UInt32, _ action: (_ made: UInt32, _ isFirst: Bool) -> Void) {
    let place = Int(places[point])
    if place == 0 { return action(point, true) }
    for index in 0..<Int(made[place - 1]) { action(made[place + index], index == 0) }
  }
}
