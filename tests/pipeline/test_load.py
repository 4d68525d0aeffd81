import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForQuestionAnswering,
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
)

from pipeline.errors import InputError
from pipeline.load import ENCODERS, _name, load
from pipeline.tokenization import read_tokenizer
from tests.command import ROOT
from tests.hub_standin import environment, serve
from tests.students import ARCHITECTURES, make_model, save_tokenizer

TEXTS = (
    "The keeper's cottages, built in 1871, house an observatory.",
    "Ünïcödé naïve café 東京タワー lit 3 October",
    "unfamiliarwordthatnovocabularyholds [SEP] 41.5 %",
)


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, {"format": "pt"})


def change_tokenizer(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_load_folder_gives_the_model_that_was_saved(students, student_folders, architecture):
    student = students[architecture]
    saved = make_model(architecture).state_dict()
    assert saved.keys() == student.model.state_dict().keys()
    for name, weight in student.model.state_dict().items():
        assert torch.equal(weight, saved[name]), name
    assert not student.model.training
    assert student.name == architecture
    assert student.source == str(student_folders[architecture])
    assert student.max_seq_len == 512
    assert student.task.NAME == "question-answering"
    assert student.licence == "unknown"
    takes_types = "token_type_ids" in student.input_names
    assert student.input_names[:2] == ("input_ids", "attention_mask")
    assert takes_types == (architecture != "distilbert")


def test_load_nothing_gives_the_embedded_student():
    student = load()
    assert (student.name, student.source) == ("embedded", None)
    assert student.input_names == ("input_ids", "attention_mask")
    assert {weight.dtype for weight in student.model.parameters()} == {torch.float32}
    assert student.tokenizer.encode("Who designed the lighthouse?").tokens[0] == "[CLS]"


def test_load_relative_folder_gives_an_absolute_source(student_folder, monkeypatch):
    monkeypatch.chdir(student_folder.parent)
    student = load(student_folder.name)
    assert student.source == str(student_folder)


def test_load_fp16_weights_gives_fp32_of_the_same_values(student_copy, students):
    change_weights(
        student_copy,
        lambda weights: weights.update({name: value.half() for name, value in weights.items()}),
    )
    change_config(student_copy, dtype="float16", torch_dtype="float16")
    loaded = load(str(student_copy))
    original = students["distilbert"]
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}
    for name, weight in loaded.model.named_parameters():
        assert torch.equal(weight, original.model.get_parameter(name).half().float()), name
    assert loaded.weights_sha256 != original.weights_sha256


def test_load_sharded_weights_gives_the_same_student(student_copy, students):
    (student_copy / "model.safetensors").unlink()
    make_model("distilbert").save_pretrained(student_copy, max_shard_size="100KB")
    assert len(list(student_copy.glob("*.safetensors"))) > 2
    assert load(str(student_copy)).weights_sha256 == students["distilbert"].weights_sha256


def test_load_same_weights_in_another_folder_gives_the_same_hash(student_copy, students):
    assert load(str(student_copy)).weights_sha256 == students["distilbert"].weights_sha256


def test_load_one_changed_weight_gives_another_hash(student_copy, students):
    def nudge(weights: dict[str, torch.Tensor]) -> None:
        weights["qa_outputs.bias"][0] += 1e-6

    change_weights(student_copy, nudge)
    assert load(str(student_copy)).weights_sha256 != students["distilbert"].weights_sha256


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        (b"---\nlicense: mit\n---\n# A model\n", "mit"),
        (b"---\r\nlanguage: en\r\nlicense: apache-2.0\r\n---\r\n", "apache-2.0"),
        (b"# A model\nlicense: mit\n", "unknown"),
        (b"---\nlanguage: en\n---\n# Body\nlicense: not-a-header\n", "unknown"),
        (b"---\nlicense: mit\n---\nNa\xefve, in Latin-1\n", "mit"),
    ],
)
def test_load_reads_the_licence_from_the_card_header(student_copy, card, licence):
    (student_copy / "README.md").write_bytes(card)
    assert load(str(student_copy)).licence == licence


