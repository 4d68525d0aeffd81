"""Folders of all kinds: what is read of them is what transformers reads, or they are refused."""

import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from converters.values.errors import InputError
from pipeline.on_device.wordpiece import open_tokenizer
from pipeline.student import tokenizer_folder
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tokenizer.tokenization import (
    bundle_tokenizer,
    second_type,
    tokenizer_part,
    write_tokenizer,
)

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    *SPECIAL, "<s>", "</s>", "Was", "was", "Café", "café", "cafe", "wa", "##s", "##r", "w", "c",
    "C", "##a", "##f", "##e", "##é", "i", "##o", "##v", "##i", "##d", "covid", "水", "##水", "[",
    "]", "num", "##num", "!", "water",
)  # fmt: skip
TEXTS = (
    "Was Café Cafe\u0301 water WAS", "水waS水!", "covid COVID coviD acovid covids",
    "[NUM] [num] a[SEP]b", "<s> </s> [MASK]", "two  words TWO words",
    "İ ß ﬁ \0 \u200d c\ufffda", "",
)  # fmt: skip
BERT = {"model_type": "bert"}
SOURCES = ("vocab", "packed", "both")


def packed(words: tuple[str, ...] = WORDS, **normalizer: object) -> dict[str, Any]:
    """Returns the content of a tokenizer.json as save_pretrained writes it."""
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst",
                       "stride": 0},
        "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [added(token, words.index(token), special=True) for token in SPECIAL],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
            "strip_accents": None, "lowercase": True, **normalizer,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: index for index, word in enumerate(words)},
        },
    }  # fmt: skip


def added(content: str, index: int, **settings: bool) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": content, **flags, "special": False, **settings}


def lines(words: tuple[str, ...] = WORDS, end: str = "\n") -> bytes:
    return "".join(f"{word}{end}" for word in words).encode()


