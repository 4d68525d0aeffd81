"""The manifest: what an app must know of a bundle, and the only place where it is written."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from converters.values.artifact import ComputeUnits
from converters.values.errors import GateError, InputError
from converters.values.precision import Activations, Precision
from pipeline import __version__
from pipeline.files.canonical import canonical_json, sha256

FILE_NAME = "manifest.json"
VECTORS = "vectors.json"
RECIPE = "recipe.json"
VOCABULARY = "tokenizer/vocab.txt"
UNICODE_TABLES = "tokenizer/unicode.json"
SCHEMA_VERSION = "1.0"
"""Major and minor. A reader refuses a newer major version and reads a newer minor one."""

MAX_MANIFEST_BYTES = 16 * 10**6
"""A bundle's takes some ten thousand; what its reader makes of it takes many times as much."""
MAX_SEQ_LEN = 8192
"""Tokens. Encoders of BERT's family have 512 positions, a few that were stretched 4,096. A row of
this length takes 268 MB a head in its attention."""
MAX_SEQ_LENS = 64
"""Lengths of one artifact; each is a function of its own in some formats."""
MAX_VOCABULARY = 2**20
"""Tokens. The largest vocabulary of BERT's kind, of 109 languages, has half as many."""
MAX_CHARS_PER_WORD = 256
"""Of a word that is cut into pieces: BERT's own code has 200, and transformers 100. A word is
looked up from each of its characters to each behind it, so its time grows with the cube."""
MAX_TEXT_CHARACTERS = 10**7
"""Of a text; bundles say 200,000."""
MAX_ARTIFACT_BYTES = 2**34
"""No phone loads as much."""
MAX_RULES = 64
"""Of a task; question answering has six, text classification eight."""
MAX_LABELS = 10_000
"""Of a classifier; those with most labels have a few thousand."""
MAX_LABEL_CHARACTERS = 1_000
"""In code points."""

Platform = Literal["android", "ios"]

_VERSION = r"([0-9]{1,9})\.([0-9]{1,9})"

HASH_KEY = "manifest_sha256"
"""The key of the hash over all the other keys, written canonically."""


class ManifestDamagedError(GateError):
    """A manifest is not, byte for byte, what was written."""


def _inside(path: str) -> str:
    # A manifest may come from anywhere: what it names must not lie elsewhere on this machine.
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise ValueError("not a path inside the bundle")
    return path


def _ascending(lengths: tuple[int, ...]) -> tuple[int, ...]:
    if list(lengths) != sorted(set(lengths)):
        raise ValueError("not one or more lengths in ascending order")
    return lengths


Inside = Annotated[str, AfterValidator(_inside)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
SeqLen = Annotated[int, Field(ge=1, le=MAX_SEQ_LEN)]
NumTokens = Annotated[int, Field(ge=0, le=MAX_SEQ_LEN)]
TokenId = Annotated[int, Field(ge=0, lt=MAX_VOCABULARY)]
SeqLens = Annotated[
    tuple[SeqLen, ...],
    Field(min_length=1, max_length=MAX_SEQ_LENS),
    AfterValidator(_ascending),
]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""A whole number that every reader of JSON has exactly."""
_Label = Annotated[str, Field(max_length=MAX_LABEL_CHARACTERS)]
Rule = bool | Whole | _Finite | str
"""The value of one rule of a task."""
Rules = TypeVar("Rules", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudentPart(_Part):
    """The student that the artifacts were made from; never a path."""

    name: str
    architecture: str
    weights_sha256: str
    licence: str


class TokenizerPart(_Part):
    """How text becomes ids: BERT's WordPiece, its settings, and its files inside the bundle."""

    kind: Literal["wordpiece"] = "wordpiece"
    clean_text: bool
    handle_chinese_chars: bool
    strip_accents: bool
    lowercase: bool
    continuing_subword_prefix: str
    max_input_chars_per_word: int = Field(ge=1, le=MAX_CHARS_PER_WORD)
    special_tokens: dict[str, TokenId]
    added_tokens: dict[str, TokenId] = Field(
        description="What is a token wherever a text holds it, letter by letter."
    )
    normalized_added_tokens: dict[str, TokenId] = Field(
        default={},
        description="What is a token wherever a normalized text holds it, itself normalized.",
    )
    num_pieces: int = Field(
        ge=1,
        le=MAX_VOCABULARY,
        description="Words are cut into the first so many tokens; those after them are added ones.",
    )
    second_token_type: int = Field(
        default=1,
        ge=0,
        le=1,
        description="Of a second text and the [SEP] behind it, in token_type_ids.",
    )
    vocabulary: Inside = VOCABULARY
    unicode_tables: Inside = UNICODE_TABLES


class TaskPart(_Part):
    """What the student answers, and by which rules; the specification of each task has the rest."""

    name: str = Field(min_length=1, description="Such as text-classification.")
    rules: dict[str, Rule] = Field(
        max_length=MAX_RULES, description="Which there are, and their bounds, the task says."
    )
    labels: tuple[_Label, ...] = Field(
        max_length=MAX_LABELS, description="Of a classifier, by their place in its output."
    )


class TensorPart(_Part):
    """An input or output: its role, and the name or position that the artifact knows it by."""

    name: str
    artifact_name: str
    dtype: str


class ArtifactPart(_Part):
    """One artifact; shapes are ``(1, seq_len)`` for every length in ``seq_lens``."""

    backend: str
    precision: Precision
    path: Inside
    size_bytes: int = Field(ge=0, le=MAX_ARTIFACT_BYTES)
    seq_lens: SeqLens
    entry_points: tuple[str, ...] = Field(
        description="What to call for each length: a method of ExecuTorch, a signature of "
        "TensorFlow Lite, a function of Core ML."
    )
    requires: dict[str, str] = Field(
        description="The least versions that run it: of executorch, tensorflow-lite, ios, macos; "
        "arm64-fp16 is asked of arm64 processors alone: the version of Arm's architecture that has "
        "arithmetic in half precision."
    )
    inputs: tuple[TensorPart, ...] = Field(min_length=1)
    outputs: tuple[TensorPart, ...] = Field(min_length=1)
    activations: Activations = "dynamic"
    compute_units: ComputeUnits | None = Field(
        default=None, description="What an app is to let Core ML use; null for other backends."
    )

    @model_validator(mode="after")
    def _has_an_entry_point_for_each_length(self) -> "ArtifactPart":
        if len(self.entry_points) != len(self.seq_lens):
            raise ValueError("not one entry point for each length")
        return self

    def holds(self, name: str) -> bool:
        """Returns whether a file of the bundle is the artifact, or inside of it."""
        return name == self.path or name.startswith(f"{self.path}/")


class VerdictPart(_Part):
    """What the parity check said of one artifact in one runtime at one length."""

    backend: str
    runtime: str
    seq_len: SeqLen
    verdict: Literal["pass", "fail"]
    reason: str


class Manifest(_Part):
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
    thresholds: dict[str, dict[str, _Finite]]
    verdicts: tuple[VerdictPart, ...]
    versions: dict[str, str] = Field(description="Packages that built and tested the artifacts.")
    licences: dict[str, str] = Field(description="By what they are for; names of SPDX.")
    platforms: dict[Platform, tuple[Inside, ...]] = Field(
        description="Files that a platform needs. Its bundle holds these and the manifest."
    )
    files: dict[Inside, _Sha256] = Field(
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
