"""Measures a bundle's artifacts beside the PyTorch student: time by length, start, size, memory.

On demand also beside what else one would run the student with, and under the roofline of the
machine's matrix products.
"""

import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters import backends
from converters.values.artifact import Arrays, Artifact, Runner
from converters.values.errors import InputError
from pipeline.benchmark import contest, peers, roofline
from pipeline.benchmark.contest import Contestant, Row
from pipeline.benchmark.roofline import Roof
from pipeline.benchmark.turns import REPETITIONS
from pipeline.bundle import open
from pipeline.bundle.open import Bundle
from pipeline.comparison import runtimes
from pipeline.comparison.runtimes import PYTORCH, Skipped
from pipeline.running.run import Run
from pipeline.student import reference
from pipeline.student.load import Student, load
from pipeline.tokenizer.tokenization import bundle_tokenizer, write_vocabulary


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a benchmark found.

    Attributes:
        rows: One for each contestant and length.
        skipped: What could not run.
        roofs: One for each arithmetic and length; none where peers were not asked for.
    """

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    roofs: tuple[Roof, ...] = ()


def bench(
    opened: Bundle,
    *,
    names: Sequence[str] = (),
    with_peers: bool = False,
    seq_lens: Sequence[int] = (),
    named_reference: str | None = None,
    num_repetitions: int = REPETITIONS,
    run: Run,
) -> Measured:
    """Measures every artifact of a bundle in every runtime, and the PyTorch student.

    Args:
        opened: The bundle.
        names: Runtimes to use, ``pytorch`` among them; empty for all that run here.
        with_peers: Whether to measure other ways of running the student as well, and the roofline.
        seq_lens: Of the bundle, those to measure; empty for all.
        named_reference: Where the PyTorch student is, if the user says so.
        num_repetitions: Calls of each contestant at each length, at least two.
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: There is nothing here that runs, or what should run fails.
        InputError: The bundle has no such length, or the reference would not be asked.
    """
    if not with_peers:
        runtimes.check_reference(named_reference, names)
    seq_lens = _check_lengths(seq_lens, opened.artifacts[0].seq_lens)
    pairs, skipped = runtimes.choose(names, opened.artifacts)
    contestants = [of_artifact(each, name, num_threads=run.num_threads) for each, name in pairs]
    find = functools.partial(reference.find, opened, named=named_reference)
    roofs: tuple[Roof, ...] = ()
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        student, skipped = _find(find, names, skipped, with_peers=with_peers)
        if student is not None and _asks_pytorch(names):
            contestants.insert(0, of_student(student, find, num_threads=run.num_threads))
        if student is not None and with_peers:
            found, missing = peers.prepare(
                student, find, seq_lens=seq_lens, folder=Path(folder), run=run
            )
            contestants, skipped = contestants + found, skipped + missing
            roofs = roofline.measure(student, seq_lens=seq_lens, run=run)
        if not contestants:
            raise runtimes.nothing_ran(skipped)
        rows = contest.measure(
            contestants, _inputs(opened, seq_lens), model=opened.manifest.student.name,
            num_repetitions=num_repetitions, run=run,
        )  # fmt: skip
    shared = roofline.with_shares(rows, roofs)
    return Measured(rows=tuple(shared), skipped=tuple(skipped), roofs=roofs)


def _asks_pytorch(names: Sequence[str]) -> bool:
    return not names or PYTORCH in names


def _find(
    find: Callable[[], Student],
    names: Sequence[str],
    skipped: list[Skipped],
    *,
    with_peers: bool,
) -> tuple[Student | None, list[Skipped]]:
    """Returns the PyTorch student where it is needed, and all that cannot run without it."""
    if not (with_peers or _asks_pytorch(names)):
        return None, skipped
    try:
        return find(), skipped
    except reference.ReferenceNotFoundError as err:
        own = Skipped(runtime=PYTORCH, reason=f"{err.message}; {err.hint}")
    reason = "they are made from the PyTorch student, which was not found"
    of_peers = [Skipped(runtime=name, reason=reason) for name in peers.RUNTIMES if with_peers]
    return None, [own, *skipped, *of_peers]


def _inputs(opened: Bundle, seq_lens: Sequence[int]) -> list[Arrays]:
    """Returns a full row for each length."""
    tokenizer = bundle_tokenizer(opened.folder, opened.manifest.tokenizer)
    return contest.full_rows(
        [spec.name for spec in opened.artifacts[0].inputs],
        seq_lens,
        num_tokens=len(tokenizer.get_vocab()),
    )


def _check_lengths(wanted: Sequence[int], available: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the lengths to measure, ascending, all of which the artifacts must serve."""
    for seq_len in wanted:
        if seq_len not in available:
            raise InputError(
                f"the bundle has no length {seq_len}",
                hint=f"choose from {', '.join(map(str, available))}, or leave out --seq-len",
            )
    return tuple(each for each in available if each in wanted) if wanted else available


def of_artifact(artifact: Artifact, runtime: str, *, num_threads: int) -> Contestant:
    """Returns an artifact of ours in one of its runtimes."""
    return Contestant(
        runtime=runtime,
        precision=artifact.precision,
        size_bytes=open.size_bytes(artifact.path),
        modules=(backends.runtime(runtime).module,),
        load=functools.partial(
            runtimes.load_artifact, artifact=artifact, runtime=runtime, num_threads=num_threads
        ),
    )


def of_student(student: Student, find: Callable[[], Student], *, num_threads: int) -> Contestant:
    """Returns the PyTorch student.

    Args:
        student: What ``find`` returns; it is seen here, and not over there, that it can be found.
        find: Loads it, in the process of a seat.
        num_threads: Of PyTorch.
    """
    return Contestant(
        runtime=PYTORCH,
        precision="fp32",
        size_bytes=sum(weight.nbytes for weight in student.model.parameters()),
        modules=("torch", "transformers", "pipeline.student.load"),
        load=functools.partial(load_student, find=find, num_threads=num_threads),
    )


def load_student(*, find: Callable[[], Student], num_threads: int) -> Runner:
    """Loads the student as a user of Transformers would run it; called in a seat's process."""
    import torch

    torch.set_num_threads(num_threads)
    student = find()
    student.model.set_attn_implementation("sdpa")
    return runtimes.TorchRunner(student.model, output_names=student.output_names)


def save_base(folder: Path, *, num_layers: int = 6) -> Path:
    """Writes a DistilBERT of base width with random weights, which are as fast as trained ones.

    Args:
        folder: Where to write.
        num_layers: DistilBERT-base has six.

    Returns:
        The folder, with the embedded student's task and tokenizer.
    """
    import torch
    import transformers

    embedded = load()
    torch.manual_seed(0)
    config = transformers.DistilBertConfig(n_layers=num_layers)
    kind = getattr(transformers, f"DistilBert{embedded.task.ARCHITECTURE_SUFFIX}")
    kind(config).save_pretrained(folder)
    write_vocabulary(embedded.tokenizer, folder)
    return folder
