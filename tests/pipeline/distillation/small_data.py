"""Small data to train on, and a tokenizer that makes a token of each word."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer

from pipeline.tokenizer.tokenization import SPECIAL_TOKENS

Answers = Sequence[tuple[str, int]]
"""Texts, and the characters of the context at which they are said to begin."""


def word_tokenizer(*texts: str) -> Tokenizer:
    """Returns a tokenizer to which each word and each mark of the texts is one token."""
    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]", text.lower())})
    vocabulary = {word: index for index, word in enumerate([*SPECIAL_TOKENS, "[MASK]", *words])}
    return Tokenizer.from_str(BertWordPieceTokenizer(vocab=vocabulary).to_str())


def words_of(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """Returns ids as words with a space between each two."""
    return " ".join(tokenizer.id_to_token(int(each)) for each in ids)


def question(name: Any, text: str, answers: Answers) -> dict[str, Any]:
    """Returns a question as SQuAD files hold it."""
    labels = [{"text": answer, "answer_start": start} for answer, start in answers]
    return {"id": name, "question": text, "answers": labels}


def write_squad(path: Path, contexts: Mapping[str, Sequence[Any]]) -> Path:
    """Writes a SQuAD file with the questions of each context, a value a line."""
    paragraphs = [{"context": context, "qas": list(qas)} for context, qas in contexts.items()]
    document = {"data": [{"title": "one", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def numbered_squad(path: Path, *, num_contexts: int, first: int = 0) -> Path:
    """Writes a SQuAD file with two questions over each of many contexts."""
    contexts = {}
    for number in range(first, first + num_contexts):
        context = f"Tower {number} was lit by the keeper in {1800 + number}."
        year = (str(1800 + number), context.index(str(1800 + number)))
        keeper = ("the keeper", context.index("the keeper"))
        contexts[context] = [
            question(f"when-{number}", f"When was tower {number} lit?", [year, year]),
            question(f"who-{number}", f"Who lit tower {number}?", [keeper]),
        ]
    return write_squad(path, contexts)


def write_qamr(folder: Path, sentences: Mapping[str, str], rows: Iterable[Sequence[str]]) -> Path:
    """Writes a QAMR folder: sentences by name, and ``dev.tsv`` with rows of columns."""
    folder.mkdir(exist_ok=True)
    lines = [f"{name}\t{words}\n" for name, words in sentences.items()]
    (folder / "wiki-sentences.tsv").write_bytes("".join(lines).encode())
    table = ["\t".join(row) + "\n" for row in rows]
    (folder / "dev.tsv").write_bytes("".join(table).encode())
    return folder


def qamr_row(sentence: str, asked: str, *answers: str) -> tuple[str, ...]:
    """Returns a row of QAMR: the writer's answer, and those of validators, as word indices."""
    own, *others = answers
    return (sentence, "0 1", "7", "0", "0", asked, own, *(f"{9}:{other}" for other in others))
