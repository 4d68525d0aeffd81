"""The tokenizers that vectors are made with, and the files that an app reads them from."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer

from pipeline.bundle.manifest_parts import TaskPart, TokenizerPart
from pipeline.files.canonical import canonical_json
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tasks.question_answering.spans import RULES
from pipeline.tasks.question_answering.squad import labelled_questions
from pipeline.tokenizer.tokenization import tokenizer_part, write_tokenizer

STUDENT = Path(__file__).parents[2] / "pipeline" / "student" / "embedded"
TASK = TaskPart(name="question-answering", rules=RULES.model_dump(), labels=())


@cache
def uncased() -> Tokenizer:
    """Returns the embedded student's; nobody changes it."""
    return read_tokenizer(STUDENT)


def cased() -> Tokenizer:
    """Returns one that keeps case and accents, and cleans nothing.

    Capitals, marks, words of the package's questions and jamo stand in place of unused tokens, and
    two added tokens behind the vocabulary, one of which looks like a word.
    """
    tokenizer = with_settings(
        uncased(), clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    pieces = _cased_pieces(vocabulary)
    content["model"]["vocab"] = {
        next(pieces, token) if token.startswith("[unused") else token: id_
        for token, id_ in vocabulary.items()
    }
    made = Tokenizer.from_str(json.dumps(content))
    made.add_special_tokens(["<quote end>", "Brandneuwort"])
    return made


def spelling(texts: Iterable[str], **settings: bool) -> Tokenizer:
    """Returns one whose pieces are single characters: no rule's work on a text hides in [UNK].

    Args:
        texts: That it knows every character of.
        settings: How it normalizes; as the embedded student's otherwise.
    """
    like = json.loads(_without_vocabulary())
    like["normalizer"].update(settings)
    normalizer = BertNormalizer(
        **{key: value for key, value in like["normalizer"].items() if key != "type"}
    )
    known = {each for text in texts for each in text + normalizer.normalize_str(text)}
    characters = sorted(known - {"\n"})
    special = [token["content"] for token in like["added_tokens"]]
    pieces = [*special, *characters, *(f"##{each}" for each in characters)]
    like["model"]["vocab"] = {piece: id_ for id_, piece in enumerate(pieces)}
    for id_, token in enumerate(like["added_tokens"]):
        token["id"] = id_
    return Tokenizer.from_str(json.dumps(like))


def with_settings(tokenizer: Tokenizer, **settings: bool) -> Tokenizer:
    """Returns a tokenizer that normalizes in another way."""
    content = json.loads(tokenizer.to_str())
    content["normalizer"].update(settings)
    return Tokenizer.from_str(json.dumps(content))


def write(tokenizer: Tokenizer, folder: Path) -> TokenizerPart:
    """Writes the tokenizer as a bundle holds it, and what its manifest says of it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(tokenizer, folder / "tokenizer")
    part = tokenizer_part(tokenizer)
    settings = {"tokenizer": part.model_dump(), "task": TASK.model_dump()}
    (folder / "settings.json").write_bytes(canonical_json(settings))
    return part


@cache
def _without_vocabulary() -> str:
    """Returns the embedded student's tokenizer, which takes long to read, as a short text."""
    content = json.loads(uncased().to_str())
    return json.dumps(
        {**content, "model": {**content["model"], "vocab": {}}, "post_processor": None}
    )


def _cased_pieces(vocabulary: dict[str, int]) -> Iterator[str]:
    words = {word for each in labelled_questions() for word in each.context.split()}
    singles = [
        chr(point) for point in (*range(0x41, 0x5B), *range(0xC0, 0x180), *range(0x300, 0x30A))
    ]
    jamo = [chr(point) for point in (*range(0x1100, 0x1113), 0xAC00, 0x302E)]
    capitals = sorted(word for word in words if word.istitle() and word.isalpha())
    pieces = [form + each for each in (*singles, *jamo) for form in ("", "##")] + capitals
    yield from (piece for piece in dict.fromkeys(pieces) if piece not in vocabulary)