def write(folder: Path, **files: Any) -> Path:
    """Writes a folder of ``config.json`` and others: bytes as they are, and the rest as JSON."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in {"config": BERT, **files}.items():
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / f"{name}.{'txt' if name == 'vocab' else 'json'}").write_bytes(raw)
    return folder


def source(kind: str, **normalizer: object) -> dict[str, Any]:
    """Returns the files that hold the vocabulary."""
    files: dict[str, Any] = {}
    if kind != "packed":
        files["vocab"] = lines()
    if kind != "vocab":
        files["tokenizer"] = packed(**normalizer)
    return files


def compare(folder: Path) -> str | None:
    """Holds what is read against transformers, and what an app reads; returns why it is refused."""
    try:
        made = AutoTokenizer.from_pretrained(folder)
    except Exception:  # whatever it stumbles over
        made = None
    try:
        tokenizer = read_tokenizer(folder)
    except InputError as err:
        assert str(folder) in err.message
        assert err.hint
        assert "\n" not in err.message
        return err.message
    assert made is not None, "transformers reads nothing"
    write_tokenizer(tokenizer, folder / "tokenizer")
    part = tokenizer_part(tokenizer)
    app, again = open_tokenizer(folder, part), bundle_tokenizer(folder, part)
    for text in TEXTS:
        expected = made(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = expected["input_ids"], expected["offset_mapping"]
        for found in (tokenizer, again):
            encoding = found.encode(text, add_special_tokens=False)
            assert (encoding.ids, encoding.offsets) == (ids, offsets), text
        tokens = app.tokenize(text)
        assert (list(tokens.ids), list(tokens.offsets)) == (ids, offsets), text
    pair, expected = tokenizer.encode(*TEXTS[:2]), made(*TEXTS[:2])
    assert pair.ids == expected["input_ids"]
    assert pair.type_ids == expected.get("token_type_ids", [0] * len(pair.ids))
    assert part.second_token_type == second_type(again) == pair.type_ids[-1]
    return None


CLASSES = (
    None, "BertTokenizer", "BertTokenizerFast", "DistilBertTokenizerFast", "ElectraTokenizerFast",
    "MobileBertTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend",
)  # fmt: skip
SWITCHES = [
    dict(pairs)
    for pairs in itertools.product(
        [("lowercase", True), ("lowercase", False)],
        [("strip_accents", None), ("strip_accents", True), ("strip_accents", False)],
        [("handle_chinese_chars", True), ("handle_chinese_chars", False)],
        [("clean_text", True), ("clean_text", False)],
    )
]
SETTINGS = [
    {key: value for key, value in pairs if value != "absent"}
    for pairs in itertools.product(
        [("do_lower_case", value) for value in (True, False, "absent")],
        [("strip_accents", value) for value in (None, True, False, "absent")],
        [("tokenize_chinese_chars", value) for value in (True, False, "absent")],
    )
]
CONTRADICTIONS = random.Random(1).sample(
    list(itertools.product(SOURCES, SWITCHES, SETTINGS, CLASSES)), 200
)


def test_files_that_contradict_each_other_are_read_as_transformers_reads_them(tmp_path):
    num_read = 0
    for number, (kind, switches, settings, name) in enumerate(CONTRADICTIONS):
        named = {**settings, **({"tokenizer_class": name} if name else {})}
        folder = write(tmp_path / str(number), **source(kind, **switches), tokenizer_config=named)
        refused = compare(folder)
        num_read += refused is None
        # Without a tokenizer.json transformers has nothing to make a tokenizer of no class from.
        assert (refused is None) != (kind == "vocab" and name in CLASSES[-2:]), refused
    assert num_read > 150


HOMES = ("tokenizer.json", "added_tokens.json", "added_tokens_decoder", "special_tokens_map.json")
ADDED = ("[NUM]", "covid", "Naïve", "two  words", "水", "##d", "water")


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("home", HOMES)
def test_added_tokens_are_read_wherever_they_stand(tmp_path, home, kind):
    num_read = 0
    for token, flags, name in itertools.product(
        ADDED, itertools.product([True, False], repeat=2), (None, "PreTrainedTokenizerFast")
    ):
        files = source(kind)
        settings: dict[str, Any] = {"tokenizer_class": name} if name else {}
        described = added(
            token, (*WORDS, token).index(token), normalized=flags[0], special=flags[1]
        )
        if home == "tokenizer.json" and kind != "vocab":
            files["tokenizer"]["added_tokens"].append(described)
        elif home == "added_tokens.json":
            files["added_tokens"] = {token: described["id"]}
        elif home == "added_tokens_decoder":
            index = str(described.pop("id"))
            settings["added_tokens_decoder"] = {index: described}
        else:
            files["special_tokens_map"] = {"additional_special_tokens": [token]}
        folder = write(tmp_path / f"{num_read}", **files, tokenizer_config=settings)
        refused = compare(folder)
        assert (refused is None) != (kind == "vocab" and name is not None), refused
        num_read += refused is None
        for path in folder.glob("*.json"):
            path.unlink()
    assert num_read > 20


def test_added_tokens_json_beside_vocab_txt_makes_one_token(tmp_path):
    write(tmp_path, vocab=lines(), added_tokens={"[NUM]": len(WORDS), "[URL]": len(WORDS) + 1})
    encoding = read_tokenizer(tmp_path).encode("Cafe [NUM] [url]", add_special_tokens=False)
    assert encoding.ids[-2:] == [len(WORDS), len(WORDS) + 1]


def test_setting_of_case_beats_the_packed_tokenizer(tmp_path):
    settings = {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}
    write(tmp_path, **source("both"), tokenizer_config=settings)
    assert read_tokenizer(tmp_path).encode("Was Café", add_special_tokens=False).tokens == [
        "Was", "Café",
    ]  # fmt: skip


INPUTS = (
    ["input_ids", "attention_mask"],
    ["input_ids", "token_type_ids", "attention_mask"],
    ["attention_mask", "input_ids"],
    ["input_ids"],
    [],
    None,
)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("kind", ["packed", "both"])
def test_token_types_are_those_of_the_inputs_that_transformers_makes(tmp_path, kind, name):
    seen = set()
    for number, names in enumerate(INPUTS):
        settings: dict[str, Any] = {"tokenizer_class": name} if name else {}
        if names is not None:
            settings["model_input_names"] = names
        folder = write(tmp_path / str(number), **source(kind), tokenizer_config=settings)
        if (refused := compare(folder)) is None:
            seen.add(tokenizer_part(read_tokenizer(folder)).second_token_type)
        else:
            assert names == [], refused
    assert seen == {0, 1}


NAMES = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


@pytest.mark.parametrize("home", ["tokenizer_config", "special_tokens_map"])
@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("key", sorted(NAMES))
def test_special_tokens_of_other_names_are_refused_by_name(tmp_path, key, kind, home):
    for number, (name, form) in enumerate(
        itertools.product(["<s>", "<new>", NAMES[key]], [str, dict])
    ):
        value = name if form is str else {**added(name, 0), "__type": "AddedToken"}
        if form is dict:
            value.pop("id")
            if home == "special_tokens_map":
                value.pop("__type")
        folder = write(tmp_path / str(number), **source(kind), **{home: {key: value}})
        refused = compare(folder)
        if name == NAMES[key]:
            assert refused is None
        else:
            assert refused is not None
            assert name in refused


@pytest.mark.parametrize(
    "content",
    [
        lines(end="\r\n"),
        lines().removesuffix(b"\n"),
        lines() + b"\n",
        lines() + b"\r\n\n \n",
        lines((*WORDS[:9], "", *WORDS[9:])),
        lines((*WORDS[:9], "  ", "", *WORDS[9:], "\u3000")),
        lines((*WORDS, "was")),
        lines((*WORDS, "was", "café", "was")),
        lines((*WORDS, "[MASK]")),
        lines((*WORDS, "\u2028", "\x85", "x\u2028y", "\x0b", "z")),
        lines().replace(b"was\n", b"was \t\n").replace(b"water\n", b"water\r\n"),
        lines((*WORDS, "[no token 8]", "was")),
    ],
)
def test_lines_of_any_kind_have_the_ids_that_transformers_gives(tmp_path, content):
    assert compare(write(tmp_path, vocab=content)) is None


def test_doubled_line_is_the_later_one_and_leaves_a_token_that_no_text_has(tmp_path):
    write(tmp_path, vocab=lines((*WORDS, "was")))
    tokenizer = read_tokenizer(tmp_path)
    assert tokenizer.encode("was", add_special_tokens=False).ids == [len(WORDS)]
    unused = tokenizer.id_to_token(WORDS.index("was"))
    assert unused == f"[no token {WORDS.index('was')}]"
    found = tokenizer.encode(f"{unused} {unused.upper()}", add_special_tokens=False)
    assert WORDS.index("was") not in found.ids


def test_blank_line_at_the_end_is_no_token(tmp_path):
    write(tmp_path, vocab=lines() + b"\n")
    assert read_tokenizer(tmp_path).get_vocab_size() == len(WORDS)


def test_ids_with_holes_in_a_packed_tokenizer_are_kept(tmp_path):
    content = packed()
    content["model"]["vocab"]["far"] = 99
    write(tmp_path, tokenizer=content)
    assert compare(tmp_path) is None
    assert read_tokenizer(tmp_path).token_to_id("far") == 99


FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}


@pytest.fixture
def few_calls() -> Iterator[None]:
    """Python's own limit of calls inside one another, which libraries raise for a while."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def changed(**parts: Any) -> dict[str, Any]:
    content = packed()
    for name, part in parts.items():
        content[name] = {**content[name], **part} if isinstance(part, dict) else part
    return content


