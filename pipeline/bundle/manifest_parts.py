"""The parts of a manifest: what each holds, and within which bounds."""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from converters.values.artifact import ComputeUnits
from converters.values.precision import Activations, Precision

VOCABULARY = "tokenizer/vocab.txt"
UNICODE_TABLES = "tokenizer/unicode.json"

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
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
SeqLen = Annotated[int, Field(ge=1, le=MAX_SEQ_LEN)]
NumTokens = Annotated[int, Field(ge=0, le=MAX_SEQ_LEN)]
TokenId = Annotated[int, Field(ge=0, lt=MAX_VOCABULARY)]
SeqLens = Annotated[
    tuple[SeqLen, ...],
    Field(min_length=1, max_length=MAX_SEQ_LENS),
    AfterValidator(_ascending),
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
"""A whole number that every reader of JSON has exactly."""
_Label = Annotated[str, Field(max_length=MAX_LABEL_CHARACTERS)]
Rule = bool | Whole | Finite | str
"""The value of one rule of a task."""


class Part(BaseModel):
    """A part of the manifest; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StudentPart(Part):
    """The student that the artifacts were made from; never a path."""

    name: str
    architecture: str
    weights_sha256: str
    licence: str


class TokenizerPart(Part):
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


class TaskPart(Part):
    """What the student answers, and by which rules; the specification of each task has the rest."""

    name: str = Field(min_length=1, description="Such as text-classification.")
    rules: dict[str, Rule] = Field(
        max_length=MAX_RULES, description="Which there are, and their bounds, the task says."
    )
    labels: tuple[_Label, ...] = Field(
        max_length=MAX_LABELS, description="Of a classifier, by their place in its output."
    )


class TensorPart(Part):
    """An input or output: its role, and the name or position that the artifact knows it by."""

    name: str
    artifact_name: str
    dtype: str


class ArtifactPart(Part):
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


class VerdictPart(Part):
    """What the parity check said of one artifact in one runtime at one length."""

    backend: str
    runtime: str
    seq_len: SeqLen
    verdict: Literal["pass", "fail"]
    reason: str
