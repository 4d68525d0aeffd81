import Foundation
import PocketBERT

/// What a person has chosen for good, which the app remembers.
public struct Choices {
  private let defaults: UserDefaults

  private static let computeUnitsKey = "compute_units"

  /// - Parameter defaults: Where it is kept.
  public init(_ defaults: UserDefaults = .standard) {
    self.defaults = defaults
  }

  /// What Core ML may run the model on; nil leaves it to the manifest.
  public var computeUnits: ComputeUnits? {
    get { defaults.string(forKey: Self.computeUnitsKey).flatMap(ComputeUnits.init) }
    nonmutating set { defaults.set(newValue?.rawValue, forKey: Self.computeUnitsKey) }
  }
}