def with_pairs(pair: str) -> dict[str, Any]:
    """Returns a tokenizer.json that sets special tokens around two texts in a way of its own."""
    tokenizer = Tokenizer.from_str(json.dumps(packed()))
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    described: dict[str, Any] = json.loads(tokenizer.to_str())
    return described


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"tokenizer_config": {"tokenizer_class": "BertJapaneseTokenizer"}},
         "BertJapaneseTokenizer"),
        ({"config": {**BERT, "tokenizer_class": "BertJapaneseTokenizer"}}, "BertJapaneseTokenizer"),
        ({"tokenizer_config": {"tokenizer_class": "RobertaTokenizer"}}, "RobertaTokenizer"),
        ({"tokenizer_config": {"tokenizer_class": ["BertTokenizer"]}}, "names a "),
        ({"config": {"model_type": "roberta"}}, "Roberta"),
        ({"tokenizer_config": {"auto_map": {"AutoTokenizer": ["a.b", None]}}}, "code of its own"),
        ({"tokenizer_config": {"vocab": "/etc/passwd"}}, "sets vocab"),
        ({"tokenizer_config": {"init_inputs": [{"a": 1}]}}, "sets init_inputs"),
        ({"tokenizer_config": {"fast_tokenizer_files": ["tokenizer.4.0.json"]}},
         "fast_tokenizer_files"),
        ({"tokenizer_config": {"split_special_tokens": True}}, "split_special_tokens"),
        ({"tokenizer_config": {"do_lower_case": "yes"}}, "TypeError"),
        ({"tokenizer_config": b"[]"}, "tokenizer_config.json holds no JSON object"),
        ({"special_tokens_map": b"{"}, "special_tokens_map.json is not valid JSON"),
        ({"added_tokens": b"\xff"}, "added_tokens.json is not valid JSON"),
        ({"vocab": b"\xef\xbb\xbf" + lines()}, r"vocab.txt begins with a byte order mark"),
        ({"vocab": lines(WORDS[1:])}, r"vocab.txt lacks \[PAD\]"),
        ({"vocab": b"\xff"}, "vocab.txt is not UTF-8"),
        ({"tokenizer": changed(added_tokens=[added("x", 50, odd=True)])}, "by 'odd', which is no"),
        ({"special_tokens_map": {"cls_token": {"content": "[CLS]", "odd": 1}}}, "by 'odd'"),
        ({"special_tokens_map": {"extra_special_tokens": [{"content": "x", "odd": 1}]}}, "'odd'"),
        ({"tokenizer_config": b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}"},
         "RecursionError|nested too deeply"),
        ({"tokenizer_config": {"added_tokens_decoder": {"50": {"content": "x", "\x1b[2J": 1}}}},
         r"by '\\x1b\[2J'"),
        ({"tokenizer_config": {"a": [{"b": {"__type": "AddedToken", "content": "x", "odd": 1}}]}},
         "by 'odd'"),
        ({"tokenizer": changed(added_tokens=[added("x", 50, lstrip=True)])}, "'x' is lstrip"),
        ({"tokenizer": changed(added_tokens=[added("x", 50, single_word=True)])}, "'x' is single"),
        ({"tokenizer": changed(added_tokens=[added("\u0301", 50, normalized=True)])},
         "nothing is left of the added token"),
        ({"tokenizer": changed(added_tokens=[
            added("covid", WORDS.index("covid"), normalized=True),
            added("COVID", len(WORDS), normalized=True, special=True)])},
         "left to chance"),
        ({"tokenizer": changed(model={"max_input_chars_per_word": 10**12})},
         "up to 1000000000000 characters"),
        ({"tokenizer": changed(model={"max_input_chars_per_word": 0})}, "up to 0 characters"),
        ({"tokenizer": changed(model={"max_input_chars_per_word": 257})}, "up to 257 characters"),
        ({"tokenizer": changed(model={"max_input_chars_per_word": -1})}, "up to -1 characters"),
        ({"tokenizer": changed(model={"vocab": {"a": 10**9}})}, "gives 'a' the id 1000000000"),
        ({"tokenizer": changed(model={"type": "BPE"})}, "holds a BPE tokenizer"),
        ({"tokenizer": changed(normalizer={"type": "NFC"}), "tokenizer_config": FAST}, "with NFC"),
        ({"tokenizer": with_pairs("[CLS]:0 $A:0 [SEP]:0 [SEP]:0 $B:1 [SEP]:1"),
          "tokenizer_config": FAST}, "of two texts"),
        ({"tokenizer": with_pairs("[CLS]:1 $A:1 [SEP]:1 $B:0 [SEP]:0"),
          "tokenizer_config": {**FAST, "model_input_names": ["input_ids", "token_type_ids"]}},
         "of two texts"),
        ({"tokenizer": changed(post_processor=None), "tokenizer_config": FAST}, "of two texts"),
    ],
)  # fmt: skip
def test_what_an_app_could_not_repeat_is_refused_with_the_reason(
    tmp_path, capfd, few_calls, files, match
):
    if "tokenizer" not in files:
        files = {"vocab": lines(), **files}
    write(tmp_path, **files)
    with pytest.raises(InputError, match=match) as caught:
        read_tokenizer(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", SOURCES)
def test_folder_without_config_json_is_read_or_refused_as_transformers_does(tmp_path, kind):
    for number, name in enumerate(CLASSES):
        settings = {"tokenizer_class": name} if name else {}
        folder = write(tmp_path / str(number), **source(kind), tokenizer_config=settings)
        (folder / "config.json").unlink()
        refused = compare(folder)
        if name is None and kind == "vocab":
            assert refused is not None
            assert "which has no config.json" in refused


def test_vocabulary_of_a_million_lines_and_more_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", None)
    write(tmp_path, vocab=lines() + b"x\n" * tokenizer_folder.MAX_VOCABULARY)
    with pytest.raises(InputError, match=r"holds 1,048,\d{3} tokens, where at most"):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["vocab", "tokenizer", "tokenizer_config", "added_tokens"])
