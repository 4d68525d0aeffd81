"""Bundles that are served: opened, with every runtime that answers for them in a process."""

import contextlib
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters import backends
from converters.values.artifact import Arrays, Artifact, Runner
from pipeline.bundle.open import Bundle, open_bundle
from pipeline.comparison import runtimes
from pipeline.comparison.answerers import Reader
from pipeline.comparison.runtimes import PYTORCH, Skipped
from pipeline.page.asking import Answerer, Asked, Asking, Tell
from pipeline.page.engine import Engine, Setting, Turn
from pipeline.tasks.task import Example, Task

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/:;,'\"]+/)+")
"""The folders of an absolute path."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A bundle that can be asked.

    Attributes:
        number: Its place among those that are served.
        path: Its folder or zip, as the user named it.
        skipped: Runtimes that cannot run here.
    """

    number: int
    path: Path
    opened: Bundle
    reader: Reader
    answerers: tuple[Answerer, ...]
    skipped: tuple[Skipped, ...]

    @property
    def name(self) -> str:
        """What it is called on the page: its name, without the folder that it lies in."""
        return self.path.resolve().name

    @property
    def task(self) -> Task:
        """By the rules of its manifest."""
        return self.reader.task

    def read(self, examples: Sequence[Example]) -> list[Asked]:
        """Returns examples with their rows.

        Raises:
            InputError: One cannot be read.
        """
        return [Asked(example=each, encoded=self.reader.encode(each)) for each in examples]

    def ask(self, asked: Sequence[Asked], *, only: Sequence[str] | None, tell: Tell) -> Asking:
        """Asks its runtimes some examples.

        Args:
            asked: At least one.
            only: The runtimes by their ids; None for all.
            tell: Takes every event, from other threads.
        """
        answerers = [each for each in self.answerers if only is None or each.id in only]
        return Asking(asked, answerers, task=self.task, tell=tell)


def without_folders(text: str) -> str:
    """Returns a message without the folders of this machine: of each path the name is left."""
    return _FOLDERS.sub("…/", text)


@contextlib.contextmanager
def serving(
    paths: Sequence[Path],
    *,
    named_reference: str | None = None,
    names: Sequence[str] = (),
    num_threads: int,
) -> Iterator[tuple[Served, ...]]:
    """Opens bundles and starts their runtimes; the processes end with the block.

    Args:
        paths: Folders or zips.
        named_reference: Where the PyTorch student is, if the user says so.
        names: Runtimes to use, ``pytorch`` among them; empty for all that run here.
        num_threads: Of each runtime.

    Raises:
        PocketBertError: A bundle cannot be opened, or there is nothing here that answers.
        InputError: The reference would not be asked.
    """
    runtimes.check_reference(named_reference, names)
    turn, students = Turn(), dict[str, Engine]()
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(open_bundle(path)) for path in paths]
        served = []
        for number, (path, bundle) in enumerate(zip(paths, opened, strict=True)):
            pairs, skipped = runtimes.choose(names, bundle.artifacts)
            if not pairs and names != [PYTORCH]:
                raise runtimes.nothing_ran(skipped)
            reader = Reader(bundle)
            answerers = []
            if not names or PYTORCH in names:
                key = f"{bundle.manifest.student.weights_sha256} {bundle.manifest.tokenizer}"
                if key not in students:
                    students[key] = _student_engine(bundle, named_reference, num_threads, turn)
                    stack.callback(students[key].close)
                answerers.append(_answerer(number, PYTORCH, None, students[key]))
            for artifact, runtime in pairs:
                engine = _artifact_engine(artifact, runtime, num_threads, turn)
                stack.callback(engine.close)
                answerers.append(_answerer(number, runtime, artifact, engine))
            served.append(
                Served(
                    number=number,
                    path=path,
                    opened=bundle,
                    reader=reader,
                    answerers=tuple(answerers),
                    skipped=tuple(skipped),
                )
            )
        yield tuple(served)


def _answerer(number: int, runtime: str, artifact: Artifact | None, engine: Engine) -> Answerer:
    return Answerer(id=f"{number}-{runtime}", runtime=runtime, artifact=artifact, engine=engine)


def _artifact_engine(artifact: Artifact, runtime: str, num_threads: int, turn: Turn) -> Engine:
    load = functools.partial(
        runtimes.load_artifact, artifact=artifact, runtime=runtime, num_threads=num_threads
    )
    modules = (backends.runtime(runtime).module,)
    setting = Setting(modules=modules, load=load, first_row=_any_row(artifact))
    return Engine(runtime, setting, turn)


def _student_engine(bundle: Bundle, named: str | None, num_threads: int, turn: Turn) -> Engine:
    load = functools.partial(
        load_student, folder=bundle.folder, named_reference=named, num_threads=num_threads
    )
    first_row = _any_row(bundle.artifacts[0])
    setting = Setting(modules=("torch", "transformers"), load=load, first_row=first_row)
    return Engine(PYTORCH, setting, turn)


def load_student(*, folder: Path, named_reference: str | None, num_threads: int) -> Runner:
    """Loads the PyTorch student of a bundle, in this process, which is for it alone.

    Raises:
        InputError: It cannot be found, or is another.
    """
    import torch

    from pipeline.student import reference

    torch.set_num_threads(num_threads)
    with open_bundle(folder) as opened:
        student = reference.find(opened, named=named_reference)
    return runtimes.TorchRunner(student.model, output_names=student.output_names)


def _any_row(artifact: Artifact) -> Arrays:
    """Returns a row of the least length that any model takes."""
    shape = (1, artifact.seq_lens[0])
    row: dict[str, Any] = {spec.name: np.ones(shape, np.int32) for spec in artifact.inputs}
    if "token_type_ids" in row:
        row["token_type_ids"] = np.zeros(shape, np.int32)
    return row
