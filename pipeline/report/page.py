"""Writes the bundle's page for people: one HTML file that needs no network."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from converters import backends
from converters.values.artifact import Artifact
from converters.values.errors import InputError, StorageError
from pipeline.bundle import open
from pipeline.bundle.manifest import FILE_NAME as MANIFEST
from pipeline.comparison.compare import ERROR_BINS, ComparedInput
from pipeline.comparison.localize import Localization
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.verdict import FILE_NAME as PARITY_FILE
from pipeline.comparison.verdict import NUM_WORST, Parity, as_json, badness_by
from pipeline.files.canonical import canonical_json
from pipeline.quantization.search import Step
from pipeline.report.confusion import groups
from pipeline.report.depth import picture
from pipeline.report.pictures import draw_svg
from pipeline.report.tables import number
from pipeline.tasks.task import Change, Piece

if TYPE_CHECKING:
    from pipeline.student.load import Student

FILE_NAME = "report.html"

NUM_CHANGES = 5
"""Labels of an input that are shown with their probabilities."""

_HINT = "choose another folder with --report"
_TITLE = b"<title>PocketBERT: "
_HEAD_BYTES = 1_000
"""Of a page, in which its title stands."""


@dataclass(frozen=True, kw_only=True)
class Worst:
    """An input that fares badly, and where.

    Attributes:
        heading: Of it, in a line.
        pieces: Of its text.
        changes: Of the numbers of the answer, the largest first; at most ``NUM_CHANGES``.
    """

    parity: Parity
    compared: ComparedInput
    heading: str
    pieces: tuple[Piece, ...]
    changes: tuple[Change, ...]


def check_report_folder(folder: Path) -> None:
    """Refuses a folder where a report would take the place of something else.

    Raises:
        InputError: Files of a report's names there are not an earlier report's.
    """
    if (folder / MANIFEST).exists():
        raise InputError(
            f"{folder} is a bundle, whose own report its manifest has the hash of", hint=_HINT
        )
    for name, is_ours in ((PARITY_FILE, _holds_verdicts), (FILE_NAME, _is_page)):
        path = folder / name
        if path.is_symlink() or (path.exists() and not is_ours(path)):
            raise InputError(
                f"{path} exists and is not of a report, so it is not overwritten", hint=_HINT
            )


def _holds_verdicts(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"parity", "skipped"} <= content.keys()


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _TITLE in file.read(_HEAD_BYTES)
    except OSError:
        return False


def write_report(
    folder: Path,
    student: "Student",
    artifacts: Sequence[Artifact],
    parity: Sequence[Parity],
    skipped: Sequence[Skipped],
    localization: Sequence[Localization],
) -> None:
    """Writes the verdicts into a folder of the user's, for programs and for people.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PARITY_FILE).write_bytes(canonical_json(as_json(parity, skipped)))
        write(
            folder / FILE_NAME, student, artifacts, parity,
            skipped=skipped, localization=localization,
        )  # fmt: skip
    except OSError as err:
        raise StorageError(
            f"{folder} cannot be written: {err.strerror}",
            hint=_HINT,
        ) from err


def html_templates(package: str) -> jinja2.Environment:
    """Returns the templates of pages that lie in a package: whatever they show is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write(
    path: Path,
    student: "Student",
    artifacts: Sequence[Artifact],
    parity: Sequence[Parity],
    *,
    skipped: Sequence[Skipped] = (),
    localization: Sequence[Localization] = (),
    steps: Sequence[Step] = (),
) -> None:
    """Writes the page.

    Args:
        path: The file to write.
        student: The reference.
        artifacts: What was checked.
        parity: The verdicts.
        skipped: What could not run here.
        localization: Artifacts block by block, where they were looked into.
        steps: What a search saw, where there was one.
    """
    templates = html_templates(__package__)
    templates.filters["number"] = number
    notes = {each.runtime: backends.runtime(each.runtime).note for each in parity}
    text = templates.get_template(FILE_NAME).render(
        student=student,
        task=student.task,
        nan=math.nan,
        architecture=type(student.model).__name__,
        num_parameters=sum(weight.numel() for weight in student.model.parameters()),
        artifacts=[(artifact, open.size_bytes(artifact.path)) for artifact in artifacts],
        parity=parity,
        skipped=skipped,
        localization=localization,
        depth=picture(localization),
        steps=steps,
        notes={runtime: note for runtime, note in notes.items() if note},
        errors=draw_errors(parity),
        confusion=list(groups(parity)),
        worst=list(_worst(parity)),
    )
    path.write_text(text, encoding="utf-8")


def draw_errors(parity: Sequence[Parity]) -> str:
    """Returns a picture of how many logits differ by how much, as SVG; empty if none is known."""
    counted = [each for each in parity if each.error_counts]

    def draw(axes: Any) -> None:
        for each in counted:
            shares = [100 * count / sum(each.error_counts) for count in each.error_counts]
            axes.stairs(shares, ERROR_BINS, label=f"{each.runtime}, {each.seq_len} tokens")
        axes.legend(fontsize="small")

    labels = {"xlabel": "difference from PyTorch, logits", "ylabel": "share of logits, %"}
    return draw_svg(draw, **labels, xscale="log") if counted else ""


def _worst(parity: Sequence[Parity]) -> Iterator[Worst]:
    """Yields the inputs that fare worst in any runtime, each in the one where it fares worst."""
    found: dict[str, tuple[Parity, ComparedInput]] = {}
    for each in parity:
        badness = badness_by(each.task)
        for compared in each.worst:
            before = found.get(compared.id)
            if before is None or badness(compared) > badness(before[1]):
                found[compared.id] = each, compared
    order = sorted(found.values(), key=lambda each: badness_by(each[0].task)(each[1]), reverse=True)
    for each, compared in order[:NUM_WORST]:
        heading, pieces = each.task.marked(
            compared.texts, reference=compared.reference, answer=compared.answer
        )
        changes = each.task.changes(compared.reference, compared.answer)[:NUM_CHANGES]
        yield Worst(parity=each, compared=compared, heading=heading, pieces=pieces, changes=changes)
