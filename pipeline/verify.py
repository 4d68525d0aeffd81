"""What ``pocketbert verify`` finds out of a bundle: its files, its signature, its self test."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from converters.values.errors import InputError
from pipeline.bundle import open, signature
from pipeline.bundle.manifest import FILE_NAME, ManifestDamagedError
from pipeline.bundle.open import Problem, Verified
from pipeline.comparison import runtimes
from pipeline.packing import self_test
from pipeline.packing.self_test import SelfTestResult
from pipeline.running.run import Run
from pipeline.tasks import task_of_bundle, tasks_by_name


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found out about a bundle.

    Attributes:
        files: What its files and its signature are.
        self_test: What came of the self test; ``None`` where none was asked for, or where the files
            are not what the manifest says.
    """

    files: Verified
    self_test: SelfTestResult | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.files.problems or (self.self_test and self.self_test.problems))

    def to_json(self) -> dict[str, Any]:
        """Returns what ``--json`` prints."""
        tested = self.self_test
        problems = (tested or self.files).problems
        content: dict[str, Any] = {
            "ok": self.passed,
            "problems": [asdict(problem) for problem in problems],
            "signature": self.files.signature,
            "signer": self.files.signer,
            "platform": self.files.platform,
        }
        if tested is not None:
            content["tested"] = [each.to_json() for each in tested.done]
            content["skipped"] = [asdict(each) for each in tested.skipped]
        return content


def verify(
    bundle: Path,
    *,
    public_key: Path | None = None,
    with_vectors: bool = False,
    names: Sequence[str] = (),
    run: Run,
) -> Checked:
    """Compares a bundle with its manifest, and runs its self test where that is wanted.

    Args:
        bundle: A folder or a zip.
        public_key: A file with the key that must have signed it; ``None`` where any may have.
        with_vectors: Whether to run the self test.
        names: Runtimes of the self test; empty for all that run here.
        run: How the self test goes.

    Raises:
        InputError: There is no bundle, the key cannot be read, or the names would have no effect.
        PocketBertError: No runtime can run the self test here.
    """
    if names and not with_vectors:
        raise InputError("--runtime goes with --vectors", hint="add --vectors")
    runtimes.check_artifacts_only(names)
    key = None if public_key is None else signature.read_public_key(public_key)
    files = _with_task(open.verify(bundle, public_key=key))
    if files.problems or not with_vectors:
        return Checked(files=files)
    with open.open_bundle(bundle) as opened:
        tested = self_test.run(opened, names=names, run=run)
    return Checked(files=files, self_test=tested)


def _with_task(files: Verified) -> Verified:
    """Adds what the bundle's task finds wrong with its rules, where the task is known."""
    if files.manifest is None or files.manifest.task.name not in tasks_by_name():
        return files
    try:
        task_of_bundle(files.manifest)
    except ManifestDamagedError as err:
        problem = Problem(path=FILE_NAME, problem=err.message)
        return replace(files, problems=(*files.problems, problem))
    return files
