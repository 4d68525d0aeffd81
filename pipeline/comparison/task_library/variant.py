"""A second opinion from Google's Task Library, a client of TFLite files that no one here wrote.

It takes texts and gives answers, so it checks all that the other runtimes are handed: the
tokenizer, the names and the order of inputs, and the decoding. It goes by rules of its own, and
only what they cannot change is compared, as the task's ``LibraryTask`` says:

- It reads one window of 384 tokens. Longer contexts are left out.
- It lower-cases ASCII alone and removes no accents, so ``Café`` becomes ``[UNK]`` where a
  student's tokenizer reads ``cafe``. Texts that the two cut into different tokens are left out.
- It looks at the five best starts and ends only, and at answers of 32 tokens where ours have 30.
  That is compared as it is.

Source: tflite-support 0.4.4, ``bert_question_answerer.cc`` and ``bert_tokenizer.h``.
"""

import json
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converters.backends import TASK_LIBRARY
from converters.values.artifact import Artifact
from converters.values.errors import GateError, InputError
from pipeline.bundle.open import Bundle
from pipeline.comparison.cases import Case, reference_cases
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.scores import Worth, worth_of
from pipeline.comparison.task_library import environment
from pipeline.comparison.task_library.tokenizer import LibraryTokenizer
from pipeline.comparison.thresholds import thresholds_of
from pipeline.comparison.verdict import Parity, at_least, failed_parity
from pipeline.conversion.recipe import Recipe
from pipeline.files.checksums import checked
from pipeline.running.jobs import Job
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example, LibraryTask
from pipeline.tokenizer.tokenization import tokenizer_part, vocabulary_text

RUNTIME = TASK_LIBRARY.name
FILE_NAME = "task-library.tflite"
SEQ_LEN = 384
"""Tokens. The library has no other length."""

MIN_AGREEMENT = 0.95
"""Share of the same answers after SQuAD normalization, where the precision itself keeps as many."""

_SECONDS_PER_QUESTION = 10


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
    if SEQ_LEN not in seq_lens:
        raise InputError(
            f"the Task Library pads every text to {SEQ_LEN} tokens, which is not among the lengths",
            hint=f"add {SEQ_LEN} to --seq-len, or leave out --task-library",
        )
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
    if "token_type_ids" in student.input_names and part.second_token_type == 0:
        raise InputError(
            "the Task Library gives the context the token type 1, and this student reads it as 0",
            hint="leave out --task-library",
        )
    library_of(student)
    if not part.lowercase:
        raise InputError(
            "the Task Library reads lower case only, and this student does not",
            hint="leave out --task-library",
        )


def library_of(student: Student) -> LibraryTask:
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
            "vocabulary": vocabulary_text(student.tokenizer),
            "path": source.path.with_name(FILE_NAME),
        },
    )
    return run.run_jobs([job])[0].get()


def derive(*, source: Artifact, vocabulary: str, path: Path) -> Artifact:
    """Writes the variant; the body of a worker."""
    from converters.tflite import task_library

    return task_library.derive(source, vocabulary=vocabulary, path=path)


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
    library = library_of(student)
    chosen, left_out = comparable(student, examples)
    if not chosen:
        return [], [Skipped(runtime=RUNTIME, reason=f"no question is left to compare: {left_out}")]
    try:
        with run.stage(f"{RUNTIME} environment"):
            python = environment.ensure()
    except environment.UnavailableError as err:
        return [], [Skipped(runtime=RUNTIME, reason=f"{err.message}; {err.hint}")]
    with run.stage("run pytorch"):
        cases = reference_cases(student, chosen, (SEQ_LEN,))
    try:
        with run.stage(f"run {RUNTIME}"):
            model = checked(variant).path
            asked = [library.texts(each) for each in chosen]
            texts = ask(python, model, asked, num_threads=run.num_threads)
    except (ClientError, GateError) as err:
        return [
            failed_parity(variant, RUNTIME, task=student.task, seq_len=SEQ_LEN, reason=str(err))
        ], []
    return [judge(variant, student, cases, texts, left_out=left_out)], []


def comparable(student: Student, examples: Sequence[Example]) -> tuple[list[Example], str]:
    """Returns the questions that both read alike, and in words how many are left out and why."""
    theirs = LibraryTokenizer(student.tokenizer)
    chosen, num_long, num_read_otherwise = [], 0, 0
    for example, encoded in zip(
        examples, student.encode(examples, seq_lens=(SEQ_LEN,)), strict=True
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
        f"{num_long} with contexts of several windows and {num_read_otherwise} that its tokenizer "
        "reads otherwise are left out"
    )


class ClientError(Exception):
    """The Task Library gave no answers; the message is one line."""


def ask(
    python: Path, model: Path, asked: Sequence[Sequence[str]], *, num_threads: int
) -> list[str]:
    """Returns the Task Library's answers, empty where it finds none.

    Args:
        python: Of its environment.
        model: The file that it opens.
        asked: The texts of each example.
        num_threads: Of its runtime.

    Raises:
        ClientError: It refused the model, crashed, or replied with something else.
    """
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        request, reply = Path(folder, "request.json"), Path(folder, "reply.json")
        content = {"model": str(model), "num_threads": num_threads, "questions": list(asked)}
        request.write_text(json.dumps(content), encoding="utf-8")
        timeout = _SECONDS_PER_QUESTION * (len(asked) + 6)
        try:
            code, said = environment.run_client(python, (str(request), str(reply)), timeout=timeout)
        except subprocess.TimeoutExpired as err:
            raise ClientError(f"it gave no answer in {timeout} seconds") from err
        if code:
            how = f"crashed ({signal.Signals(-code).name})" if code < 0 else "failed"
            raise ClientError(f"it {how}: {said}")
        try:
            texts = json.loads(reply.read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise ClientError("its reply cannot be read") from err
    if not isinstance(texts, list) or len(texts) != len(asked):
        raise ClientError("its reply holds no answer to each question")
    return [text or "" for text in texts]


def judge(
    variant: Artifact,
    student: Student,
    cases: Sequence[Case],
    texts: Sequence[str],
    *,
    left_out: str,
) -> Parity:
    """Judges answers against the student's, as the library would give those."""
    library = library_of(student)
    same = [
        library.same(text, library.expected(case.encoded, case.answer))
        for case, text in zip(cases, texts, strict=True)
    ]
    agreement = float(np.mean(same))
    threshold = min(MIN_AGREEMENT, thresholds_of(variant).answer_agreement)
    gate = at_least("answer_agreement", agreement, threshold)
    failure = f"answer_agreement is {agreement:.4g}, the gate is {threshold:g}; "
    return Parity(
        backend=variant.backend,
        runtime=RUNTIME,
        precision=variant.precision,
        seq_len=SEQ_LEN,
        verdict=gate.verdict,
        task=student.task,
        answer_agreement=agreement,
        worth=Worth(drop=worth_of(list(map(library.answer, texts)), cases, task=student.task).drop),
        num_inputs=len(cases),
        gates=(gate,),
        reason=("" if gate.verdict == "pass" else failure) + left_out,
    )
