"""Makes the vectors of a bundle: what the PyTorch student makes of texts and questions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from converters.values.artifact import Artifact
from pipeline.bundle.vectors import ExampleVector, RowVector, TextVector, Value, Vectors
from pipeline.comparison import runtimes
from pipeline.comparison.cases import Case, reference_cases
from pipeline.comparison.kept_runs import StudentRuns, kept_run
from pipeline.comparison.thresholds import FP16_EXCESS_ON_ARM64, computes_in_halves, thresholds_of
from pipeline.on_device.wordpiece import utf16_offsets
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example, Outputs, OutputSpec, Task, long_text

NUM_VECTORS = 8
"""Enough to notice a wrong tokenizer, artifact or decoder, and done in a blink on a phone."""

TEXTS = (
    "Who built it, when -- and for £3.50?",
    "Élan naïve Ångström Çà et là: CAFÉ",
    "e\u0301le\u0300ve a\u0327\u0302 q\u0307\u0323",
    "İstanbul ΑΣ ΟΔΟΣ ß ﬁ Ǆ",
    "東京タワーは333 mです。",
    "서울특별시 각각",
    "\u202bשלום עולם\u202c مرحبا ١٢٣",
    "हिन्दी में नमस्ते ক্ষ",
    "👩\u200d👩\u200d👧\u200d👦 ok 👍🏽! 🇫🇮 𝒜𝓫𝔠 𐐀𐐨",
    "tab\there\u00a0and\u2009there\u3000line\r\nbreak\u0085",
    "zero\u200bwidth soft\u00adhyphen \ufeffbom \x00nul \ufffd",
    "[CLS] not [SEP] a row[MASK] [mask]",
    "antidisestablishmentarianism " + "x" * 101 + " " + "y" * 100,
    "don't e-mail_me@example.org/~a?b=1&c=[2]^{3}`|$€",
    "",
)
"""Each holds something that a tokenizer gets wrong easily."""

_MAX_LONG_CHARACTERS = 20_000

_LEAST_TOLERANCE = 1e-4
"""Logits: what another order of additions costs."""


def observe(
    student: Student,
    artifacts: Sequence[Artifact],
    *,
    folder: Path,
    examples: Sequence[Example],
    run: Run,
) -> Vectors:
    """Returns vectors of a student, with what its artifacts are seen to make of them.

    Args:
        student: The reference, in fp32.
        artifacts: Of the same lengths; those that cannot run here are held to their gates.
        folder: The bundle's.
        examples: To choose from.
        run: Its threads, cache and progress.
    """
    with run.stage("vectors") as stage:
        runs = StudentRuns(student, run.cache)
        seq_lens = artifacts[0].seq_lens
        cases = reference_cases(student, choose(examples, student.task), seq_lens, runs)
        stage.is_reused = runs.is_reused
    rows = [row.inputs for case in cases for row in case.encoded.rows]
    pairs, _ = runtimes.choose((), artifacts)
    first = {artifact.path: (artifact, runtime) for artifact, runtime in reversed(pairs)}
    outcomes = run.run_jobs(
        [
            runtimes.job(artifact, runtime, rows, num_threads=run.num_threads_each, verb="test")
            for artifact, runtime in first.values()
        ],
        kept=kept_run,
        max_parallel=run.num_parallel,
    )
    seen = dict(zip(first, outcomes, strict=True))
    outputs: dict[str, tuple[Artifact, list[list[Outputs]]]] = {}
    for artifact in artifacts:
        name = artifact.path.relative_to(folder).as_posix()
        outcome = seen.get(artifact.path)
        if outcome is None or outcome.error is not None:
            outputs[name] = artifact, []
            continue
        own = iter(outcome.get().outputs)
        outputs[name] = artifact, [[next(own) for _ in case.encoded.rows] for case in cases]
    return describe(
        cases, outputs, seq_lens=seq_lens, task=student.task, tokenizer=student.tokenizer
    )


def choose(examples: Sequence[Example], task: Task) -> list[Example]:
    """Returns examples from all over, and one whose text is longer than a row."""
    chosen = list(examples[:: max(1, len(examples) // NUM_VECTORS)][:NUM_VECTORS])
    some = chosen[: NUM_VECTORS // 2]
    long = "\n".join(dict.fromkeys(map(long_text, some)))[:_MAX_LONG_CHARACTERS]
    return [*chosen, task.example_of(long, id="long")]


def describe(
    cases: Sequence[Case],
    artifacts: Mapping[str, tuple[Artifact, Sequence[Sequence[Outputs]]]],
    *,
    seq_lens: tuple[int, ...],
    task: Task,
    tokenizer: Tokenizer,
) -> Vectors:
    """Returns what the student makes of each case, and what is to be expected of each artifact.

    Args:
        cases: What the PyTorch student made of each example.
        artifacts: By path inside the bundle, each with its outputs here; none where it did not run.
        seq_lens: The lengths that the rows of the cases were made for.
        task: Decodes answers.
        tokenizer: The student's.
    """
    described = []
    for index, case in enumerate(cases):
        others = [
            path
            for path, (_, outputs) in artifacts.items()
            if outputs and not task.same(case.answer, task.decode(case.encoded, outputs[index]))
        ]
        described.append(_example(case, task, tuple(others)))
    return Vectors(
        texts=tuple(_text(text, tokenizer) for text in TEXTS),
        seq_lens=seq_lens,
        examples=tuple(described),
        tolerances={
            path: _tolerance(artifact, cases, outputs, task.outputs)
            for path, (artifact, outputs) in artifacts.items()
        },
    )


def _text(text: str, tokenizer: Tokenizer) -> TextVector:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return TextVector(
        text=text,
        ids=tuple(encoding.ids),
        offsets=tuple(encoding.offsets),
        utf16_offsets=utf16_offsets(text, encoding.offsets),
    )


def _example(case: Case, task: Task, other_answer_in: tuple[str, ...]) -> ExampleVector:
    rows = tuple(
        RowVector(
            seq_len=row.seq_len,
            input_ids=row.inputs["input_ids"][0, : row.num_tokens].tolist(),
            offsets=row.offsets,
            outputs={
                spec.name: tuple(
                    _rounded(value) for value in spec.real(outputs[spec.name], row.num_tokens).flat
                )
                for spec in task.outputs
            },
        )
        for row, outputs in zip(case.encoded.rows, case.outputs, strict=True)
    )
    answer = task.stated(case.encoded, case.answer)
    return ExampleVector(
        texts=dict(case.example.texts),
        rows=rows,
        answer={name: _stated(value) for name, value in answer.items()},
        other_answer_in=other_answer_in,
    )


def _stated(value: Value | None) -> Value | None:
    """Returns a field of an answer as the file has it; None where a number of it is not finite."""
    if isinstance(value, float):
        return _rounded(value)
    if not isinstance(value, tuple):
        return value
    numbers = [each for each in value if isinstance(each, float)]
    if not numbers:
        return value
    return tuple(round(each, 4) for each in numbers) if np.isfinite(numbers).all() else None


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _tolerance(
    artifact: Artifact,
    cases: Sequence[Case],
    outputs: Sequence[Sequence[Outputs]],
    specs: Sequence[OutputSpec],
) -> float:
    """Returns twice the largest difference that was seen here, and never more than the gate.

    What a phone rounds otherwise counts as if it had been seen.
    """
    gate = thresholds_of(artifact).max_abs_diff
    seen = [
        float(spec.real(np.abs(own[spec.name] - reference[spec.name]), row.num_tokens).max())
        for case, given in zip(cases, outputs, strict=bool(outputs))
        for row, reference, own in zip(case.encoded.rows, case.outputs, given, strict=True)
        for spec in specs
    ]
    if not seen or not np.isfinite(seen).all():
        return gate
    excess = FP16_EXCESS_ON_ARM64 if computes_in_halves(artifact) else 1.0
    return round(min(gate, max(_LEAST_TOLERANCE, 2 * excess * max(seen))), 6)