def test_file_of_too_many_bytes_is_refused_unread(tmp_path, monkeypatch, name):
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", None)
    folder = write(tmp_path, **source("both"), tokenizer_config={}, added_tokens={})
    if name == "vocab":
        (folder / "tokenizer.json").unlink()
    path = folder / f"{name}.{'txt' if name == 'vocab' else 'json'}"
    with path.open("r+b") as file:
        file.truncate(tokenizer_folder.MAX_VOCABULARY_BYTES + 1)  # a hole, which takes no place
    with pytest.raises(InputError, match=f"{path.name} has 50,000,001 bytes, where at most"):
        read_tokenizer(folder)


def test_packed_tokenizer_of_too_many_tokens_is_refused(tmp_path, monkeypatch):
    write(tmp_path, tokenizer=packed())
    monkeypatch.setattr(tokenizer_folder, "MAX_VOCABULARY", len(WORDS))
    with pytest.raises(InputError, match=f"holds {len(WORDS) + len(SPECIAL)} tokens, where"):
        read_tokenizer(tmp_path)


def test_too_many_added_tokens_are_refused(tmp_path, monkeypatch):
    write(tmp_path, vocab=lines(), added_tokens={"x1": 50, "x2": 51})
    monkeypatch.setattr(tokenizer_folder, "MAX_ADDED_TOKENS", len(SPECIAL) + 1)
    with pytest.raises(InputError, match="more than 6 tokens are added"):
        read_tokenizer(tmp_path)
