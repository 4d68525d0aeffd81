// What the package uses of Core ML, for Linux, which has no Core ML: so that it compiles, and so that tests say what a
// model does. https://developer.apple.com/documentation/coreml

import Foundation

/// https://developer.apple.com/documentation/coreml/mlcomputeunits
public enum MLComputeUnits: Int, Sendable {
  case cpuOnly = 0
  case cpuAndGPU = 1
  case all = 2
  case cpuAndNeuralEngine = 3
}

/// https://developer.apple.com/documentation/coreml/mlmodelconfiguration
public class MLModelConfiguration: NSObject {
  public var computeUnits: MLComputeUnits = .all

  @available(iOS 18.0, macOS 15.0, *)
  public var functionName: String? {
    get { function }
    set { function = newValue }
  }

  private var function: String?
}

/// https://developer.apple.com/documentation/coreml/mlfeatureprovider
public protocol MLFeatureProvider {
  var featureNames: Set<String> { get }

  func featureValue(for featureName: String) -> MLFeatureValue?
}

/// https://developer.apple.com/documentation/coreml/mlfeaturevalue
public class MLFeatureValue: NSObject {
  public let multiArrayValue: MLMultiArray?

  public init(multiArray value: MLMultiArray) {
    multiArrayValue = value
  }
}

/// https://developer.apple.com/documentation/coreml/mldictionaryfeatureprovider
public class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
  private let values: [String: MLFeatureValue]

  public init(dictionary: [String: Any]) throws {
    values = dictionary.compactMapValues { $0 as? MLFeatureValue }
  }

  public var featureNames: Set<String> { Set(values.keys) }

  public func featureValue(for featureName: String) -> MLFeatureValue? { values[featureName] }
}

/// https://developer.apple.com/documentation/coreml/mlmultiarraydatatype
public enum MLMultiArrayDataType: Int, Sendable {
  case float32 = 65568
  case int32 = 131_104
}

/// https://developer.apple.com/documentation/coreml/mlmultiarray
public class MLMultiArray: NSObject {
  public let shape: [NSNumber]
  public let dataType: MLMultiArrayDataType
  public let count: Int
  fileprivate let memory: UnsafeMutableRawBufferPointer

  public init(shape: [NSNumber], dataType: MLMultiArrayDataType) throws {
    self.shape = shape
    self.dataType = dataType
    count = shape.reduce(1) { $0 * $1.intValue }
    memory = .allocate(byteCount: 4 * count, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { memory.deallocate() }

  public func withUnsafeMutableBytes<R>(
    _ body: (UnsafeMutableRawBufferPointer, _ strides: [Int]) throws -> R
  ) rethrows -> R {
    try body(memory, [count, 1])
  }
}

/// https://developer.apple.com/documentation/coreml/mlshapedarrayscalar
public protocol MLShapedArrayScalar {}

extension Float: MLShapedArrayScalar {}
extension Int32: MLShapedArrayScalar {}

/// https://developer.apple.com/documentation/coreml/mlshapedarray
public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
  public let scalars: [Scalar]

  public init(converting multiArray: MLMultiArray) {
    scalars = Array(multiArray.memory.bindMemory(to: Scalar.self))
  }
}

/// https://developer.apple.com/documentation/coreml/mlmodel
public class MLModel: NSObject {
  private let run: (any MLFeatureProvider) throws -> any MLFeatureProvider

  public init(contentsOf url: URL, configuration: MLModelConfiguration) throws {
    run = try CoreMLScript.current.load(url, configuration)
  }

  public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider {
    try run(input)
  }

  public class func compileModel(at modelURL: URL) async throws -> URL {
    try await CoreMLScript.current.compile(modelURL)
  }
}

/// What the stand-in does, as a test wants it; Core ML has nothing of the kind.
public struct CoreMLScript: Sendable {
  public var compile: @Sendable (URL) async throws -> URL
  public var load:
    @Sendable (URL, MLModelConfiguration) throws -> (any MLFeatureProvider) throws -> any MLFeatureProvider

  @TaskLocal public static var current = CoreMLScript { _ in
    throw CocoaError(.featureUnsupported)
  } load: { _, _ in
    throw CocoaError(.featureUnsupported)
  }

  public init(
    compile: @escaping @Sendable (URL) async throws -> URL,
    load: @escaping @Sendable (URL, MLModelConfiguration) throws -> (any MLFeatureProvider) throws ->
      any MLFeatureProvider
  ) {
    self.compile = compile
    self.load = load
  }
}