def test_tokenizer_from_vocabulary_gives_the_ids_of_the_packed_one(student_copy):
    packed = read_tokenizer(student_copy)
    (student_copy / "tokenizer.json").unlink()
    from_words = read_tokenizer(student_copy)
    for text in TEXTS:
        for special in (True, False):
            expected = packed.encode(text, add_special_tokens=special)
            actual = from_words.encode(text, add_special_tokens=special)
            assert (actual.ids, actual.offsets) == (expected.ids, expected.offsets)


def test_tokenizer_from_packed_file_alone(student_copy):
    expected = read_tokenizer(student_copy)
    (student_copy / "vocab.txt").unlink()
    (student_copy / "tokenizer_config.json").unlink()
    actual = load(str(student_copy)).tokenizer
    assert [actual.encode(text).ids for text in TEXTS] == [
        expected.encode(text).ids for text in TEXTS
    ]


def test_tokenizer_from_cased_vocabulary_keeps_case(tmp_path):
    (tmp_path / "vocab.txt").write_text(
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nRain\nrain\ncaf\ncafé\n"
    )
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert read_tokenizer(tmp_path).encode("Rain rain café").ids == [2, 5, 6, 8, 3]


def test_tokenizer_from_vocabulary_cuts_lines_at_newlines_only(tmp_path):
    """Other characters that Python calls line ends are tokens in some vocabularies."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2028", "\x85", "rain"]
    (tmp_path / "vocab.txt").write_bytes("".join(f"{word}\n" for word in words).encode())
    assert read_tokenizer(tmp_path).token_to_id("rain") == 7


def test_tokenizer_from_vocabulary_with_windows_line_ends(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nrain\r\n")
    assert read_tokenizer(tmp_path).encode("rain").ids == [2, 5, 3]


def test_tokenizer_truncation_and_padding_are_switched_off(student_copy):
    expected = read_tokenizer(student_copy)
    saved = Tokenizer.from_file(str(student_copy / "tokenizer.json"))
    saved.enable_truncation(8)
    saved.enable_padding(length=16)
    saved.save(str(student_copy / "tokenizer.json"))
    read = read_tokenizer(student_copy)
    assert (read.truncation, read.padding) == (None, None)
    assert [read.encode(text).ids for text in TEXTS] == [
        expected.encode(text).ids for text in TEXTS
    ]


def refuses(folder: str | Path, match: str) -> InputError:
    """Checks that a load is refused in one line that says what to do, and returns the error."""
    with pytest.raises(InputError, match=match) as caught:
        load(str(folder))
    error = caught.value
    assert error.exit_code == 2
    assert error.hint
    assert "\n" not in error.message + error.hint
    return error


@pytest.mark.parametrize(
    "name", ["./absent", "/absent/folder", "a/b/c", "no model", "..", "x" * 300]
)
def test_load_no_such_folder_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuses(name, "no folder|no config.json|no model")


def test_load_file_instead_of_folder_is_refused(student_folder):
    refuses(student_folder / "config.json", "is a file, not a model")


def test_load_empty_folder_is_refused(tmp_path):
    refuses(tmp_path, "no config.json in")


def test_load_without_tokenizer_is_refused(student_copy):
    (student_copy / "tokenizer.json").unlink()
    (student_copy / "vocab.txt").unlink()
    refuses(student_copy, "no tokenizer in")


def test_load_without_weights_is_refused(student_copy):
    (student_copy / "model.safetensors").unlink()
    refuses(student_copy, "no weights in")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"not json", b"\xff\xfe", b"[]", b'"bert"', b"[" * 100_000]
)
def test_load_config_that_is_no_json_object_is_refused(student_copy, content):
    (student_copy / "config.json").write_bytes(content)
    refuses(student_copy, "is not valid JSON|holds no JSON object")


@pytest.mark.parametrize("kind", ["roberta", "gpt2", None, ["bert"], ""])
def test_load_unsupported_encoder_is_refused_and_lists_the_supported(student_copy, kind):
    change_config(student_copy, model_type=kind)
    error = refuses(student_copy, f"type {kind!r}, which is not supported".replace("[", r"\["))
    assert all(name in error.hint for name in ENCODERS)


@pytest.mark.parametrize("architectures", [[], None])
def test_load_config_without_architecture_is_refused(student_copy, architectures):
    change_config(student_copy, architectures=architectures)
    refuses(student_copy, "names no architecture")


@pytest.mark.parametrize(
    ("architectures", "match"),
    [
        (["DistilBertForMaskedLM"], "DistilBertForMaskedLM, a task that is not supported"),
        (["DistilBertModel"], "DistilBertModel, a task that is not supported"),
        (["NoSuchForQuestionAnswering"], "has no NoSuchForQuestionAnswering"),
        (["BertForQuestionAnswering"], "BertForQuestionAnswering, .*distilbert"),
        (["RobertaForQuestionAnswering"], "RobertaForQuestionAnswering, .*distilbert"),
        ("DistilBertForQuestionAnswering", "config.json"),
        ([1], "config.json|not supported"),
    ],
)
def test_load_architecture_that_does_not_fit_is_refused(student_copy, architectures, match):
    change_config(student_copy, architectures=architectures)
    refuses(student_copy, match)


def test_load_masked_language_model_is_refused(tmp_path, tokenizer):
    config = BertConfig(
        vocab_size=800, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    refuses(tmp_path, "BertForMaskedLM, a task that is not supported")


@pytest.mark.parametrize(
    "changes",
    [
        {"dim": "wide"}, {"dim": -4}, {"dim": 63}, {"n_heads": 0}, {"n_heads": 7},
        {"vocab_size": None}, {"vocab_size": "many"}, {"max_position_embeddings": None},
        {"activation": "no-such-function"}, {"n_layers": -1}, {"n_layers": 0}, {"n_layers": 1},
        {"n_layers": 3},
        {"id2label": {"0": "a", "1": "b", "2": "c"}},
    ],
    ids=str,
)  # fmt: skip
def test_load_config_with_an_impossible_value_is_refused(student_copy, changes):
    change_config(student_copy, **changes)
    refuses(student_copy, "config.json|the weights in .* lack")


def test_load_head_of_another_size_is_refused(tmp_path, tokenizer):
    config = BertConfig(
        vocab_size=800, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, num_labels=3,
    )  # fmt: skip
    BertForQuestionAnswering(config).save_pretrained(tmp_path)
    save_tokenizer(tokenizer, tmp_path)
    refuses(tmp_path, "a head of 3 outputs a token, and question-answering has 2")


def test_load_vocabulary_larger_than_the_embedding_is_refused(student_copy):
    def add_word(content: dict[str, Any]) -> None:
        content["model"]["vocab"]["superfluous"] = 800

    change_tokenizer(student_copy, add_word)
    refuses(student_copy, "ids up to 800, the model an embedding of 800")


@pytest.mark.parametrize("token", ["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
def test_load_vocabulary_file_without_a_special_token_is_refused(student_copy, token):
    (student_copy / "tokenizer.json").unlink()
    path = student_copy / "vocab.txt"
    path.write_text(path.read_text().replace(f"{token}\n", "other\n"))
    refuses(student_copy, f"lacks \\{token}")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"\n\n\n", b"\x00\x01"])
def test_load_vocabulary_file_that_is_none_is_refused(student_copy, content):
    (student_copy / "tokenizer.json").unlink()
    (student_copy / "vocab.txt").write_bytes(content)
    refuses(student_copy, "vocab")


def test_load_byte_pair_tokenizer_is_refused(student_copy):
    other = Tokenizer(models.BPE(unk_token="[UNK]"))
    other.pre_tokenizer = pre_tokenizers.Whitespace()
    other.save(str(student_copy / "tokenizer.json"))
    refuses(student_copy, "holds a BPE tokenizer; only WordPiece")


def test_load_word_piece_with_another_splitter_is_refused(student_copy):
    change_tokenizer(
        student_copy, lambda content: content.update(pre_tokenizer={"type": "Whitespace"})
    )
    refuses(student_copy, "splits with Whitespace")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"\xff", b'{"model": []}', b'{"model": {"type": "WordPiece"}}',
        b'{"model": {"type": "WordPiece", "vocab": {"a": -1}}}',
    ],
)  # fmt: skip
def test_load_damaged_packed_tokenizer_is_refused(student_copy, content):
    (student_copy / "tokenizer.json").write_bytes(content)
    refuses(student_copy, "tokenizer.json")


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_load_truncated_weights_are_refused(student_copy, kept):
    path = student_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    refuses(student_copy, "model.safetensors is damaged")


@pytest.mark.parametrize(
    "content", [b"garbage" * 100, b"\xff" * 64, b"\x00" * 64, b"<!DOCTYPE html><html></html>"]
)
def test_load_garbage_weights_are_refused(student_copy, content):
    (student_copy / "model.safetensors").write_bytes(content)
    refuses(student_copy, "model.safetensors is damaged")


@pytest.mark.parametrize(
    "index", [b"", b"{}", b"[]", b'{"weight_map": {"a": "absent.safetensors"}}']
)
def test_load_damaged_shard_index_is_refused(student_copy, index):
    (student_copy / "model.safetensors").rename(student_copy / "model-00001-of-00002.safetensors")
    (student_copy / "model.safetensors.index.json").write_bytes(index)
    refuses(student_copy, "the weights in")


def test_load_missing_shard_is_refused(student_copy):
    (student_copy / "model.safetensors").unlink()
    make_model("distilbert").save_pretrained(student_copy, max_shard_size="100KB")
    sorted(student_copy.glob("*.safetensors"))[-1].unlink()
    refuses(student_copy, "the weights in")


def test_load_weights_of_another_shape_are_refused(student_copy):
    def cut(weights: dict[str, torch.Tensor]) -> None:
        name = "distilbert.embeddings.word_embeddings.weight"
        weights[name] = weights[name][:, :32].clone()

    change_weights(student_copy, cut)
    refuses(student_copy, "do not fit its config.json")


def test_load_weights_without_the_head_are_refused(student_copy):
    change_weights(student_copy, lambda weights: weights.pop("qa_outputs.weight"))
    refuses(student_copy, "lack qa_outputs.weight")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_load_weights_that_are_not_finite_are_refused(student_copy, value):
    def poison(weights: dict[str, torch.Tensor]) -> None:
        weights["distilbert.transformer.layer.1.ffn.lin1.weight"][3, 5] = value

    change_weights(student_copy, poison)
    refuses(student_copy, "layer.1.ffn.lin1.weight holds NaN or infinity")


@pytest.mark.parametrize(
    ("folder_name", "num_files"), [("plain", 1), ("with 'quotes', $HOME and spaces", 2)]
)
def test_load_pickle_is_refused_with_a_line_that_converts_it(
    student_copy, students, tmp_path, folder_name, num_files
):
    folder = student_copy.rename(tmp_path / folder_name)
    weights = load_file(folder / "model.safetensors")
    # A shared tensor, as tied embeddings are in real checkpoints.
    weights["qa_outputs.extra"] = weights["qa_outputs.bias"]
    if num_files == 1:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        names = sorted(weights)
        for index in range(num_files):
            part = {name: weights[name] for name in names[index::num_files]}
            torch.save(part, folder / f"pytorch_model-0000{index}-of-0000{num_files}.bin")
    (folder / "model.safetensors").unlink()
    error = refuses(folder, "pytorch_model.*bin is a pickle")
    line = error.hint.partition("convert it: ")[2]
    assert shlex.split(line)[:2] == ["python", "-c"]
    # Only the name of the interpreter is replaced: the environment need not be activated here.
    subprocess.run(
        line.replace("python", shlex.quote(sys.executable), 1), shell=True, check=True, timeout=60
    )
    assert load(str(folder)).weights_sha256 == students["distilbert"].weights_sha256


def test_load_gives_the_numbers_of_transformers_own_loading(student_folder, students):
    ids = torch.tensor([students["distilbert"].tokenizer.encode(TEXTS[0]).ids])
    with torch.inference_mode():
        expected = AutoModelForQuestionAnswering.from_pretrained(student_folder)(ids)
        actual = students["distilbert"].model(ids)
    torch.testing.assert_close(actual.start_logits, expected.start_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(actual.end_logits, expected.end_logits, atol=1e-5, rtol=0)


LOAD_FROM_HUB = """
import sys, time
from pipeline.errors import PocketBertError
from pipeline.load import load
for name in sys.argv[1:]:
    begin = time.monotonic()
    try:
        student = load(name)
        print("loaded", student.name, student.source, student.weights_sha256)
    except PocketBertError as err:
        print(err.exit_code, err.message, "HINT", err.hint)
        assert time.monotonic() - begin < 10, "that took too long"
