"""Bundles that are served: opened, with every runtime that answers for them in a process."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Sequence
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
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(open_bundle(path)) for path in paths]
        starter = _Starter(stack, named_reference, names, num_threads)
        yield tuple(
            starter.start(number, path, bundle)
            for number, (path, bundle) in enumerate(zip(paths, opened, strict=True))
        )


class _Starter:
    """Starts runtimes that end with a stack; bundles of one student share its process."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        named_reference: str | None,
        names: Sequence[str],
        num_threads: int,
    ) -> None:
        self._stack = stack
        self._named_reference = named_reference
        self._names = names
        self._num_threads = num_threads
        self._turn = Turn()
        self._students: dict[str, Engine] = {}

    def start(self, number: int, path: Path, bundle: Bundle) -> Served:
        """Starts the runtimes of a bundle.

        Raises:
            PocketBertError: There are none here.
        """
        pairs, skipped = runtimes.choose(self._names, bundle.artifacts)
        asks_student = not self._names or PYTORCH in self._names
        if not pairs and not asks_student:
            raise runtimes.nothing_ran(skipped)
        started: list[tuple[Artifact | None, Engine]] = []
        if asks_student:
            started.append((None, self._student(bundle)))
        started += [(artifact, self._artifact(artifact, name)) for artifact, name in pairs]
        return Served(
            number=number,
            path=path,
            opened=bundle,
            reader=Reader(bundle),
            answerers=tuple(
                Answerer(id=f"{number}-{engine.name}", artifact=artifact, engine=engine)
                for artifact, engine in started
            ),
            skipped=tuple(skipped),
        )

    def _student(self, bundle: Bundle) -> Engine:
        key = f"{bundle.manifest.student.weights_sha256} {bundle.manifest.tokenizer}"
        if key not in self._students:
            load = functools.partial(
                load_student,
                folder=bundle.folder,
                named_reference=self._named_reference,
                num_threads=self._num_threads,
            )
            modules, row = ("torch", "transformers"), _any_row(bundle.artifacts[0])
            self._students[key] = self._engine(PYTORCH, modules, load, row)
        return self._students[key]

    def _artifact(self, artifact: Artifact, runtime: str) -> Engine:
        load = functools.partial(
            runtimes.load_artifact,
            artifact=artifact,
            runtime=runtime,
            num_threads=self._num_threads,
        )
        return self._engine(runtime, (backends.runtime(runtime).module,), load, _any_row(artifact))

    def _engine(
        self, name: str, modules: tuple[str, ...], load: Callable[[], Runner], first_row: Arrays
    ) -> Engine:
        engine = Engine(name, Setting(modules=modules, load=load, first_row=first_row), self._turn)
        self._stack.callback(engine.close)
        return engine


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
