"""The one way to write a JSON object, and the hash of it."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def json_value(value: Any) -> Any:
    """Returns a value as JSON holds it: numbers that are not finite become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [json_value(item) for item in value]
    return value


def canonical_json(content: Mapping[str, Any]) -> bytes:
    """Returns the one way to write a JSON object: sorted keys, no spaces, UTF-8, a newline."""
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode() + b"\n"


def sha256(content: Mapping[str, Any]) -> str:
    """Returns the sha256 of an object's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(content)).hexdigest()
