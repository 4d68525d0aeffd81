import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from converters.values.errors import InputError
from pipeline.bundle import signature
from pipeline.bundle.manifest import FILE_NAME, read_manifest, write_manifest
from pipeline.bundle.open import verify
from pipeline.bundle.signature import fingerprint, read_private_key, read_public_key, sign
from tests.bundles import write_bundle, zip_of
from tests.command import pocketbert

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def write_keys(folder: Path, name: str = "key") -> tuple[Path, Path]:
    """Writes a private and a public key, and returns where."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(PEM, form))
    return private, public


@pytest.fixture
def keys(tmp_path) -> tuple[Path, Path]:
    return write_keys(tmp_path)


@pytest.fixture
def signed(tmp_path, keys) -> Path:
    folder = write_bundle(tmp_path / "bundle")
    sign(folder, read_private_key(keys[0]))
    return folder


def test_signed_bundle_is_valid_for_its_key_and_names_the_key_without(signed, keys):
    key = read_public_key(keys[1])
    for path in (signed, zip_of(signed)):
        found = verify(path, public_key=key)
        assert (found.problems, found.signature, found.signer) == ((), "valid", fingerprint(key))
        found = verify(path)
        assert (found.problems, found.signature, found.signer) == (
            (), "unchecked", fingerprint(key),
        )  # fmt: skip


def test_fingerprint_is_what_openssl_gives(keys):
    command = ["openssl", "pkey", "-pubin", "-in", keys[1], "-outform", "DER"]
    der = subprocess.run(command, check=True, capture_output=True).stdout
    assert fingerprint(read_public_key(keys[1])) == hashlib.sha256(der).hexdigest()


def test_signature_is_what_openssl_checks(signed):
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "manifest.pub", "-rawin",
         "-in", FILE_NAME, "-sigfile", "manifest.sig"],
        cwd=signed, check=True,
    )  # fmt: skip


def test_signed_bundle_is_wrong_for_another_key_and_tells_of_which_it_is(signed, keys, tmp_path):
    _, other = write_keys(tmp_path, "other")
    found = verify(signed, public_key=read_public_key(other))
    assert [each.path for each in found.problems] == ["manifest.sig"]
    assert found.signature == "wrong"
    assert fingerprint(read_public_key(keys[1])) in found.problems[0].problem


def test_bundle_without_a_signature_is_wrong_where_one_is_wanted(tmp_path, keys):
    folder = write_bundle(tmp_path / "bundle")
    assert verify(folder).signature == "none"
    found = verify(folder, public_key=read_public_key(keys[1]))
    assert found.problems[0].path == "manifest.sig"
    assert "is not signed" in found.problems[0].problem


def rewrite_the_verdicts(folder: Path) -> None:
    """Says that all is well, with a right hash."""
    said = read_manifest(folder)
    verdicts = tuple(
        each.model_copy(update={"reason": "as good as the student"}) for each in said.verdicts
    )
    write_manifest(said.model_copy(update={"verdicts": verdicts}), folder)


def take_another_signature(folder: Path) -> None:
    other = write_bundle(folder.with_name("another"), files={"tflite/model.tflite": b"evil"})
    sign(other, Ed25519PrivateKey.generate())
    shutil.copy(other / "manifest.sig", folder)


def take_another_signature_and_key(folder: Path) -> None:
    take_another_signature(folder)
    shutil.copy(folder.with_name("another") / "manifest.pub", folder)


def take_another_key(folder: Path) -> None:
    take_another_signature(folder.with_name("scratch"))
    shutil.copy(folder.with_name("another") / "manifest.pub", folder)


def flip_a_bit(position: int) -> Callable[[Path], None]:
    def flip(folder: Path) -> None:
        raw = bytearray((folder / "manifest.sig").read_bytes())
        assert len(raw) == 64
        raw[position] ^= 1
        (folder / "manifest.sig").write_bytes(raw)

    return flip


def write_signature(raw: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "manifest.sig").write_bytes(raw)


def write_key(raw: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "manifest.pub").write_bytes(raw)


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def link(name: str) -> Callable[[Path], None]:
    def link(folder: Path) -> None:
        (folder / name).rename(folder.with_name(name))
        (folder / name).symlink_to(folder.with_name(name))

    return link


def make_a_folder_of(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return make


WRONGS = [
    rewrite_the_verdicts, take_another_signature_and_key,
    *(flip_a_bit(position) for position in range(0, 64, 9)),
    *(write_signature(raw) for raw in (b"", b"\0" * 63, b"\0" * 64, b"\0" * 65, b"x" * 10**6)),
    *(write_key(raw) for raw in (b"", b"no key", b"\0" * 10**6)), take_another_key,
    remove("manifest.sig"), *(link(name) for name in ("manifest.sig", "manifest.pub")),
    *(make_a_folder_of(name) for name in ("manifest.sig", "manifest.pub")),
]  # fmt: skip


@pytest.mark.parametrize("make_wrong", WRONGS)
@pytest.mark.parametrize("has_key", [False, True])
def test_signature_that_is_wrong_fails_with_and_without_a_public_key(
    signed, keys, make_wrong, has_key
):
    (signed.with_name("scratch")).mkdir()
    make_wrong(signed)
    found = verify(signed, public_key=read_public_key(keys[1]) if has_key else None)
    assert found.signature == "wrong"
    assert found.problems[0].path in ("manifest.sig", "manifest.pub")


def test_signature_without_its_key_is_checked_with_the_users_alone(signed, keys):
    """As bundles were that were signed before the key came along."""
    (signed / "manifest.pub").unlink()
    assert verify(signed, public_key=read_public_key(keys[1])).problems == ()
    (problem,) = verify(signed).problems
    assert problem.path == "manifest.sig"
    assert "--public-key" in problem.problem


def test_platform_bundle_carries_signature_and_key(signed, keys, tmp_path):
    packed = pocketbert("bundle", signed, "--platform", "android", "-o", tmp_path / "x.zip")
    assert packed.code == 0, packed.stderr
    found = verify(tmp_path / "x.zip", public_key=read_public_key(keys[1]))
    assert (found.problems, found.signature) == ((), "valid")


def test_bundle_packs_nothing_that_does_not_verify(signed, tmp_path):
    rewrite_the_verdicts(signed)
    packed = pocketbert("bundle", signed, "--platform", "android", "-o", tmp_path / "x.zip")
    assert packed.code == 1
    assert "manifest.sig" in packed.stderr
    assert not (tmp_path / "x.zip").exists()


def test_verify_of_an_unsigned_bundle_claims_no_more_than_its_hashes(tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    rewrite_the_verdicts(folder)
    done = pocketbert("verify", folder)
    assert done.code == 0
    assert "as it was written" not in done.stdout
    assert "is as its manifest says; it is not signed, so nothing tells who wrote" in done.stdout


def test_damaged_manifest_and_its_signature_are_both_told(signed, keys):
    path = signed / FILE_NAME
    path.write_bytes(path.read_bytes().replace(b"mit", b"gpl"))
    found = verify(signed, public_key=read_public_key(keys[1]))
    assert [each.path for each in found.problems] == ["manifest.sig", "manifest.json"]


def test_key_that_openssl_makes_by_the_lines_of_the_hints_signs(tmp_path, signed):
    for line in (signature.MAKE_KEY, signature.MAKE_PUBLIC_KEY):
        subprocess.run(line.split(), cwd=tmp_path, check=True)
    sign(signed, read_private_key(tmp_path / "key.pem"))
    public = read_public_key(tmp_path / "public.pem")
    assert verify(signed, public_key=public).signature == "valid"


def test_read_absent_key_is_refused(tmp_path):
    for read in (read_private_key, read_public_key):
        with pytest.raises(InputError, match="no key file") as caught:
            read(tmp_path / "absent")
        assert "openssl" in caught.value.hint


@pytest.mark.parametrize("raw", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_read_file_that_is_no_key_is_refused(tmp_path, raw):
    (tmp_path / "key").write_bytes(raw)
    with pytest.raises(InputError, match="holds no private key in PEM"):
        read_private_key(tmp_path / "key")
    with pytest.raises(InputError, match="holds no public key in PEM"):
        read_public_key(tmp_path / "key")


def test_read_keys_taken_for_each_other_are_refused(keys):
    with pytest.raises(InputError, match="holds no private key"):
        read_private_key(keys[1])
    with pytest.raises(InputError, match="holds no public key"):
        read_public_key(keys[0])


def test_read_key_of_another_algorithm_is_refused(tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path / "rsa.pem"
    path.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    with pytest.raises(InputError, match="is not an Ed25519 key"):
        read_private_key(path)


def test_read_key_with_a_password_is_refused(tmp_path):
    locked = serialization.BestAvailableEncryption(b"secret")
    path = tmp_path / "key.pem"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, locked))
    with pytest.raises(InputError, match="locked by a password") as caught:
        read_private_key(path)
    assert "openssl pkey" in caught.value.hint
