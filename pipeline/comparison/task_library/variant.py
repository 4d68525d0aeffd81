"""A second opinion from Google's Task Library, a client of TFLite files that no one here wrote.

It takes texts and gives answers, so it checks all that the other runtimes are handed: the
tokenizer, the names and the order of inputs, and the decoding. It goes by rules of its own, and
only what they cannot change is compared, as the task's ``LibraryTask`` says:

- It reads one row. Texts that take several are left out.
- It lower-cases ASCII alone and removes no accents, so ``Café`` becomes ``[UNK]`` where a
  student's tokenizer reads ``cafe``. Texts that the two cut into different tokens are left out.

Source: tflite-support 0.4.4, ``bert_tokenizer.h``, and the class of each task.
"""

import json
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.backends import TASK_LIBRARY
from converters.values.artifact import Artifact
from converters.values.errors import GateError, InputError
from converters.values.task_library import LibraryModel
from pipeline.bundle.open import Bundle
from pipeline.comparison.cases import Case, reference_cases
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.scores import Worth, worth_of
from pipeline.comparison.task_library import environment
from pipeline.comparison.task_library.tokenizer import LibraryTokenizer
from pipeline.comparison.thresholds import thresholds_of
from pipeline.comparison.verdict import Parity, at_least, failed_parity
from pipeline.comparison.verdict import judge as judge_outputs
from pipeline.conversion.recipe import Recipe
from pipeline.files.checksums import checked
from pipeline.running.jobs import Job
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example
from pipeline.tasks.task_library import LibraryTask, NumbersLibrary, WordsLibrary
from pipeline.tokenizer.tokenization import tokenizer_part, vocabulary_text

RUNTIME = TASK_LIBRARY.name
FILE_NAME = "task-library.tflite"

MIN_AGREEMENT = 0.95
"""Share of the same answers in words, where the precision itself keeps as many."""

_SECONDS_PER_EXAMPLE = 10


def check_wanted(
    student: Student,
    *,
    backends: Sequence[str],
    seq_lens: Sequence[int],
    recipe: Recipe | None,
) -> None:
    """Checks that a build can give what the Task Library opens.

    Raises:
        InputError: It cannot.
    """
    part = tokenizer_part(student.tokenizer)
    if "tflite" not in backends:
        raise InputError("--task-library is for TFLite, which is not built", hint="add it")
    library_of(student).check(tokenizer=part, input_names=student.input_names, seq_lens=seq_lens)
    if recipe is not None and recipe.activations == "static":
        raise InputError(
            "the Task Library's runtime has no linear layers of static activations",
            hint="leave out --activations static, or --task-library",
        )
    for token in part.normalized_added_tokens:
        raise InputError(
            f"the Task Library would cut the added token {token!r} into pieces",
            hint="leave out --task-library",
        )
    if not part.lowercase:
        raise InputError(
            "the Task Library reads lower case only, and this student does not",
            hint="leave out --task-library",
        )


def library_of(student: Student) -> WordsLibrary | NumbersLibrary:
    """Returns what the library can be asked for a student's task.

    Raises:
        InputError: It has nothing for that.
    """
    library = student.task.task_library
    if library is None:
        raise InputError(
            f"the Task Library is not asked for {student.task.NAME}",
            hint="leave out --task-library",
        )
    return library


def add(source: Artifact, student: Student, *, run: Run) -> Artifact:
    """Writes the variant beside the TFLite artifact that it is derived from."""
    job = Job(
        name=f"derive {RUNTIME}",
        function=derive,
        arguments={
            "source": source,
            "wanted": library_of(student).model(source.seq_lens),
            "vocabulary": vocabulary_text(student.tokenizer),
            "path": source.path.with_name(FILE_NAME),
        },
    )
    return run.run_jobs([job])[0].get()


def derive(*, source: Artifact, wanted: LibraryModel, vocabulary: str, path: Path) -> Artifact:
    """Writes the variant; the body of a worker."""
    from converters.tflite import task_library

    return task_library.derive(source, wanted=wanted, vocabulary=vocabulary, path=path)


def check_bundle(
    opened: Bundle,
    student: Student,
    *,
    examples: Sequence[Example],
    names: Sequence[str],
    run: Run,
) -> tuple[list[Parity], list[Skipped]]:
    """Checks the variant of a bundle, where it has one and the user wants it checked."""
    if names and RUNTIME not in names:
        return [], []
    if opened.task_library is None:
        reason = "the bundle has no file for it: build it with --task-library"
        return [], [Skipped(runtime=RUNTIME, reason=reason)] if names else []
    return check(
        opened.task_library,
        student,
        examples=examples,
        run=run,
    )


