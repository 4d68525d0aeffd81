"""The readers of what a classifier brings along: labelled texts, its configuration, its vectors."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

from converters.values.errors import GateError
from pipeline.bundle import vectors
from pipeline.bundle.manifest import FILE_NAME, Manifest
from pipeline.bundle.vectors import ExampleVector, RowVector, TextVector, Vectors
from pipeline.on_device.self_test import SelfTest
from pipeline.on_device.wordpiece import open_tokenizer
from pipeline.student.load import read_task
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tasks.task import Unreadable
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.labelled import Labelled, Scheme, read_labelled
from pipeline.tokenizer.tokenization import tokenizer_part, write_tokenizer
from tests.bundles import MANIFEST
from tests.fuzz.loop import Case, Target, WrongAcceptanceError
from tests.fuzz.mutate import CORPUS, SHARE_ARBITRARY, arbitrary, mutate_bytes, mutate_json

LABELS = ("good", "bad", "so-so")
TASK = TextClassification(rules=RULES, labels=LABELS)
OF_A_CLASSIFIER = MANIFEST.model_copy(
    update={
        "task": MANIFEST.task.model_copy(
            update={"name": TASK.NAME, "rules": RULES.model_dump(), "labels": LABELS}
        )
    }
)
"""The manifest of a classifier's bundle."""

_SCHEMES = (
    Scheme(problem_type="single_label_classification", labels=LABELS, pair=False),
    Scheme(problem_type="multi_label_classification", labels=LABELS, pair=True),
    Scheme(problem_type="regression", labels=()),
    Scheme(problem_type="single_label_classification"),
)
"""By the number of a case's call."""

_TABLES = {
    "data.tsv": (
        'text\tlabel\nA "fine" film\tgood\r\nToo long, and dull\t1\n\n灯台 é\tso-so\n',
        "text\ttext_pair\tlabel\nOne\tand another\tgood|bad\nTwo\tand none\t\n",
        "text\tlabel\nA film\t0.5\nAnother\t-1e3\n",
    ),
    "data.csv": (
        'text,label\n"A ""fine"", film\nof two lines",good\nDull,bad\n',
        'label,text,text_pair\n"good|so-so",One,"and, another"\n,Two,and none\n',
        "text,label\r\nA film,0.5\r\nAnother,7\r\n",
    ),
    "data.jsonl": (
        '{"text": "A film", "label": "good"}\n{"text": "Dull \\u00e9", "label": 1}\n',
        '{"text": "One", "text_pair": "another", "label": ["good", "bad"]}\n'
        '{"text": "Two", "text_pair": "none", "label": []}\n',
        '{"text": "A film", "label": 0.5}\n{"text": "Another", "label": -3}\n',
    ),
}


def labelled_target(work: Path) -> Target:
    """Returns the target of ``read_labelled``: tables, and objects in JSON a line."""
    del work
    valid = {name: [each.encode() for each in texts] for name, texts in _TABLES.items()}

    def make(random: Random) -> Case:
        name = random.choice(list(valid))
        is_mutation = random.random() >= SHARE_ARBITRARY
        damage = mutate_bytes if is_mutation else arbitrary
        content = damage(random, valid[name])
        if is_mutation and name.endswith(".jsonl") and random.random() < 0.5:
            lines = random.choice(valid[name]).splitlines()
            lines[-1] = mutate_json(random, lines[-1:])
            content = b"\n".join(lines)
        call = random.randrange(len(_SCHEMES))
        return Case(files={name: content}, is_mutation=is_mutation, call=call)

    def read(folder: Path, case: Case) -> None:
        (name,) = case.files
        scheme = _SCHEMES[case.call]
        found = read_labelled(folder / name, scheme=scheme)
        if len({each.id for each in found}) < len(found):
            raise WrongAcceptanceError("two rows have one name")
        for each in found:
            _check_row(each, scheme)

    return Target(name="labelled", make=make, read=read, named="")


def _check_row(row: Labelled, scheme: Scheme) -> None:
    """Checks that a row is as its scheme has it."""
    if isinstance(row, Unreadable):
        is_good = bool(row.reason) and "\n" not in row.reason
    elif scheme.problem_type == "regression":
        is_good = row.value is not None and math.isfinite(row.value)
    else:
        known = row.labels is not None and set(row.labels) <= set(scheme.labels or row.labels)
        is_one = scheme.problem_type != "single_label_classification" or len(row.labels or ()) == 1
        is_good = known and is_one
    if not isinstance(row, Unreadable):
        is_good = is_good and all(each.strip() for each in row.texts.values())
        is_good = is_good and scheme.pair in (None, row.text_pair is not None)
    if not is_good:
        raise WrongAcceptanceError(f"{row} is no row of {scheme}")


