"""Reads what text classification is learnt from."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.held_out import HeldOut
from pipeline.distillation.settings import Data, Settings
from pipeline.distillation.text_classification.rows import make_rows
from pipeline.distillation.text_classification.text_objective import TextObjective
from pipeline.tasks.examples import sort_out
from pipeline.tasks.task import Unreadable
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_classification.labelled import (
    LabelledText,
    ProblemType,
    Scheme,
    check_classes,
    read_labelled,
)

if TYPE_CHECKING:
    from pipeline.distillation.objective import Learner


def read_text_objective(
    data: Data, learner: "Learner", settings: Settings, faults: Faults
) -> TextObjective:
    """Returns what a run learns from labelled texts and others; see ``read_objective``."""
    if settings.no_answer_share:
        raise InputError(
            "--no-answer-share has no effect: a text holds no question",
            hint="leave out --no-answer-share",
        )
    task = TextClassification.of_config(learner.config)
    scheme = Scheme(problem_type=task.rules.problem_type, labels=task.labels, pair=task.rules.pair)
    labelled = list(_read(data.paths, scheme=scheme, faults=faults))
    if settings.weights.hard > 0:
        check_classes(labelled, scheme=scheme, where="the data")
    if data.evaluation is not None:
        judged = list(_read([data.evaluation], scheme=scheme, faults=faults))
    else:
        labelled, judged = hold_out(labelled, num_texts=data.num_held_out)
    judged = _readable(judged, task, learner, faults)
    others = _read(data.unlabelled, scheme=scheme, faults=faults, is_labelled=False)
    rows = make_rows(
        [*labelled, *others],
        task=task,
        tokenizer=learner.tokenizer,
        max_seq_len=settings.max_seq_len,
        faults=faults,
    )
    held_out = HeldOut(
        judged,
        task=task,
        tokenizer=learner.tokenizer,
        input_names=learner.input_names,
        max_seq_len=settings.max_seq_len,
    )
    return TextObjective(
        rows,
        held_out=held_out,
        task=task,
        tokenizer=learner.tokenizer,
        batch_size=settings.batch_size,
        seed=settings.seed,
    )


def text_head(data: Data, problem_type: str | None) -> dict[str, Any]:
    """Returns the fields of a configuration whose head gives the labels that the data names.

    Labels stand in the order of their names, and by number where all of them are numbers.

    Args:
        data: Labelled texts; what is kept apart to judge by may name labels, too.
        problem_type: What the outputs of the head mean; None: one label.

    Raises:
        InputError: Some of the texts are pairs and others are not, or there is no label.
    """
    problem = cast(ProblemType, problem_type or "single_label_classification")
    paths = [*data.paths, *([data.evaluation] if data.evaluation else [])]
    faults = Faults(allowed=data.skip_bad)  # they are told of when the objective is read
    names: set[str] = set()
    firsts: dict[bool, str] = {}  # the first pair, and the first text by itself
    for each in _read(paths, scheme=Scheme(problem_type=problem), faults=faults):
        names.update(each.labels or ())
        firsts.setdefault(each.text_pair is not None, each.id)
    fields = {"problem_type": problem, "text_pair": _are_pairs(firsts)}
    if problem == "regression":
        return {**fields, "num_labels": 1}
    if len(names) < 2:
        raise InputError(
            f"the data names {len(names)} labels: {', '.join(sorted(names)) or 'none'}",
            hint="give examples of at least two labels",
        )
    are_numbers = all(name.isdecimal() for name in names)
    ordered = sorted(names, key=int) if are_numbers else sorted(names)
    return {
        **fields,
        "id2label": dict(enumerate(ordered)),
        "label2id": {name: place for place, name in enumerate(ordered)},
    }


def hold_out(
    examples: Sequence[LabelledText], *, num_texts: int
) -> tuple[list[LabelledText], list[LabelledText]]:
    """Returns the examples to train on, and some that are kept apart, by whole texts.

    The choice depends on nothing but the examples: a student that is trained on by another run,
    with another seed, is judged by texts that it has never seen.

    Args:
        examples: All of them.
        num_texts: To keep apart, at least; a text that occurs again goes with its first.
    """
    texts = list(dict.fromkeys(example.text for example in examples))
    random.Random(0).shuffle(texts)
    places = {text: place for place, text in enumerate(texts)}
    ordered = sorted(examples, key=lambda each: places[each.text])
    last = num_texts
    while 0 < last < len(ordered) and ordered[last].text == ordered[last - 1].text:
        last += 1
    apart = set(map(id, ordered[:last]))
    kept = [each for each in examples if id(each) not in apart]
    return kept, [each for each in examples if id(each) in apart]


def _readable(
    examples: Sequence[LabelledText],
    task: TextClassification,
    learner: "Learner",
    faults: Faults,
) -> list[LabelledText]:
    """Returns the examples that a model can be judged by, numbered; a file's ids are its own.

    Raises:
        InputError: There are none.
    """
    if not examples:
        raise InputError(
            "there are no labelled texts to judge the model by",
            hint="give --eval-data, or a --held-out part of the texts among --data",
        )
    found = sort_out(examples, task=task, tokenizer=learner.tokenizer)
    for each in found.unreadable:
        faults.add(f"{each.id}: {each.reason}")
    return [replace(each, id=str(number)) for number, each in enumerate(found.readable)]


def _read(
    paths: Sequence[Path], *, scheme: Scheme, faults: Faults, is_labelled: bool = True
) -> Iterator[LabelledText]:
    """Yields the examples of files; ids name the file, as several files' lines have one number."""
    for path in paths:
        for each in read_labelled(path, scheme=scheme, is_labelled=is_labelled):
            if isinstance(each, Unreadable):
                faults.add(f"{path.parent / each.id}: {each.reason}")
            else:
                yield each


def _are_pairs(firsts: Mapping[bool, str]) -> bool:
    if len(firsts) > 1:
        raise InputError(
            f"{firsts[True]} is a pair of texts, and {firsts[False]} is one text",
            hint="give pairs alone, or texts alone",
        )
    return True in firsts
