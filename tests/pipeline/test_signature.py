import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline import signature
from pipeline.bundle import verify
from pipeline.errors import InputError
from pipeline.manifest import FILE_NAME
from pipeline.signature import read_private_key, read_public_key, sign
from tests.bundles import write_bundle, zip_of

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


def test_signed_bundle_is_valid_for_its_key_and_unchecked_without(signed, keys):
    for path in (signed, zip_of(signed)):
        found = verify(path, public_key=read_public_key(keys[1]))
        assert (found.problems, found.signature) == ((), "valid")
        found = verify(path)
        assert (found.problems, found.signature) == ((), "unchecked")


def test_signed_bundle_is_wrong_for_another_key(signed, tmp_path):
    _, other = write_keys(tmp_path, "other")
    found = verify(signed, public_key=read_public_key(other))
    assert [each.path for each in found.problems] == ["manifest.sig"]
    assert found.signature == "wrong"


def test_bundle_without_a_signature_is_wrong_where_one_is_wanted(tmp_path, keys):
    folder = write_bundle(tmp_path / "bundle")
    assert verify(folder).signature == "none"
    found = verify(folder, public_key=read_public_key(keys[1]))
    assert found.problems[0].path == "manifest.sig"
    assert "is not signed" in found.problems[0].problem


def test_signature_of_another_bundle_is_wrong(signed, keys, tmp_path):
    other = write_bundle(tmp_path / "other", files={"tflite/model.tflite": b"evil"})
    (other / "manifest.sig").write_bytes((signed / "manifest.sig").read_bytes())
    assert verify(other, public_key=read_public_key(keys[1])).signature == "wrong"


@pytest.mark.parametrize("position", range(0, 64, 9))
def test_signature_with_a_flipped_bit_is_wrong(signed, keys, position):
    path = signed / "manifest.sig"
    raw = bytearray(path.read_bytes())
    assert len(raw) == 64
    raw[position] ^= 1
    path.write_bytes(raw)
    assert verify(signed, public_key=read_public_key(keys[1])).signature == "wrong"


@pytest.mark.parametrize("raw", [b"", b"\0" * 63, b"\0" * 65])
def test_signature_of_another_length_is_wrong(signed, keys, raw):
    (signed / "manifest.sig").write_bytes(raw)
    assert verify(signed, public_key=read_public_key(keys[1])).signature == "wrong"


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
