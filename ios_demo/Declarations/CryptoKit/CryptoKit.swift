// What the package uses of CryptoKit, for Linux, where libcrypto does the work.
// https://developer.apple.com/documentation/cryptokit

import CLibcrypto
import Foundation

/// https://developer.apple.com/documentation/cryptokit/sha256
public struct SHA256 {
  private final class Context {
    let pointer = EVP_MD_CTX_new()

    deinit { EVP_MD_CTX_free(pointer) }
  }

  private let context = Context()

  public init() {
    EVP_DigestInit_ex(context.pointer, EVP_sha256(), nil)
  }

  public mutating func update(bufferPointer: UnsafeRawBufferPointer) {
    EVP_DigestUpdate(context.pointer, bufferPointer.baseAddress, bufferPointer.count)
  }

  public mutating func update(data: some DataProtocol) {
    for region in data.regions {
      region.withUnsafeBytes { update(bufferPointer: $0) }
    }
  }

  public func finalize() -> SHA256Digest {
    var bytes = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context.pointer, &bytes, nil)
    return SHA256Digest(bytes: bytes)
  }

  public static func hash(data: some DataProtocol) -> SHA256Digest {
    var hash = SHA256()
    hash.update(data: data)
    return hash.finalize()
  }
}

/// https://developer.apple.com/documentation/cryptokit/sha256digest
public struct SHA256Digest: Sequence, Sendable {
  fileprivate let bytes: [UInt8]

  public func makeIterator() -> Array<UInt8>.Iterator { bytes.makeIterator() }
}

/// https://developer.apple.com/documentation/cryptokit/curve25519
public enum Curve25519 {
  public enum Signing {}
}

/// https://developer.apple.com/documentation/cryptokit/cryptokiterror
public enum CryptoKitError: Error {
  case incorrectKeySize
  case underlyingCoreCryptoError(error: Int32)
}

extension Curve25519.Signing {
  /// https://developer.apple.com/documentation/cryptokit/curve25519/signing/publickey
  public struct PublicKey: Sendable {
    public let rawRepresentation: Data

    public init(rawRepresentation data: some ContiguousBytes) throws {
      let bytes = data.withUnsafeBytes { Data($0) }
      guard bytes.count == 32 else { throw CryptoKitError.incorrectKeySize }
      rawRepresentation = bytes
    }

    public func isValidSignature(_ signature: some DataProtocol, for data: some DataProtocol) -> Bool {
      let key = [UInt8](rawRepresentation)
      let own = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, key, key.count)
      let context = EVP_MD_CTX_new()
      defer {
        EVP_MD_CTX_free(context)
        EVP_PKEY_free(own)
      }
      let (stated, message) = ([UInt8](signature), [UInt8](data))
      return EVP_DigestVerifyInit(context, nil, nil, nil, own) == 1
        && EVP_DigestVerify(context, stated, stated.count, message, message.count) == 1
    }
  }
}