def check(
    variant: Artifact,
    student: Student,
    *,
    examples: Sequence[Example],
    run: Run,
) -> tuple[list[Parity], list[Skipped]]:
    """Compares the Task Library's answers with the PyTorch student's.

    Where its environment cannot be made, or no question can be compared, the check is skipped.
    """
    [seq_len] = variant.seq_lens
    chosen, left_out = comparable(student, examples, seq_len=seq_len)
    if not chosen:
        reason = f"no {student.task.NOUN} is left to compare: {left_out}"
        return [], [Skipped(runtime=RUNTIME, reason=reason)]
    try:
        with run.stage(f"{RUNTIME} environment"):
            python = environment.ensure()
    except environment.UnavailableError as err:
        return [], [Skipped(runtime=RUNTIME, reason=f"{err.message}; {err.hint}")]
    with run.stage("run pytorch"):
        cases = reference_cases(student, chosen, (seq_len,))
    try:
        with run.stage(f"run {RUNTIME}"):
            model = checked(variant).path
            replies = ask(python, library_of(student), model, chosen, num_threads=run.num_threads)
    except (ClientError, GateError) as err:
        return [
            failed_parity(variant, RUNTIME, task=student.task, seq_len=seq_len, reason=str(err))
        ], []
    return [judge(variant, student, cases, replies, left_out=left_out)], []


def comparable(
    student: Student, examples: Sequence[Example], *, seq_len: int
) -> tuple[list[Example], str]:
    """Returns the examples that both read alike, and in words how many are left out and why."""
    theirs = LibraryTokenizer(student.tokenizer)
    chosen, num_long, num_read_otherwise = [], 0, 0
    for example, encoded in zip(
        examples, student.encode(examples, seq_lens=(seq_len,)), strict=True
    ):
        if len(encoded.rows) > 1:
            num_long += 1
        elif any(
            student.tokenizer.encode(text, add_special_tokens=False).ids != theirs.ids(text)
            for text in example.texts.values()
        ):
            num_read_otherwise += 1
        else:
            chosen.append(example)
    return chosen, (
        f"{num_long} of several windows and {num_read_otherwise} that its tokenizer reads "
        "otherwise are left out"
    )


class ClientError(Exception):
    """The Task Library gave no answers; the message is one line."""


def ask(
    python: Path,
    library: LibraryTask,
    model: Path,
    examples: Sequence[Example],
    *,
    num_threads: int,
) -> list[Any]:
    """Returns the Task Library's reply to each example, as the task's client gives it.

    Args:
        python: Of its environment.
        library: Which of its classes is asked.
        model: The file that it opens.
        examples: Of the task.
        num_threads: Of its runtime.

    Raises:
        ClientError: It refused the model, crashed, or replied with something else.
    """
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        request, reply = Path(folder, "request.json"), Path(folder, "reply.json")
        content = {
            "client": str(library.CLIENT),
            "model": str(model),
            "texts": [library.texts(each) for each in examples],
            "num_threads": num_threads,
        }
        request.write_text(json.dumps(content), encoding="utf-8")
        timeout = _SECONDS_PER_EXAMPLE * (len(examples) + 6)
        try:
            code, said = environment.run_client(python, (str(request), str(reply)), timeout=timeout)
        except subprocess.TimeoutExpired as err:
            raise ClientError(f"it gave no answer in {timeout} seconds") from err
        if code:
            how = f"crashed ({signal.Signals(-code).name})" if code < 0 else "failed"
            raise ClientError(f"it {how}: {said}")
        try:
            replies = json.loads(reply.read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise ClientError("its reply cannot be read") from err
    if not isinstance(replies, list) or len(replies) != len(examples):
        raise ClientError(f"its reply holds no answer to each of {len(examples)} examples")
    return replies


def judge(
    variant: Artifact,
    student: Student,
    cases: Sequence[Case],
    replies: Sequence[Any],
    *,
    left_out: str,
) -> Parity:
    """Judges replies against the student's answers, by outputs where they tell those."""
    library = library_of(student)
    if isinstance(library, NumbersLibrary):
        parity = _judge_numbers(library, variant, student, cases, replies)
    else:
        parity = _judge_words(library, variant, student, cases, replies)
    return replace(parity, reason="; ".join(filter(None, (parity.reason, left_out))))


def _judge_numbers(
    library: NumbersLibrary,
    variant: Artifact,
    student: Student,
    cases: Sequence[Case],
    replies: Sequence[Any],
) -> Parity:
    """Judges the outputs that replies tell of as those of any artifact."""
    outputs = [
        [library.outputs(reply, *case.outputs)] for case, reply in zip(cases, replies, strict=True)
    ]
    return judge_outputs(
        variant, RUNTIME, cases=cases, outputs=outputs, task=student.task,
        thresholds=thresholds_of(variant), seq_len=variant.seq_lens[0],
    )  # fmt: skip


def _judge_words(
    library: WordsLibrary,
    variant: Artifact,
    student: Student,
    cases: Sequence[Case],
    texts: Sequence[str],
) -> Parity:
    """Judges answers against the student's, as the library would give those."""
    same = [
        library.same(text, library.expected(case.encoded, case.answer))
        for case, text in zip(cases, texts, strict=True)
    ]
    agreement = float(np.mean(same))
    threshold = min(MIN_AGREEMENT, thresholds_of(variant).answer_agreement)
    gate = at_least("answer_agreement", agreement, threshold)
    failure = f"answer_agreement is {agreement:.4g}, the gate is {threshold:g}"
    return Parity(
        backend=variant.backend,
        runtime=RUNTIME,
        precision=variant.precision,
        seq_len=variant.seq_lens[0],
        verdict=gate.verdict,
        task=student.task,
        answer_agreement=agreement,
        worth=Worth(drop=worth_of(list(map(library.answer, texts)), cases, task=student.task).drop),
        num_inputs=len(cases),
        gates=(gate,),
        reason="" if gate.verdict == "pass" else failure,
    )
