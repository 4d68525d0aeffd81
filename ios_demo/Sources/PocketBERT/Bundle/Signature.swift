import CryptoKit
import Foundation

/// The file with the signature of the manifest.
let signatureFile = "manifest.sig"

/// That it holds.
let signatureBytes = 64

/// Refuses a manifest that the owner of a key did not sign: Ed25519 (RFC 8032) over its bytes.
///
/// - Parameters:
///   - signature: Nothing where the bundle has none.
///   - publicKey: 32 bytes.
func checkSignature(
  of manifest: [UInt8], _ signature: [UInt8]?, publicKey: Data
) throws(PocketBERTError) {
  guard let signature else {
    throw .untrustedBundle("the bundle is not signed, and this app wants it to be")
  }
  guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else {
    throw .untrustedBundle("the key of this app is no Ed25519 key of 32 bytes")
  }
  guard signature.count == signatureBytes, key.isValidSignature(signature, for: manifest) else {
    throw .untrustedBundle(
      "\(manifestFile) was not signed with the key that this app knows, or changed since")
  }
}
