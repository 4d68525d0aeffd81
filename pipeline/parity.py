"""All that ``pocketbert parity`` does with a bundle."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converters.values.errors import InputError
from pipeline.bundle.open import Bundle
from pipeline.comparison import parity, runtimes
from pipeline.comparison.localize import Localization, localize
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.task_library import variant
from pipeline.comparison.verdict import Parity, as_json
from pipeline.conversion.recipe import FILE_NAME as RECIPE_FILE
from pipeline.conversion.recipe import read_recipe
from pipeline.report import page
from pipeline.running.run import Run
from pipeline.student import reference
from pipeline.student.load import Student
from pipeline.tasks.examples import Given, read, sort_out
from pipeline.tasks.task import Example, Task, Unreadable


@dataclass(frozen=True, kw_only=True)
class BundleParity:
    """The verdicts on a bundle.

    Attributes:
        task: The student's.
        unreadable: Examples that the student cannot be asked, and that are not compared.
        localization: Artifacts block by block; None where that was not asked for.
    """

    task: Task
    verdicts: tuple[Parity, ...]
    skipped: tuple[Skipped, ...]
    unreadable: tuple[Unreadable, ...]
    localization: tuple[Localization, ...] | None

    @property
    def passed(self) -> bool:
        """Whether every artifact kept to its gates, and every block to its tolerance."""
        return all(each.verdict == "pass" for each in self.verdicts) and all(
            each.passed for each in self.localization or ()
        )

    def to_json(self) -> dict[str, Any]:
        """Returns what ``--json`` prints."""
        content = as_json(self.verdicts, self.skipped)
        if self.unreadable:
            content["unreadable"] = [asdict(each) for each in self.unreadable]
        if self.localization is not None:
            content["localization"] = [each.to_json() for each in self.localization]
        return content


def check_bundle(
    opened: Bundle,
    *,
    examples: Given = None,
    limit: int | None = None,
    names: Sequence[str] = (),
    named_reference: str | None = None,
    with_blocks: bool = False,
    report: Path | None = None,
    run: Run,
) -> BundleParity:
    """Compares every artifact of a bundle with its PyTorch student.

    Args:
        opened: The bundle.
        examples: What to compare on: a file, or examples; None for the package's own.
        limit: Use only so many of them.
        names: Runtimes to use; empty for all that run here.
        named_reference: Where the PyTorch student is, if the user says so.
        with_blocks: Whether to look into artifacts block by block.
        report: A folder for the report, where one is wanted.
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: The student is not found, nothing could run, or the report would take the
            place of something else.
    """
    _check_asked(names, with_blocks=with_blocks, report=report)
    student = reference.find(opened, named=named_reference)
    given = read(examples, task=student.task, limit=limit)
    sorted_out = sort_out(given, task=student.task, tokenizer=student.tokenizer)
    chosen = sorted_out.readable
    verdicts, skipped = _judge(opened, student, chosen, names, run)
    blocks: Sequence[Localization] = ()
    if with_blocks:
        blocks = localize(student, opened.artifacts, examples=chosen, names=names, run=run)
    if report is not None:
        page.write_report(report, student, opened.artifacts, verdicts, skipped, blocks)
    return BundleParity(
        task=student.task,
        verdicts=tuple(verdicts),
        skipped=tuple(skipped),
        unreadable=sorted_out.unreadable,
        localization=tuple(blocks) if with_blocks else None,
    )


def _check_asked(names: Sequence[str], *, with_blocks: bool, report: Path | None) -> None:
    """Refuses, before anything runs, what could not be done in the end."""
    if with_blocks and set(names) == {variant.RUNTIME}:
        raise InputError(
            f"--localize looks into artifacts, and {variant.RUNTIME} gives answers alone",
            hint="leave it out, or add another --runtime",
        )
    if report is not None:
        page.check_report_folder(report)


def _judge(
    opened: Bundle, student: Student, examples: Sequence[Example], names: Sequence[str], run: Run
) -> tuple[list[Parity], list[Skipped]]:
    """Returns the verdicts on the artifacts and on the variant for the Task Library."""
    recipe = read_recipe(opened.folder / RECIPE_FILE)
    verdicts, skipped = parity.check(
        student, opened.artifacts, examples=examples, recipe=recipe, names=names, run=run
    )
    second, not_run = variant.check_bundle(opened, student, examples=examples, names=names, run=run)
    verdicts += second
    skipped = [each for each in skipped if each.runtime != variant.RUNTIME] + not_run
    if not verdicts:
        raise runtimes.nothing_ran(skipped)
    return verdicts, skipped
