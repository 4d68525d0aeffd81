import hashlib
import json
import re

import pytest
from jsonschema import Draft202012Validator, ValidationError

from pipeline.bundle import schemas
from tests.bundles import MANIFEST, write_bundle


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_published_schema_is_that_of_the_code(name):
    """After a change of the models: python -m pipeline.bundle.schemas."""
    text = (schemas.FOLDER / name).read_text(encoding="utf-8")
    assert text == schemas.text_of(schemas.SCHEMAS[name]())
    Draft202012Validator.check_schema(json.loads(text))


@pytest.fixture
def content(tmp_path):
    folder = write_bundle(tmp_path / "bundle")
    return json.loads((folder / "manifest.json").read_bytes())


@pytest.fixture
def validator():
    return Draft202012Validator(
        json.loads((schemas.FOLDER / "manifest.schema.json").read_text(encoding="utf-8"))
    )


def test_manifest_is_valid_by_the_published_schema(content, validator):
    validator.validate(content)


def test_manifest_with_an_unknown_key_is_invalid_by_the_published_schema(content, validator):
    content["a_key_of_tomorrow"] = 1
    with pytest.raises(ValidationError, match="a_key_of_tomorrow"):
        validator.validate(content)


@pytest.mark.parametrize("key", ["manifest_sha256", "artifacts", "files", "licences"])
def test_manifest_without_a_key_is_invalid_by_the_published_schema(content, validator, key):
    del content[key]
    with pytest.raises(ValidationError, match=key):
        validator.validate(content)


def test_built_bundle_is_valid_by_the_published_schemas(built):
    for name in schemas.SCHEMAS:
        schema = json.loads((schemas.FOLDER / name).read_text(encoding="utf-8"))
        file = built.folder / name.replace(".schema", "")
        Draft202012Validator(schema).validate(json.loads(file.read_bytes()))


def test_hash_is_that_of_the_file_without_its_key(tmp_path):
    """As an app may check it, without writing JSON itself."""

    raw = (write_bundle(tmp_path / "bundle", manifest=MANIFEST) / "manifest.json").read_bytes()
    found = re.findall(rb'"manifest_sha256":"([0-9a-f]{64})",', raw)
    assert len(found) == 1
    rest = raw.replace(b'"manifest_sha256":"' + found[0] + b'",', b"")
    assert hashlib.sha256(rest).hexdigest().encode() == found[0]
