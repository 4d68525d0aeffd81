import json
import os
import shlex
import shutil
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
    AutoConfig,
    AutoModelForQuestionAnswering,
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
)

from converters.values.errors import InputError
from pipeline.student.config import ENCODERS, WHOLE_NUMBERS, check_config
from pipeline.student.load import _name, load
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tasks.question_answering.squad import Question
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


def test_load_nothing_of_a_task_gives_its_embedded_student():
    student = load(task_name="text-classification")
    assert (student.name, student.source) == ("embedded-text-classification", None)
    assert student.task.labels == ("negative", "positive")
    assert {weight.dtype for weight in student.model.parameters()} == {torch.float32}


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
    (student_copy / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast"}'
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
    ("index", "match"),
    [
        (b"", "index.json is not valid JSON"),
        (b"[]", "index.json holds no JSON object"),
        (b"{}", "index.json names no file of weights"),
        (b'{"weight_map": {"a": "absent.safetensors"}}', "names absent.safetensors, which is not"),
        (b'{"weight_map": {"a": "../model.safetensors"}}', "names ../model.safetensors, which is"),
        (b'{"weight_map": {"a": 5}}', "names 5, which is not in its folder"),
    ],
)
def test_load_damaged_shard_index_is_refused(student_copy, index, match):
    (student_copy / "model.safetensors").rename(student_copy / "model-00001-of-00002.safetensors")
    (student_copy / "model.safetensors.index.json").write_bytes(index)
    refuses(student_copy, match)


def test_load_missing_shard_is_refused_by_name(student_copy):
    (student_copy / "model.safetensors").unlink()
    make_model("distilbert").save_pretrained(student_copy, max_shard_size="100KB")
    missing = sorted(student_copy.glob("*.safetensors"))[-1]
    missing.unlink()
    refuses(student_copy, f"index.json names {missing.name}, which is not in its folder")


def test_load_weights_of_another_file_name_are_refused_with_the_right_one(student_copy):
    (student_copy / "model.safetensors").rename(student_copy / "weights.safetensors")
    error = refuses(student_copy, "holds weights.safetensors, and neither model.safetensors nor")
    assert "rename the file to model.safetensors" in error.hint


WRAPPED = ("_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module.")


@pytest.mark.parametrize("prefix", WRAPPED)
@pytest.mark.parametrize("place", ["", "distilbert.", "distilbert.transformer.layer.1."])
def test_load_weights_of_a_wrapped_model_gives_the_model_inside(
    student_copy, students, prefix, place
):
    def wrap(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if name.startswith(place)]:
            weights[place + prefix + name.removeprefix(place)] = weights.pop(name)

    change_weights(student_copy, wrap)
    loaded = load(str(student_copy))
    assert loaded.weights_sha256 == students["distilbert"].weights_sha256
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}


def test_load_weights_of_a_wrapped_model_in_half_precision_and_parts(student_copy, students):
    weights = load_file(student_copy / "model.safetensors")
    (student_copy / "model.safetensors").unlink()
    places = {}
    for index, name in enumerate(sorted(weights)):
        places[f"_orig_mod.{name}"] = f"part{index % 2}.safetensors"
    for file in sorted(set(places.values())):
        part = {
            name: weights[name.removeprefix("_orig_mod.")].half()
            for name, place in places.items()
            if place == file
        }
        save_file(part, student_copy / file)
    index_file = student_copy / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"weight_map": places}))
    loaded = load(str(student_copy))
    for name, weight in loaded.model.state_dict().items():
        assert torch.equal(weight, students["distilbert"].model.state_dict()[name].half().float())


def test_load_weights_wrapped_and_bare_at_once_are_refused(student_copy):
    def double(weights: dict[str, torch.Tensor]) -> None:
        weights["module.qa_outputs.bias"] = weights["qa_outputs.bias"] + 1

    change_weights(student_copy, double)
    refuses(student_copy, "holds .*qa_outputs.bias beside .*qa_outputs.bias, and both are the same")


def test_load_weights_of_a_wrapped_model_without_the_head_are_refused(student_copy):
    def wrap(weights: dict[str, torch.Tensor]) -> None:
        weights.pop("qa_outputs.weight")
        for name in list(weights):
            weights[f"_orig_mod.{name}"] = weights.pop(name)

    change_weights(student_copy, wrap)
    refuses(student_copy, "lack qa_outputs.weight")


@pytest.mark.parametrize("has_config", [True, False])
def test_load_adapter_is_refused_with_its_base(student_copy, has_config):
    described = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "r": 8}
    (student_copy / "adapter_config.json").write_text(json.dumps(described))
    if not has_config:
        (student_copy / "config.json").unlink()
    error = refuses(student_copy, r"holds an adapter \(LORA\) for the model org/base")
    assert "merge_and_unload" in error.hint


