"""Signs a bundle's manifest, which holds a hash of all else, and checks the signature.

Ed25519 (RFC 8032) over the very bytes of ``manifest.json``: 64 bytes in ``manifest.sig``, and in
``manifest.pub`` the public key that they are of. Keys are PEM files as OpenSSL writes them.

The key in the bundle tells whether the manifest was changed since that key signed it, and not whose
key it is: whoever changes a bundle can sign it anew, or leave it unsigned.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from converters.values.errors import InputError
from pipeline.bundle.manifest import FILE_NAME as MANIFEST
from pipeline.bundle.manifest import MAX_MANIFEST_BYTES

FILE_NAME = "manifest.sig"
KEY_FILE_NAME = "manifest.pub"
MAKE_KEY = "openssl genpkey -algorithm ed25519 -out key.pem"
MAKE_PUBLIC_KEY = "openssl pkey -in key.pem -pubout -out public.pem"

Signature = Literal["none", "unchecked", "valid", "wrong"]
"""What is known of a bundle's signature.

``valid`` is of the key that the user gave. ``unchecked`` is of the key in the bundle, and nobody
said whose that is.
"""

_SIGNATURE_BYTES = 64
_MAX_KEY_BYTES = 100_000
"""Keys of any kind take less."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What was found out about a bundle's signature.

    Attributes:
        signature: What is known of it.
        signer: The sha256 of the public key that it fits, in DER; ``None`` where it fits none.
        problem: What is wrong with it in words; ``None`` where nothing is.
        path: The file that the problem is with.
    """

    signature: Signature
    signer: str | None = None
    problem: str | None = None
    path: str = FILE_NAME


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads the key that signs.

    Raises:
        InputError: It is absent, locked by a password, or no Ed25519 private key.
    """
    raw = _read(path, hint=f"make one: {MAKE_KEY}")
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError as err:
        raise InputError(
            f"the key {path} is locked by a password",
            hint=f"unlock a copy: openssl pkey -in {path} -out key.pem",
        ) from err
    except (ValueError, UnsupportedAlgorithm) as err:
        raise InputError(
            f"{path} holds no private key in PEM", hint=f"make one: {MAKE_KEY}"
        ) from err
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"the key {path} is not an Ed25519 key", hint=f"make one: {MAKE_KEY}")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Reads the key that signatures are checked with.

    Raises:
        InputError: It is absent, or no Ed25519 public key.
    """
    raw = _read(path, hint=f"make it from the private one: {MAKE_PUBLIC_KEY}")
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise InputError(
            f"{path} holds no public key in PEM",
            hint=f"make it from the private one: {MAKE_PUBLIC_KEY}",
        ) from err
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"the key {path} is not an Ed25519 key", hint=f"make one: {MAKE_KEY}")
    return key


def sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Signs the manifest of a bundle that is otherwise finished."""
    (folder / FILE_NAME).write_bytes(key.sign((folder / MANIFEST).read_bytes()))
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / KEY_FILE_NAME).write_bytes(pem)


def check(folder: Path, key: Ed25519PublicKey | None) -> Signed:
    """Returns what is known of a bundle's signature.

    Args:
        folder: The bundle's.
        key: Given, the manifest must be signed by its owner; else by that of the bundle's own key,
            where it has a signature.
    """
    for name in (FILE_NAME, KEY_FILE_NAME):
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            what = "a link" if path.is_symlink() else "not a file"
            return Signed(signature="wrong", problem=f"is {what}", path=name)
    if not (folder / FILE_NAME).exists():
        if (folder / KEY_FILE_NAME).exists():
            problem = f"missing: {KEY_FILE_NAME} is of a bundle that was signed"
            return Signed(signature="wrong", problem=problem)
        missing = None if key is None else "missing: the bundle is not signed"
        return Signed(signature="none", problem=missing)
    if not (folder / MANIFEST).is_file() or (folder / MANIFEST).is_symlink():
        return Signed(signature="wrong", problem=f"there is no {MANIFEST} that it could be of")
    return _check_signature(folder, key)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Returns the sha256 of a public key in DER, as ``openssl pkey -pubin -outform DER`` has it."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _check_signature(folder: Path, key: Ed25519PublicKey | None) -> Signed:
    own = None
    if (folder / KEY_FILE_NAME).exists():
        try:
            own = read_public_key(folder / KEY_FILE_NAME)
        except InputError:
            problem = "holds no Ed25519 public key in PEM"
            return Signed(signature="wrong", problem=problem, path=KEY_FILE_NAME)
    signature = _first_bytes(folder / FILE_NAME, _SIGNATURE_BYTES + 1)
    if len(signature) != _SIGNATURE_BYTES:
        return Signed(signature="wrong", problem=f"is not the {_SIGNATURE_BYTES} bytes of one")
    expected = key or own
    if expected is None:
        problem = f"cannot be checked without {KEY_FILE_NAME}: give --public-key"
        return Signed(signature="unchecked", problem=problem)
    manifest = _first_bytes(folder / MANIFEST, MAX_MANIFEST_BYTES + 1)  # no more of one is read
    if _fits(signature, manifest, expected):
        if own is not None and fingerprint(own) != fingerprint(expected):
            problem = "is another key than that which signed"
            return Signed(signature="wrong", problem=problem, path=KEY_FILE_NAME)
        known: Signature = "unchecked" if key is None else "valid"
        return Signed(signature=known, signer=fingerprint(expected))
    if key is not None and own is not None and _fits(signature, manifest, own):
        signer = fingerprint(own)
        problem = f"{MANIFEST} was signed with another key, whose sha256 is {signer}"
        return Signed(signature="wrong", signer=signer, problem=problem)
    whose = "the key in the bundle" if key is None else "this key"
    problem = f"{MANIFEST} was not signed with {whose}, or changed since"
    return Signed(signature="wrong", problem=problem)


def _fits(signature: bytes, manifest: bytes, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def _first_bytes(path: Path, num_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(num_bytes)


def _read(path: Path, *, hint: str) -> bytes:
    try:
        return _first_bytes(path, _MAX_KEY_BYTES)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as err:
        raise InputError(f"no key file {path}", hint=hint) from err
