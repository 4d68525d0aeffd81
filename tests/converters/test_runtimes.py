"""What holds for every runtime that loads an artifact, on files that are kept."""

from collections.abc import Sequence

import numpy as np
import pytest

from converters import backends
from converters.values.artifact import Arrays, Artifact, TensorSpec
from pipeline.comparison.runtimes import load_artifact
from pipeline.running.jobs import Job, run_jobs
from tests.fuzz.mutate import CORPUS

SEQ_LENS = (8, 16)
NAMES = (
    {"input_ids": "int32", "attention_mask": "int32"},
    {
        "start_logits": "float32",
        "end_logits": "float32",
    },
)
RUNS_HERE = [each for each in backends.RUNTIMES if backends.why_unavailable(each) is None]


def artifact_of(backend: str) -> Artifact:
    """Returns the corpus's file of two lengths."""
    suffix = backends.backend(backend).FILE_NAME.rpartition(".")[2]
    by_position = backend == "executorch"
    inputs, outputs = (
        tuple(
            TensorSpec(name=name, artifact_name=str(place) if by_position else name, dtype=dtype)
            for place, (name, dtype) in enumerate(names.items())
        )
        for names in NAMES
    )
    return Artifact(
        backend=backend, precision="int8", path=CORPUS / f"int8.{suffix}", seq_lens=SEQ_LENS,
        inputs=inputs, outputs=outputs,
        entry_points=("forward", "forward") if by_position else ("len_8", "len_16"),
    )  # fmt: skip


def random_row(seq_len: int, *, seed: int) -> Arrays:
    random = np.random.default_rng(seed)
    ids = random.integers(5, 30, (1, seq_len)).astype(np.int32)
    mask = (np.arange(seq_len) < random.integers(3, seq_len))[None].astype(np.int32)
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("runtime", RUNS_HERE, ids=lambda runtime: runtime.name)
def test_outputs_that_a_caller_keeps_stay_as_they_were(runtime: backends.Runtime) -> None:
    rows = [random_row(seq_len, seed=seed) for seed in range(3) for seq_len in SEQ_LENS]
    arguments = {"artifact": artifact_of(runtime.backend), "runtime": runtime.name, "rows": rows}
    job = Job(name=f"keep {runtime.name}", function=run_and_keep, arguments=arguments)
    kept, copied, alone = run_jobs([job], max_parallel=1)[0].get()
    for row, own, copy, first in zip(rows, kept, copied, alone, strict=True):
        for name in own:
            assert own[name].shape == row["input_ids"].shape
            assert np.array_equal(own[name], copy[name]), "a later run wrote over it"
            assert np.array_equal(own[name], first[name]), "an earlier run left something behind"
    assert not np.array_equal(kept[0]["start_logits"], kept[2]["start_logits"])


def run_and_keep(
    *, artifact: Artifact, runtime: str, rows: Sequence[Arrays]
) -> tuple[list[dict[str, np.ndarray]], ...]:
    """Runs all rows in one runner; the body of a worker.

    Returns:
        The outputs as they are after the last row, as they were after their own, and as a runner
        that runs nothing else gives them.
    """
    runner = load_artifact(artifact=artifact, runtime=runtime, num_threads=1)
    kept, copied, alone = [], [], []
    for row in rows:
        kept.append(runner.run(row))
        copied.append({name: each.copy() for name, each in kept[-1].items()})
    for row in rows:
        fresh = load_artifact(artifact=artifact, runtime=runtime, num_threads=1)
        alone.append(fresh.run(row))
    return kept, copied, alone
