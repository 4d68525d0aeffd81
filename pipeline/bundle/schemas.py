"""The JSON Schemas of a bundle's files, for those who read them without Python.

``python -m pipeline.bundle.schemas`` writes them anew after a change of the models.
"""

import json
from pathlib import Path
from typing import Any

from pipeline.bundle.manifest import HASH_KEY, SCHEMA_VERSION, Manifest
from pipeline.bundle.vectors import Vectors

FOLDER = Path(__file__).parent


def manifest_schema() -> dict[str, Any]:
    """Returns the schema of ``manifest.json``, the hash over itself included."""
    schema = Manifest.model_json_schema()
    schema["$id"] = f"urn:pocketbert:manifest:{SCHEMA_VERSION}"
    schema["properties"][HASH_KEY] = {
        "type": "string",
        "pattern": "^[0-9a-f]{64}$",
        "description": "sha256 of the file as it is without this key and its comma.",
    }
    schema["required"].append(HASH_KEY)
    return schema


def vectors_schema() -> dict[str, Any]:
    """Returns the schema of ``vectors.json``."""
    return Vectors.model_json_schema() | {"$id": f"urn:pocketbert:vectors:{SCHEMA_VERSION}"}


def text_of(schema: dict[str, Any]) -> str:
    """Returns a schema as its file has it."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


SCHEMAS = {"manifest.schema.json": manifest_schema, "vectors.schema.json": vectors_schema}


def main() -> None:
    """Writes the files."""
    for name, make in SCHEMAS.items():
        (FOLDER / name).write_text(text_of(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