"""


def load_from_hub(endpoint: str, home: Path, *names: str) -> list[str]:
    """Returns a line for each load in a new interpreter: what was loaded, or the error."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD_FROM_HUB, *names],
        cwd=ROOT,
        env=environment(endpoint, home=home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def hub_home(tmp_path_factory) -> Path:
    """The cache of the tests that ask a Hub."""
    return Path(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def hub_lines(student_folder, hub_home, tmp_path_factory) -> dict[str, str]:
    """What comes of loading each of these names from a Hub."""
    pickled = tmp_path_factory.mktemp("pickled")
    for name in ("config.json", "tokenizer.json"):
        (pickled / name).write_bytes((student_folder / name).read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"pickle")
    repositories = {
        "org/tiny": student_folder, "alone": student_folder, "org/closed": student_folder,
        "org/pickled": pickled,
    }  # fmt: skip
    names = ("org/tiny", "alone", "org/absent", "org/closed", "org/pickled", "org/tiny--")
    with serve(repositories, gated={"org/closed"}) as endpoint:
        lines = load_from_hub(endpoint, hub_home, *names)
    return dict(zip(names, lines, strict=True))


@pytest.mark.parametrize("name", ["org/tiny", "alone"])
def test_load_hub_id_gives_the_student_that_is_served(hub_lines, students, name):
    assert hub_lines[name] == f"loaded {name} {name} {students['distilbert'].weights_sha256}"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("org/absent", "org/absent is no folder here, and the Hub does not serve it", "the name"),
        ("org/closed", "org/closed is no folder here, and the Hub does not serve it", "hf auth"),
        ("org/pickled", "no weights in ", "add its model.safetensors"),
        ("org/tiny--", "org/tiny-- is no folder here", "check the name"),
    ],
)
def test_load_hub_id_that_is_not_to_be_had_is_refused(hub_lines, name, message, hint):
    assert hub_lines[name].startswith(f"2 {message}")
    assert hint in hub_lines[name].partition("HINT")[2]


