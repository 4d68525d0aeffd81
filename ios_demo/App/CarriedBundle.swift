import Foundation
import PocketBERT

/// The public key whose owner must have signed the bundle: 32 bytes of Ed25519 in base64, or nothing.
///
/// `openssl pkey -in key.pem -pubout -outform DER | tail -c 32 | base64` prints it.
private let publicKey: String? = nil

/// Opens the bundle that the app carries, where Xcode's folder reference puts it.
func openCarriedBundle() throws -> ModelBundle {
  guard let folder = Bundle.main.url(forResource: "pocketbert", withExtension: nil) else {
    throw PocketBERTError.noBundle("the app carries no folder pocketbert")
  }
  // A key that is none trusts nobody.
  return try ModelBundle(at: folder, publicKey: publicKey.map { Data(base64Encoded: $0) ?? Data() })
}
