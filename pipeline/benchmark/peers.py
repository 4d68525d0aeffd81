"""Peers: what else one would run the student with, and BERT-base, which it stands in for.

Each exports in a process of its own before anything is measured, and is then compared with the
student: nobody shall time a wrong model. A peer that cannot be had is skipped with the reason.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters import backends
from converters.values.artifact import Artifact, Runner, TensorSpec, entry_point_for
from converters.values.errors import GateError
from converters.values.precision import FixedPrecision
from pipeline.benchmark import peer_runners
from pipeline.benchmark.contest import Contestant, full_rows
from pipeline.benchmark.peer_runners import ONNX
from pipeline.bundle import open
from pipeline.comparison.runtimes import Skipped, TorchRunner
from pipeline.conversion.metrics import snr_db
from pipeline.running.jobs import Job
from pipeline.running.run import Run
from pipeline.student.load import Student

EXTRA = "peers"
PRECISIONS: tuple[FixedPrecision, ...] = ("fp32", "int8")

COMPILED = "pytorch-compiled"
BERT_BASE = "bert-base-pytorch"

LEAST_SNR_DB = {"fp32": 60.0, "int8": 6.0}
"""Of the logits against PyTorch. A wrong model is below 0; some recipes round coarsely, and what
they lose is theirs: in int8 it is enough that the answer is recognisably that of the student."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way to export and run a model that is not ours.

    Attributes:
        runtime: What its rows are called.
        backend: Whose format its file has.
        packages: Import names that it needs.
        extra: The extra of this distribution that installs them.
        modules: What its runtime is made of, which does not count as the model's memory.
    """

    runtime: str
    backend: str
    packages: tuple[str, ...]
    extra: str
    modules: tuple[str, ...]


PEERS = (
    Peer(
        runtime="onnxruntime", backend=ONNX, extra=EXTRA,
        packages=("onnx", "onnxscript", "onnxruntime"), modules=("onnxruntime",),
    ),
    Peer(
        runtime="litert-plain", backend="tflite", extra="tflite",
        packages=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
        modules=("converters.tflite.runtime",),
    ),
    Peer(
        runtime="executorch-plain", backend="executorch", extra="executorch",
        packages=("executorch", "torchao"), modules=("converters.executorch.runtime",),
    ),
)  # fmt: skip
"""Those whose artifact is a file, at each of ``PRECISIONS``."""

RUNTIMES = (COMPILED, *(peer.runtime for peer in PEERS), BERT_BASE)
"""What the rows of all peers are called."""

_ENTRY_POINTS = {"executorch": lambda _: "forward", "tflite": entry_point_for}
"""What to call for a length in what they export; an ONNX file has no such names."""


def prepare(
    student: Student,
    find: Callable[[], Student],
    *,
    peers: Sequence[Peer] = PEERS,
    seq_lens: tuple[int, ...],
    folder: Path,
    run: Run,
) -> tuple[list[Contestant], list[Skipped]]:
    """Exports the student with every peer, and returns those that came out right.

    Args:
        student: What ``find`` returns.
        find: Loads it, in another process; picklable.
        peers: Those to export with; ``torch.compile`` and BERT-base come along in any case.
        seq_lens: The lengths that each must serve.
        folder: For files; it must stay until all has been measured.
        run: Its threads, cache and progress.
    """
    skipped: list[Skipped] = []
    compiler = {"folder": folder / COMPILED}
    jobs = [Job[Any](name=COMPILED, function=peer_runners.try_compiler, arguments=compiler)]
    for peer in peers:
        missing = backends.missing_packages(peer.packages)
        if missing:
            reason = f"{', '.join(missing)} is not installed: {backends.install_line(peer.extra)}"
            skipped.append(Skipped(runtime=peer.runtime, reason=reason))
            continue
        for precision in PRECISIONS:
            arguments = {
                "peer": peer, "precision": precision, "find": find, "seq_lens": seq_lens,
                "path": folder / f"{peer.runtime}-{precision}", "num_threads": run.num_threads,
            }  # fmt: skip
            name = f"{peer.runtime} {precision}"
            jobs.append(Job(name=name, function=export, arguments=arguments))
    contestants = [_bert_base(student, longest=seq_lens[-1], num_threads=run.num_threads)]
    for outcome in run.run_jobs(jobs, max_parallel=2):
        if outcome.error is not None:
            runtime, _, at = outcome.name.partition(" ")
            reason = ": ".join(filter(None, (at, outcome.error.message)))
            skipped.append(Skipped(runtime=runtime, reason=reason))
        elif outcome.name == COMPILED:
            contestants.append(_compiled(student, find, num_threads=run.num_threads, folder=folder))
        else:
            contestants.append(of_exported(*outcome.get(), num_threads=run.num_threads))
    return contestants, skipped


def of_exported(peer: Peer, artifact: Artifact, *, num_threads: int) -> Contestant:
    """Returns a peer's finished file in its runtime."""
    return Contestant(
        runtime=peer.runtime,
        precision=artifact.precision,
        size_bytes=open.size_bytes(artifact.path),
        modules=peer.modules,
        load=functools.partial(peer_runners.load_exported, artifact, num_threads=num_threads),
    )


