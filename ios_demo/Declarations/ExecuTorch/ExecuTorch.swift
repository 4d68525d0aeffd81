// What the package uses of ExecuTorch, for Linux, for which there is no Swift package of it: so that it compiles, and so
// that tests say what a model does.
// https://github.com/pytorch/executorch/tree/v1.4.1/extension/apple/ExecuTorch/Exported

import Foundation

public protocol Scalar {}

extension Float: Scalar {}
extension Int32: Scalar {}
extension Int64: Scalar {}

public protocol ValueConvertible {
  func asValue() -> Value
}

public final class Tensor<T: Scalar>: ValueConvertible {
  private let numbers: [T]

  public init(_ scalars: [T], shape: [Int] = []) {
    numbers = scalars
  }

  public func scalars() -> [T] { numbers }

  public func asValue() -> Value { Value(self) }
}

public class Value: NSObject, ValueConvertible {
  private let content: Any

  public init<T: Scalar>(_ tensor: Tensor<T>) {
    content = tensor
  }

  public func tensor<T: Scalar>() -> Tensor<T>? { content as? Tensor<T> }

  public func asValue() -> Value { self }
}

public enum ModuleLoadMode: Int {
  case file = 0
  case mmap = 1
}

public class Module: NSObject {
  private let path: String

  public init(filePath: String, loadMode: ModuleLoadMode = .file) {
    path = filePath
  }

  public func load(_ method: String) throws {
    try ExecuTorchScript.current.load(path, method)
  }

  public func methodNames() throws -> Set<String> {
    try ExecuTorchScript.current.methods(path)
  }

  public func execute(_ method: String, _ inputs: [ValueConvertible]) throws -> [Value] {
    try ExecuTorchScript.current.execute(method, inputs.map { $0.asValue() })
  }
}

/// What the stand-in does, as a test wants it; ExecuTorch has nothing of the kind.
public struct ExecuTorchScript: Sendable {
  public var methods: @Sendable (String) throws -> Set<String> = { _ in ["forward"] }
  public var load: @Sendable (String, String) throws -> Void = { _, _ in }
  public var execute: @Sendable (String, [Value]) throws -> [Value]

  @TaskLocal public static var current = ExecuTorchScript { _, _ in
    throw CocoaError(.featureUnsupported)
  }

  public init(execute: @escaping @Sendable (String, [Value]) throws -> [Value]) {
    self.execute = execute
  }
}