@contextmanager
def hangs_up() -> Iterator[str]:
    """Yields the endpoint of a server that closes every connection without a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        stopping = threading.Event()

        def serve_nothing() -> None:
            while not stopping.is_set():
                server.accept()[0].close()

        thread = threading.Thread(target=serve_nothing)
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def test_load_hub_id_without_a_hub_is_refused_soon_and_the_cache_still_serves(hub_lines, hub_home):
    with serve({}) as nobody:
        pass
    lines = load_from_hub(nobody, hub_home, "org/tiny", "org/other")
    assert lines[0] == hub_lines["org/tiny"]
    assert lines[1].startswith("2 org/other is no folder here, and the Hub cannot be reached")


def test_load_hub_id_from_a_hub_that_hangs_up_is_refused(tmp_path):
    with hangs_up() as endpoint:
        (line,) = load_from_hub(endpoint, tmp_path / "home", "org/other")
    assert line.startswith("2 org/other is no folder here, and the Hub")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (None, "embedded"), ("/a/café", "café"), ("owner/name", "owner/name"),
        (os.fsdecode(b"/a/caf\xe9"), r"caf\udce9"), (os.fsdecode(b"caf\xe9"), r"caf\udce9"),
    ],
)  # fmt: skip
def test_name_that_bundles_record_is_utf_8(source, name):
    assert _name(source) == name