@pytest.mark.parametrize("name", ["AutoModelForQuestionAnswering", "AutoModelForMaskedLM"])
def test_load_auto_class_as_architecture_is_refused(student_copy, name):
    change_config(student_copy, architectures=[name])
    refuses(student_copy, f"{name}.*, which is none|{name}, a task that is not supported")


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
@pytest.mark.parametrize(
    "value", ["float99", "nn", "", "torch.float32", 5, {"a": "b"}, ["float32"]]
)
def test_load_dtype_that_is_none_is_refused(student_copy, key, value):
    change_config(student_copy, **{"dtype": None, key: value})
    refuses(student_copy, f"says that {key} is .*, where the name of one of torch's")


def test_load_quantized_weights_are_refused(student_copy):
    change_config(student_copy, quantization_config={"quant_method": "torchao"})
    refuses(student_copy, "quantized already")


TOO_MUCH = [
    {"n_layers": 100_000}, {"n_layers": 10**12}, {"dim": 10**6}, {"hidden_dim": 10**9},
    {"vocab_size": 10**7}, {"max_position_embeddings": 10**6}, {"n_heads": 10**6},
    {"num_labels": 10**7}, {"num_labels": -1}, {"chunk_size_feed_forward": 10**9},
    {"dropout": 10**9}, {"attention_dropout": -0.5}, {"dropout": float("nan")},
    {"initializer_range": float("inf")}, {"n_layers": True}, {"n_layers": 2.0},
    {"id2label": {str(number): "x" for number in range(20_000)}},
    {"id2label": 3},
]  # fmt: skip


@pytest.mark.parametrize("changes", TOO_MUCH, ids=lambda changes: str(changes)[:40])
def test_load_config_out_of_bounds_is_refused_before_anything_is_made(
    student_copy, changes, monkeypatch
):
    def made(*_: object, **__: object) -> None:
        raise AssertionError("a configuration was made")

    change_config(student_copy, **changes)
    monkeypatch.setattr(AutoConfig, "from_pretrained", made)
    refuses(student_copy, f"says that {next(iter(changes))} is .*, where")


@pytest.mark.parametrize("most", [-1, 0])
@pytest.mark.parametrize("key", sorted(WHOLE_NUMBERS))
def test_config_number_beside_its_bound_is_refused(key, most):
    least = WHOLE_NUMBERS[key][0]
    value = least - 1 if most else WHOLE_NUMBERS[key][1] + 1
    with pytest.raises(InputError, match=f"says that {key} is"):
        check_config({key: value}, Path("config.json"))
    for bound in WHOLE_NUMBERS[key]:
        check_config({key: bound}, Path("config.json"))


def test_load_config_of_a_model_far_larger_than_its_weights_is_refused_unmade(student_copy):
    change_config(student_copy, n_layers=256, dim=16_384, hidden_dim=65_536, n_heads=4)
    refuses(student_copy, "describes a model of .* weights, and its files hold")


def test_load_config_of_too_many_bytes_is_refused_unread(student_copy):
    change_config(student_copy, filler="x" * 5_000_000)
    refuses(student_copy, "config.json has 5,.* bytes, where at most 4,000,000 are read")


def test_load_tokenizer_with_types_that_the_model_does_not_know_is_refused(
    student_folders, tmp_path
):
    folder = Path(shutil.copytree(student_folders["bert"], tmp_path / "student"))
    change_config(folder, type_vocab_size=1)
    change_weights(
        folder,
        lambda weights: weights.update(
            {name: value[:1].clone() for name, value in weights.items() if "token_type" in name}
        ),
    )
    refuses(folder, r"the token type 1, and the model knows 1 \(type_vocab_size\)")
    settings = {"model_input_names": ["input_ids", "attention_mask"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (encoded,) = load(str(folder)).encode(
        [Question(id="", question="who", context="the keeper", answers=())], seq_lens=(32,)
    )
    assert not encoded.rows[0].inputs["token_type_ids"].any()


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
from converters.values.errors import PocketBertError
from pipeline.student.load import load
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
        ("/a/café", "café"), ("owner/name", "owner/name"),
        (os.fsdecode(b"/a/caf\xe9"), r"caf\udce9"), (os.fsdecode(b"caf\xe9"), r"caf\udce9"),
    ],
)  # fmt: skip
def test_name_that_bundles_record_is_utf_8(source, name):
    assert _name(source) == name
