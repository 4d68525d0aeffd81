"""The manifest: what an app must know of a bundle, and the only place where it is written."""

import json
import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from converters.values.errors import GateError, InputError
from pipeline import __version__
from pipeline.bundle.manifest_parts import (
    ArtifactPart,
    Finite,
    Inside,
    Part,
    Sha256,
    StudentPart,
    TaskPart,
    TokenizerPart,
    VerdictPart,
)
from pipeline.files.canonical import canonical_json, sha256

FILE_NAME = "manifest.json"
VECTORS = "vectors.json"
RECIPE = "recipe.json"
SCHEMA_VERSION = "1.0"
"""Major and minor. A reader refuses a newer major version and reads a newer minor one."""

MAX_MANIFEST_BYTES = 16 * 10**6
"""A bundle's takes some ten thousand; what its reader makes of it takes many times as much."""

Platform = Literal["android", "ios"]

_VERSION = r"([0-9]{1,9})\.([0-9]{1,9})"

HASH_KEY = "manifest_sha256"
"""The key of the hash over all the other keys, written canonically."""


class ManifestDamagedError(GateError):
    """A manifest is not, byte for byte, what was written."""


Rules = TypeVar("Rules", bound=BaseModel)


class Manifest(Part):
    """Everything about a bundle but the bytes of its files."""

    schema_version: str = SCHEMA_VERSION
    pocketbert_version: str
    student: StudentPart
    tokenizer: TokenizerPart
    task: TaskPart
    artifacts: tuple[ArtifactPart, ...] = Field(min_length=1)
    task_library: ArtifactPart | None = Field(
        default=None, description="The TFLite artifact again, as Google's Task Library opens it."
    )
    thresholds: dict[str, dict[str, Finite]]
    verdicts: tuple[VerdictPart, ...]
    versions: dict[str, str] = Field(description="Packages that built and tested the artifacts.")
    licences: dict[str, str] = Field(description="By what they are for; names of SPDX.")
    platforms: dict[Platform, tuple[Inside, ...]] = Field(
        description="Files that a platform needs. Its bundle holds these and the manifest."
    )
    files: dict[Inside, Sha256] = Field(
        description="sha256 of every file but the manifest and its signature, by relative path."
    )

    @property
    def all_artifacts(self) -> tuple[ArtifactPart, ...]:
        """The artifacts, and the variant for the Task Library where there is one."""
        return (*self.artifacts, *((self.task_library,) if self.task_library else ()))

    def read_rules(self, model: type[Rules]) -> Rules:
        """Returns the task's rules, checked; of a newer minor version those that are known.

        Args:
            model: What the task says of its rules.

        Raises:
            ManifestDamagedError: One is unknown, missing or out of its bounds.
        """
        stated = self.task.rules
        if _is_newer_minor(self.schema_version):
            stated = {name: stated[name] for name in stated if name in model.model_fields}
        try:
            return model.model_validate(stated)
        except ValidationError as err:
            raise _invalid(err, FILE_NAME, by=self.pocketbert_version, at="task.rules") from err

    @model_validator(mode="after")
    def _names_listed_files(self) -> "Manifest":
        for artifact in self.all_artifacts:
            if not any(artifact.holds(name) for name in self.files):
                raise ValueError(f"{artifact.path} is not among the files")
        for platform, names in self.platforms.items():
            for name in set(names) - set(self.files):
                raise ValueError(f"{name}, for {platform}, is not among the files")
        return self


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes canonical JSON that carries a hash over itself."""
    content = manifest.model_dump(mode="json")
    content[HASH_KEY] = sha256(content)
    (folder / FILE_NAME).write_bytes(canonical_json(content))


def read_manifest(folder: Path, *, shown_as: Path | None = None) -> Manifest:
    """Reads and checks the manifest of a bundle.

    Args:
        folder: The bundle's, or where its zip was unpacked.
        shown_as: The path by which the user knows the bundle, if that is another.

    Raises:
        InputError: It is absent, or newer than this version reads.
        ManifestDamagedError: It is a link, too large or not of the schema, or was changed since it
            was written.
    """
    path = (shown_as or folder) / FILE_NAME
    if (folder / FILE_NAME).is_symlink():
        raise ManifestDamagedError(f"{path} is a link", hint="give what `pocketbert` wrote")
    if not (folder / FILE_NAME).is_file():
        raise InputError(
            f"{shown_as or folder} is not a bundle: it has no {FILE_NAME}",
            hint="make one with `pocketbert build`",
        )
    with (folder / FILE_NAME).open("rb") as file:
        raw = file.read(MAX_MANIFEST_BYTES + 1)
    if len(raw) > MAX_MANIFEST_BYTES:
        raise ManifestDamagedError(
            f"{path} takes more than {MAX_MANIFEST_BYTES:,} bytes", hint="build the bundle again"
        )
    try:
        content = json.loads(raw)
        version = str(content["schema_version"])
        stated = content.pop(HASH_KEY)
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        raise ManifestDamagedError(f"{path} is damaged", hint="build the bundle again") from err
    is_newer = _check_version(version, path)
    if not _is_as_written(raw, content, stated):
        raise ManifestDamagedError(
            f"{path} was changed after it was written", hint="build the bundle again"
        )
    try:
        if is_newer:
            _drop_unknown_keys(content)
        return Manifest.model_validate(content)
    except ValidationError as err:
        raise _invalid(err, str(path), by=content.get("pocketbert_version")) from err


def _is_as_written(raw: bytes, content: dict[str, Any], stated: Any) -> bool:
    try:
        return bool(
            stated == sha256(content) and raw == canonical_json({**content, HASH_KEY: stated})
        )
    # It holds what canonical JSON cannot: NaN, half of a surrogate pair, endless nesting.
    except (ValueError, RecursionError):
        return False


def _invalid(err: ValidationError, what: str, *, by: object, at: str = "") -> ManifestDamagedError:
    """Returns the error of a manifest whose hash is right, so that nobody has damaged it.

    Args:
        err: What is wrong with it.
        what: It is called.
        by: The version that wrote it.
        at: Where in it the error counts its places from.
    """
    first = err.errors()[0]
    where = ".".join([*([at] if at else []), *map(str, first["loc"])])
    return ManifestDamagedError(
        f"{what} is not a valid manifest: {where}: {first['msg']}",
        hint=f"PocketBERT {by} wrote it, and this is {__version__}: build the bundle again",
    )


def _check_version(version: str, path: Path) -> bool:
    """Returns whether a version is a newer minor one."""
    major, _ = map(int, SCHEMA_VERSION.split("."))
    found = re.fullmatch(_VERSION, version)
    if found is None or int(found[1]) > major:
        raise InputError(
            f"{path} has schema version {version}; this PocketBERT reads up to {major}.x",
            hint="update PocketBERT: pip install -U pocketbert",
        )
    return _is_newer_minor(version)


def _is_newer_minor(version: str) -> bool:
    major, minor = map(int, SCHEMA_VERSION.split("."))
    found = re.fullmatch(_VERSION, version)
    return found is not None and int(found[1]) == major and int(found[2]) > minor


def _drop_unknown_keys(content: dict[str, Any]) -> None:
    """Removes what a newer minor version has added; its hash was checked with it."""
    try:
        Manifest.model_validate(content)
    except ValidationError as err:
        for problem in err.errors():
            if problem["type"] == "extra_forbidden":
                place: Any = content
                *steps, key = problem["loc"]
                for step in steps:
                    place = place[step]
                del place[key]