def export(
    *,
    peer: Peer,
    precision: FixedPrecision,
    find: Callable[[], Student],
    seq_lens: tuple[int, ...],
    path: Path,
    num_threads: int,
) -> tuple[Peer, Artifact]:
    """Exports and compares, in a process of its own.

    Raises:
        GateError: What was exported computes something else than the student.
    """
    from pipeline.benchmark import peer_exports

    student = find()
    student.model.set_attn_implementation("sdpa")
    exporter = peer_exports.EXPORTERS[peer.backend]
    exporter(student, precision=precision, seq_lens=seq_lens, path=path)
    artifact = describe(
        student, backend=peer.backend, precision=precision, seq_lens=seq_lens, path=path
    )
    check(peer_runners.load_exported(artifact, num_threads=num_threads), student, artifact)
    return peer, artifact


def admit(*, artifact: Artifact, find: Callable[[], Student], num_threads: int) -> Artifact:
    """Compares a file that was made elsewhere with the student, in a process of its own.

    Raises:
        GateError: It computes something else.
    """
    check(peer_runners.load_exported(artifact, num_threads=num_threads), find(), artifact)
    return artifact


def describe(
    student: Student,
    *,
    backend: str,
    precision: FixedPrecision,
    seq_lens: tuple[int, ...],
    path: Path,
    input_dtype: str = "int32",
) -> Artifact:
    """Describes a file that a peer made; ExecuTorch knows its tensors by position."""

    def specs(names: Sequence[str], dtype: str) -> tuple[TensorSpec, ...]:
        shown = map(str, range(len(names))) if backend == "executorch" else names
        return tuple(
            TensorSpec(name=name, artifact_name=own, dtype=dtype)
            for name, own in zip(names, shown, strict=True)
        )

    return Artifact(
        backend=backend,
        precision=precision,
        path=path,
        seq_lens=seq_lens,
        inputs=specs(student.input_names, input_dtype),
        outputs=specs(student.output_names, "float32"),
        entry_points=() if backend == ONNX else tuple(map(_ENTRY_POINTS[backend], seq_lens)),
    )


def check(runner: Runner, student: Student, artifact: Artifact) -> None:
    """Compares a peer with the student, at every length, in rows of which a quarter is padding.

    Raises:
        GateError: It computes something else.
    """
    own = TorchRunner(student.model, output_names=student.output_names)
    num_tokens = student.tokenizer.get_vocab_size()
    least = LEAST_SNR_DB[artifact.precision]
    for row in full_rows(student.input_names, artifact.seq_lens, num_tokens=num_tokens):
        num_padding = row["attention_mask"].shape[1] // 4
        row["attention_mask"][0, -num_padding:] = 0
        actual, wanted = runner.run(row), own.run(row)
        for name in wanted:
            noise_db = snr_db(actual=actual[name][0, :-num_padding],
                              reference=wanted[name][0, :-num_padding])  # fmt: skip
            if not noise_db >= least:
                raise GateError(
                    f"it computes something else than the student: {name} is {noise_db:.1f} dB "
                    f"from PyTorch's, and {least:g} dB is the least"
                )


def _compiled(
    student: Student, find: Callable[[], Student], *, num_threads: int, folder: Path
) -> Contestant:
    return Contestant(
        runtime=COMPILED,
        precision="fp32",
        size_bytes=sum(weight.nbytes for weight in student.model.parameters()),
        modules=("torch", "torch._inductor.compile_fx", "transformers", "pipeline.student.load"),
        load=functools.partial(
            peer_runners.load_compiled, find=find, num_threads=num_threads,
            folder=folder / COMPILED,
        ),
    )  # fmt: skip


def _bert_base(student: Student, *, longest: int, num_threads: int) -> Contestant:
    import torch

    head = peer_runners.Head.of_student(student)
    with torch.device("meta"):
        model = peer_runners.make_bert_base(head, longest=longest)
        weights = sum(weight.nbytes for weight in model.parameters())
    return Contestant(
        runtime=BERT_BASE,
        precision="fp32",
        size_bytes=weights,
        modules=("torch", "transformers.models.bert.modeling_bert", "pipeline.student.trace"),
        load=functools.partial(
            peer_runners.load_bert_base, head=head, longest=longest, num_threads=num_threads
        ),
    )
