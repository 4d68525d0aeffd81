"""Signs a bundle's manifest, which holds a hash of all else, and checks the signature.

Ed25519 (RFC 8032) over the very bytes of ``manifest.json``: 64 bytes in ``manifest.sig``. Keys are
PEM files as OpenSSL writes them.
"""

from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from pipeline.errors import InputError
from pipeline.manifest import FILE_NAME as MANIFEST

FILE_NAME = "manifest.sig"
MAKE_KEY = "openssl genpkey -algorithm ed25519 -out key.pem"
MAKE_PUBLIC_KEY = "openssl pkey -in key.pem -pubout -out public.pem"

Signature = Literal["none", "unchecked", "valid", "wrong"]
"""What is known of a bundle's signature; ``unchecked`` without a public key."""


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


def check(folder: Path, key: Ed25519PublicKey | None) -> Signature:
    """Tells what is known of a bundle's signature."""
    path = folder / FILE_NAME
    if not path.is_file() or not (folder / MANIFEST).is_file():
        return "none"
    if key is None:
        return "unchecked"
    try:
        key.verify(path.read_bytes(), (folder / MANIFEST).read_bytes())
    except InvalidSignature:
        return "wrong"
    return "valid"


def _read(path: Path, *, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as err:
        raise InputError(f"no key file {path}", hint=hint) from err
