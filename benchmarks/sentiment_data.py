"""Writes what the embedded sentiment student was trained on.

Run it with ``python benchmarks/sentiment_data.py --data DATA --encoder MODEL --folder SENTIMENT``.
From the sets as they are published (films, products, fragments of pros and cons) it makes tables of
labelled texts, sentences without labels of which the teacher is asked, and the list of words whose
pieces are the vocabulary. The same files give the same bytes.
"""

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer

from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.student.trim import pieces_to_keep

NAMES = {"0": "negative", "1": "positive"}
LAST_SENTENCES = 6
"""Of a whole review, which sum it up."""

NUM_FRAGMENTS = 18_000
"""Of pros and cons, that their labels are learnt from: as many as of all the rest and half more."""
NUM_MORE_FRAGMENTS = 8_000
NUM_FILM_SENTENCES = 25_000
NUM_OTHER_SENTENCES = {"amazon_reviews": 30_000, "reddit": 8_000}
"""Without labels, at most."""

TEXTS = ("films", "others")
"""Whose words count for the vocabulary, beside those of all labelled texts."""

MAX_PIECES = 8_850
"""So that four layers of 384 and the vocabulary take less than 22 MB in fp16."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")

Pair = tuple[str, str]
"""A text and its label."""


def write_all(data: Path, folder: Path, tokenizer: Tokenizer) -> None:
    """Writes all files of the training.

    Args:
        data: The folder with the published sets.
        folder: Is made.
        tokenizer: The encoder's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("rotten_tomatoes", "product_reviews_hu_liu", "pros_cons"):
        for split in ("train", "dev"):
            _write_table(folder / f"{name}-{split}.tsv", _read(data / name / f"{split}.tsv"))
    reviews = {split: list(_read(data / "movie_reviews_2k" / f"{split}.tsv"))
               for split in ("train", "dev")}  # fmt: skip
    for split, pairs in reviews.items():
        _write_table(folder / f"movie_ends-{split}.tsv", [_end(*pair) for pair in pairs])
    fragments = list(_read(data / "pros_cons" / "train.tsv"))
    random.Random(1).shuffle(fragments)
    _write_table(folder / "pros_cons-part.tsv", fragments[:NUM_FRAGMENTS])
    more = fragments[NUM_FRAGMENTS : NUM_FRAGMENTS + NUM_MORE_FRAGMENTS]
    draw = random.Random(0)
    films = [each for text, _ in reviews["train"] for each in _sentences(text)]
    draw.shuffle(films)
    others = [each for name in NUM_OTHER_SENTENCES for each in _passages(data, name, draw)]
    for name, texts in zip(TEXTS, (films[:NUM_FILM_SENTENCES], others), strict=True):
        _write_texts(folder / f"{name}-texts.jsonl", texts)
    _write_emotions(data / "goemotions", folder / "goemotions-dev.tsv")
    words = _words(folder, tokenizer)
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    _write_texts(folder / "fragments-texts.jsonl", [text for text, _ in more])


def _read(path: Path) -> Iterator[Pair]:
    for line in path.read_text(encoding="utf-8").split("\n")[1:]:
        if line.strip():
            text, label = line.rsplit("\t", 1)
            yield text, NAMES[label.strip()]


def _write_table(path: Path, pairs: Iterable[Pair]) -> None:
    lines = [f"{text}\t{label}\n" for text, label in pairs]
    path.write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")


def _write_texts(path: Path, texts: Iterable[str]) -> None:
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts]
    path.write_text("".join(lines), encoding="utf-8")


def _sentences(text: str) -> list[str]:
    """Returns the sentences of a text that are neither a word or two nor half a page."""
    cut = [each.strip() for each in _SENTENCE_END.split(text)]
    return [each for each in cut if 4 <= len(each.split()) <= 60]


def _end(text: str, label: str) -> Pair:
    return " ".join(_sentences(text)[-LAST_SENTENCES:]), label


def _passages(data: Path, name: str, draw: random.Random) -> list[str]:
    """Returns sentences of the contexts of a SQuAD file."""
    content = json.loads((data / "squadshifts" / f"{name}.json").read_text(encoding="utf-8"))
    contexts = [each["context"] for article in content["data"] for each in article["paragraphs"]]
    found = [
        each
        for context in contexts
        for each in _sentences(context.replace("\n", " ").replace("\t", " "))
    ]
    found = list(dict.fromkeys(found))
    draw.shuffle(found)
    return found[: NUM_OTHER_SENTENCES[name]]


POSITIVE = {
    "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy",
    "love", "optimism", "pride", "relief",
}  # fmt: skip
NEGATIVE = {
    "anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear",
    "grief", "nervousness", "remorse", "sadness",
}  # fmt: skip
"""The emotions as the set's authors group them; those that are neither are left out."""


def _write_emotions(source: Path, path: Path) -> None:
    """Writes comments whose emotions are of one kind: a domain that nothing is trained on."""
    names = (source / "labels.txt").read_text(encoding="utf-8").split()
    pairs = []
    for line in (source / "dev.tsv").read_text(encoding="utf-8").splitlines():
        text, numbers, _ = line.split("\t")
        said = {names[int(number)] for number in numbers.split(",")}
        if said <= POSITIVE:
            pairs.append((text, "positive"))
        elif said <= NEGATIVE:
            pairs.append((text, "negative"))
    _write_table(path, pairs)


def _words(folder: Path, tokenizer: Tokenizer) -> list[str]:
    """Returns the most frequent words of all texts, as many as the vocabulary has pieces for."""
    counts: Counter[str] = Counter()
    for path in [*folder.glob("*-train.tsv"), *(folder / f"{name}-texts.jsonl" for name in TEXTS)]:
        lines = path.read_text(encoding="utf-8").split("\n")[path.suffix == ".tsv" :]
        for line in filter(str.strip, lines):
            is_table = path.suffix == ".tsv"
            text = line.rsplit("\t", 1)[0] if is_table else json.loads(line)["text"]
            counts.update(_split(text, tokenizer))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    least, most = 1, len(words)
    while least < most:
        middle = (least + most + 1) // 2
        if len(pieces_to_keep(tokenizer, [" ".join(words[:middle])])) <= MAX_PIECES:
            least = middle
        else:
            most = middle - 1
    return words[:least]


def _split(text: str, tokenizer: Tokenizer) -> list[str]:
    plain = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain)]


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with all sets")
    parser.add_argument("--encoder", type=Path, required=True, help="whose vocabulary it is")
    parser.add_argument("--folder", type=Path, required=True, help="is made")
    options = parser.parse_args()
    write_all(options.data, options.folder, read_tokenizer(options.encoder))


if __name__ == "__main__":
    main()
