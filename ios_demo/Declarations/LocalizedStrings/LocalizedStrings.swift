// What the package and the app use of Foundation's localized strings, which Foundation on Linux does not have.

import Foundation

/// https://developer.apple.com/documentation/swift/string/localizationvalue
extension String {
  public struct LocalizationValue: Equatable, Sendable, ExpressibleByStringInterpolation {
    /// As it stands in the catalog, with `%@` in place of values.
    public let key: String

    public init(stringLiteral value: String) { key = value }
    public init(stringInterpolation: StringInterpolation) { key = stringInterpolation.key }

    public struct StringInterpolation: StringInterpolationProtocol {
      var key = ""

      public init(literalCapacity: Int, interpolationCount: Int) {}

      public mutating func appendLiteral(_ literal: String) {
        key += literal.replacingOccurrences(of: "%", with: "%%")
      }
      public mutating func appendInterpolation(_ value: String) { key += "%@" }
    }
  }

  /// https://developer.apple.com/documentation/swift/string/init(localized:)
  public init(localized resource: LocalizedStringResource) { self = resource.key }
}

/// https://developer.apple.com/documentation/foundation/localizedstringresource
public struct LocalizedStringResource: Equatable, Sendable, ExpressibleByStringLiteral {
  public enum BundleDescription: Equatable, Sendable {
    case main
    case atURL(URL)
  }

  public let key: String
  public let bundle: BundleDescription

  public init(stringLiteral value: String) {
    key = value
    bundle = .main
  }

  public init(
    _ keyAndValue: String.LocalizationValue, table: String? = nil, locale: Locale = .current,
    bundle: BundleDescription = .main, comment: StaticString? = nil
  ) {
    key = keyAndValue.key
    self.bundle = bundle
  }
}

/// https://developer.apple.com/documentation/foundation/customlocalizedstringresourceconvertible
public protocol CustomLocalizedStringResourceConvertible {
  var localizedStringResource: LocalizedStringResource { get }
}