def classifier_config_target(work: Path) -> Target:
    """Returns the target of ``read_task``: a classifier's ``config.json``."""
    valid = [_config(labels=LABELS), _config(labels=LABELS[:2], text_pair=True,
             problem_type="multi_label_classification"), _config(labels=("LABEL_0",))]  # fmt: skip
    (work / "config.json").write_bytes(valid[0])
    read_task(work)  # imports transformers, whose memory and time are no case's

    def read(folder: Path, case: Case) -> None:
        _, task = read_task(folder)
        labels, problem = task.labels, task.outputs[0].means
        if len(set(labels)) < len(labels) or not all(each.strip() for each in labels):
            raise WrongAcceptanceError(f"no classifier has the labels {labels}")
        if (problem == "numbers") != (not labels):
            raise WrongAcceptanceError(f"{problem} do not go with the labels {labels}")

    make = _either("config.json", valid)
    return Target(name="classifier-config", make=make, read=read, named="config.json")


def _config(*, labels: tuple[str, ...], **stated: object) -> bytes:
    fields = {
        "model_type": "bert", "architectures": ["BertForSequenceClassification"],
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 800,
        "id2label": {str(place): label for place, label in enumerate(labels)},
        "label2id": {label: place for place, label in enumerate(labels)}, **stated,
    }  # fmt: skip
    return json.dumps(fields).encode()


def classifier_vectors_target(work: Path) -> Target:
    """Returns the target of a classifier's ``vectors.json``, and of the self test that it feeds.

    One whose answers or rows were changed must be told of; what is read must let no test crash.
    """
    tokenizer = read_tokenizer(CORPUS)
    part = tokenizer_part(tokenizer)
    write_tokenizer(tokenizer, work / "tokenizer")
    reference = open_tokenizer(work, part)
    artifact = MANIFEST.artifacts[0].path
    device = TASK.on_device()

    def test_of(found: Vectors) -> SelfTest:
        return SelfTest(found, reference, settings=part, task=device)

    good = _vectors(test_of, artifact)
    vectors.write(good, work / "vectors.json")
    valid = [(work / "vectors.json").read_bytes()]
    if test_of(good).check_reading():
        raise ValueError("the vectors that are to be damaged are none")

    def read(folder: Path, case: Case) -> None:
        test = test_of(vectors.read(folder / "vectors.json"))
        problems = test.check_reading()
        if not all(problem and "\n" not in problem for problem in problems):
            raise WrongAcceptanceError(f"{problems} are not told in lines")

    return Target(
        name="classifier-vectors", make=_either("vectors.json", valid), read=read,
        named="vectors.json",
    )  # fmt: skip


def _vectors(test_of: Callable[[Vectors], SelfTest], artifact: str) -> Vectors:
    """Returns vectors of two texts and two examples, with logits of nobody."""
    empty = Vectors(texts=(), seq_lens=(8, 16), examples=(), tolerances={artifact: 0.1})
    test = test_of(empty)
    examples = []
    for text, logits in (("a bad cab", (2.0, 1.0, -1.0)), ("a fed lamb did beg", (-1.0, 0.5, 0.0))):
        blank = ExampleVector(
            texts={"text": text}, other_answer_in=(), answer={},
            rows=(RowVector(seq_len=8, input_ids=(), outputs={"logits": logits}),),
        )  # fmt: skip
        rows = test.rows(blank)
        answer = TASK.on_device().answer(blank.texts, rows, [{"logits": logits}])
        made = tuple(
            RowVector(
                seq_len=len(row.input_ids),
                input_ids=row.input_ids[: sum(row.attention_mask)],
                offsets=row.offsets,
                outputs={"logits": logits},
            )
            for row in rows
        )
        examples.append(blank.model_copy(update={"rows": made, "answer": dict(answer)}))
    token = TextVector(text="a", ids=(5,), offsets=((0, 1),), utf16_offsets=((0, 1),))
    return empty.model_copy(update={"texts": (token,), "examples": tuple(examples)})


def _either(name: str, valid: list[bytes]) -> Callable[[Random], Case]:
    """Returns what damages a JSON file, mostly by its structure."""

    def make(random: Random) -> Case:
        kind = random.random()
        if kind < SHARE_ARBITRARY:
            return Case(files={name: arbitrary(random, valid)}, is_mutation=False)
        damage = mutate_json if random.random() < 0.7 else mutate_bytes
        return Case(files={name: damage(random, valid)}, is_mutation=True)

    return make


def check_task(manifest: Manifest) -> None:
    """Checks that what a manifest says of a classifier is one, or is refused."""
    try:
        task = TextClassification.of_manifest(manifest)
    except GateError as err:
        if FILE_NAME not in err.message or "\n" in err.message or not err.hint:
            raise WrongAcceptanceError(f"not one line with a hint: {err.message!r}") from err
        return
    is_number = task.rules.problem_type == "regression"
    if is_number == bool(task.labels) or not 0 <= task.rules.threshold <= 1:
        raise WrongAcceptanceError(f"no classifier is like {task}")
