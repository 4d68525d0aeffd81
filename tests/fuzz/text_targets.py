"""The readers of settings: the manifest, the recipe and the tokenizer's files."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from random import Random

from pipeline.bundle.manifest import (
    FILE_NAME,
    Manifest,
    canonical_json,
    read_manifest,
    write_manifest,
)
from pipeline.conversion.recipe import Recipe, read_recipe, recipe_of, write_recipe
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tokenizer.tokenization import tokenizer_part, vocabulary_text
from tests.bundles import MANIFEST
from tests.fuzz.classifier_targets import OF_A_CLASSIFIER, check_task
from tests.fuzz.loop import Case, Target, WrongAcceptanceError
from tests.fuzz.mutate import CORPUS, SHARE_ARBITRARY, arbitrary, mutate_bytes, mutate_json

_HASH_KEY = "manifest_sha256"
_CONFIG = b'{"model_type": "bert"}'


def manifest_target(work: Path) -> Target:
    """Returns the target of ``read_manifest``: nothing but what was written may be accepted."""
    valid = [_written_manifest(work)]

    def read(folder: Path, case: Case) -> None:
        read_manifest(folder)
        raise WrongAcceptanceError("a changed manifest was read")

    return Target(
        name="manifest", make=_either(FILE_NAME, valid, json_share=0.5), read=read, named=FILE_NAME
    )


def rehashed_manifest_target(work: Path) -> Target:
    """Returns the target of manifests that somebody changed and gave a right hash.

    The hash is no signature: what such a manifest says must be safe, whatever it is.
    """
    valid = [_written_manifest(work), _written_manifest(work, OF_A_CLASSIFIER)]
    make_damaged = _either(FILE_NAME, valid, json_share=1.0)

    def make(random: Random) -> Case:
        case = make_damaged(random)
        try:
            content = json.loads(case.files[FILE_NAME])
            content.pop(_HASH_KEY, None)
            content[_HASH_KEY] = hashlib.sha256(canonical_json(content)).hexdigest()
            written = canonical_json(content)
        except (ValueError, AttributeError, TypeError, RecursionError):
            return case  # no JSON object any more, or of values that have no canonical form
        return Case(files={FILE_NAME: written}, is_mutation=case.is_mutation)

    def read(folder: Path, case: Case) -> None:
        _check_manifest(read_manifest(folder), folder, case.files[FILE_NAME])

    return Target(name="rehashed-manifest", make=make, read=read, named=FILE_NAME)


def recipe_target(work: Path) -> Target:
    """Returns the target of ``read_recipe``."""
    valid = []
    for precision in ("fp32", "int8", "int4"):
        write_recipe(recipe_of(precision), work / "recipe.json")
        valid.append((work / "recipe.json").read_bytes())

    def read(folder: Path, case: Case) -> None:
        recipe = read_recipe(folder / "recipe.json")
        stated = {**Recipe.model_construct().model_dump(), **json.loads(case.files["recipe.json"])}
        if recipe.model_dump(mode="json") != stated:
            raise WrongAcceptanceError(f"it says {stated}, and {recipe} was read")

    return Target(
        name="recipe", make=_either("recipe.json", valid, json_share=0.5), read=read,
        named="recipe.json",
    )  # fmt: skip


def tokenizer_target(work: Path) -> Target:
    """Returns the target of ``read_tokenizer``, by ``tokenizer.json`` or by ``vocab.txt``."""
    names = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")
    valid = {name: (CORPUS / name).read_bytes() for name in names}
    for name, content in {**valid, "config.json": _CONFIG}.items():
        (work / name).write_bytes(content)
    read_tokenizer(work)  # imports transformers, whose memory and time are no case's
    make_packed = _either("packed/tokenizer.json", [valid["tokenizer.json"]], json_share=0.6)
    make_words = _either("words/vocab.txt", [valid["vocab.txt"]], json_share=0.0)
    make_settings = _either(
        "words/tokenizer_config.json", [valid["tokenizer_config.json"]], json_share=0.6
    )

    def make(random: Random) -> Case:
        if random.random() < 0.5:
            return make_packed(random)
        case = random.choice((make_words, make_words, make_settings))(random)
        rest = {f"words/{name}": valid[name] for name in names[1:]}
        return Case(files={**rest, **case.files}, is_mutation=case.is_mutation)

    def make_model(random: Random) -> Case:
        case = make(random)
        folder = Path(next(iter(case.files))).parent
        files = {f"{folder}/config.json": _CONFIG, **case.files}
        return Case(files=files, is_mutation=case.is_mutation)

    def read(folder: Path, case: Case) -> None:
        is_packed = "packed/tokenizer.json" in case.files
        tokenizer = read_tokenizer(folder / ("packed" if is_packed else "words"))
        tokenizer_part(tokenizer)
        tokenizer.encode("A bad cab, a 中 déjà \0 vu? \ud7ff" + "a" * 300)
        vocabulary = tokenizer.get_vocab()
        words = vocabulary_text(tokenizer).removesuffix("\n").split("\n")
        if {word: index for index, word in enumerate(words)} != vocabulary:
            raise WrongAcceptanceError("vocab.txt would give its words other ids")

    return Target(name="tokenizer", make=make_model, read=read, named="")


def _either(name: str, valid: Sequence[bytes], *, json_share: float) -> Callable[[Random], Case]:
    """Returns what damages a file, by its structure or by its bytes."""

    def make(random: Random) -> Case:
        kind = random.random()
        if kind < SHARE_ARBITRARY:
            return Case(files={name: arbitrary(random, valid)}, is_mutation=False)
        damage = mutate_json if random.random() < json_share else mutate_bytes
        return Case(files={name: damage(random, valid)}, is_mutation=True)

    return make


def _written_manifest(work: Path, manifest: Manifest = MANIFEST) -> bytes:
    write_manifest(manifest, work)
    return (work / FILE_NAME).read_bytes()


def _check_manifest(manifest: Manifest, folder: Path, written: bytes) -> None:
    """Checks that a manifest is safe to act on, and reads back as it is."""
    paths = [part.path for part in manifest.artifacts]
    if manifest.task_library is not None:
        paths.append(manifest.task_library.path)
    for path in (*paths, *manifest.files):
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise WrongAcceptanceError(f"{path!r} is no path inside of a bundle")
    for part in manifest.artifacts:
        if not part.seq_lens or part.seq_lens[0] < 1 or part.size_bytes < 0:
            raise WrongAcceptanceError(f"no artifact is like {part}")
    if manifest.task.name == OF_A_CLASSIFIER.task.name:
        check_task(manifest)
    if manifest.schema_version == MANIFEST.schema_version:
        write_manifest(manifest, folder)
        if read_manifest(folder) != manifest:
            raise WrongAcceptanceError("it reads back as another")
        (folder / FILE_NAME).write_bytes(written)
