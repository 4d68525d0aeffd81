"""Finds the PyTorch student of a bundle again.

A bundle holds no PyTorch weights and no path, only the student's name and the hash of its weights.
Where that hash was last seen is remembered in the user's cache, one small file a student.

The hash is that of the weights as they were loaded. Where a build trimmed the vocabulary, the
bundle's tokenizer tells which pieces were kept, and the student that is found is trimmed to them.
"""

import json
from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer

from converters.values.errors import InputError, PocketBertError
from pipeline.bundle.manifest_parts import StudentPart, TokenizerPart
from pipeline.bundle.open import Bundle
from pipeline.running import user_cache
from pipeline.student.load import Student, embedded_name, load
from pipeline.tasks import task_of_bundle
from pipeline.tokenizer.tokenization import bundle_tokenizer, tokenizer_part

_READING = (
    "clean_text", "handle_chinese_chars", "strip_accents", "lowercase", "continuing_subword_prefix",
    "max_input_chars_per_word",
)  # fmt: skip
_ADDED = ("added_tokens", "normalized_added_tokens")
"""Settings that trimming a vocabulary leaves as they are, but for the ids of added tokens."""

_FOLDER = "students"


class ReferenceNotFoundError(InputError):
    """The PyTorch student of a bundle is not where it was last seen."""


def remember(student: Student) -> None:
    """Notes where a student's weights lie; a cache that cannot be written is no reason to stop."""
    if student.source is None:
        return
    folder = user_cache.user_cache(_FOLDER)
    if folder is None:
        return
    try:
        user_cache.make(folder)
        path = _note(folder, student.weights_sha256)
        path.write_text(json.dumps({"model": student.source}), encoding="utf-8")
    except OSError:
        return


def find(opened: Bundle, *, named: str | None = None) -> Student:
    """Loads the student that a bundle was made from, with the vocabulary of the bundle.

    Args:
        opened: The bundle.
        named: Where the user says that the student is.

    Raises:
        ReferenceNotFoundError: It cannot be found.
        InputError: What the user named is another student, or the bundle has no tokenizer.
    """
    part = opened.manifest.student
    tokenizer = bundle_tokenizer(opened.folder, opened.manifest.tokenizer)
    if named is not None:
        student = load(named)
        if student.weights_sha256 != part.weights_sha256:
            raise InputError(
                f"{named} is not the student that this bundle was made from",
                hint=f"name the model {part.name} whose weights have sha256 "
                f"{part.weights_sha256[:12]}…",
            )
        return _as_bundled(student, opened, tokenizer)
    task_name = opened.manifest.task.name
    is_embedded = part.name == embedded_name(task_name)
    try:
        student = load(None if is_embedded else _remembered(part), task_name=task_name)
    except ReferenceNotFoundError:
        raise
    except PocketBertError as err:
        raise _not_found(part, err.message) from err
    if student.weights_sha256 != part.weights_sha256:
        raise _not_found(part, "the model there has other weights now")
    try:
        return _as_bundled(student, opened, tokenizer)
    except InputError as err:
        raise _not_found(part, err.message) from err


def _as_bundled(student: Student, opened: Bundle, tokenizer: Tokenizer) -> Student:
    """Returns a student with the vocabulary of a bundle, and the rules that it was built with.

    Raises:
        InputError: Its files are read otherwise than when the bundle was built.
        ManifestDamagedError: A rule is unknown, missing or out of its bounds.
    """
    from pipeline.student import trim  # which brings PyTorch, as a student does

    _check_reading(student, opened.manifest.tokenizer)
    task = task_of_bundle(opened.manifest)
    if task.NAME != student.task.NAME or task.labels != student.task.labels:
        raise InputError(
            f"{student.name} has another task or other labels than this bundle says",
            hint="build the bundle again",
        )
    return replace(trim.to_vocabulary(student, tokenizer), task=task)


def _check_reading(student: Student, stated: TokenizerPart) -> None:
    """Refuses a student whose tokenizer has other settings than the bundle has.

    Raises:
        InputError: A setting differs: the files of the student changed, or are read in another way
            than when the bundle was built.
    """
    own = tokenizer_part(student.tokenizer)
    names = [name for name in _READING if getattr(own, name) != getattr(stated, name)]
    names += [name for name in _ADDED if getattr(own, name).keys() != getattr(stated, name).keys()]
    if (
        "token_type_ids" in student.input_names
        and own.second_token_type != stated.second_token_type
    ):
        names.append("second_token_type")
    if names:
        raise InputError(
            f"{student.name} is read in another way than this bundle says: {', '.join(names)}",
            hint="build the bundle again",
        )


def _remembered(part: StudentPart) -> str:
    folder = user_cache.user_cache(_FOLDER)
    if folder is None:
        raise _not_found(part, "where it lies is noted in this user's cache, which is not used")
    try:
        note = json.loads(_note(folder, part.weights_sha256).read_text(encoding="utf-8"))
        return str(note["model"])
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise _not_found(part, "it was not built on this machine") from err


def _not_found(part: StudentPart, reason: str) -> ReferenceNotFoundError:
    return ReferenceNotFoundError(
        f"the PyTorch student {part.name} of this bundle was not found: {reason}",
        hint="name it with --reference MODEL",
    )


def _note(folder: Path, weights_sha256: str) -> Path:
    return folder / f"{weights_sha256}.json"
