"""The command ``verify``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipeline.commands.console import AsJson, BundlePath, Runtimes, num_threads, show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from pipeline.bundle.open import Problem, Verified
    from pipeline.packing.self_test import SelfTestResult

_SAID_OF_SIGNATURE = {
    "none": "it is not signed, so nothing tells who wrote the manifest",
    "unchecked": "the manifest is signed with a key whose sha256 is {signer}; whose that is, was "
    "not checked: give --public-key",
    "valid": "the manifest is signed with the key that was given",
}
"""No more than a hash and a signature can tell: who changes a file can change its hash, too."""


def verify(
    bundle: BundlePath,
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Must have signed it: an Ed25519 public key in PEM."),
    ] = None,
    vectors: Annotated[
        bool,
        typer.Option(
            "--vectors", help="Run the self test, as an app does on the phone, in every runtime."
        ),
    ] = False,
    runtime: Runtimes = None,
    as_json: AsJson = False,
) -> int:
    """Finds every file of a bundle that is not as its manifest says, and checks who signed that."""
    from pipeline import verify as flow
    from pipeline.running.run import Run

    found = flow.verify(
        bundle,
        public_key=public_key,
        with_vectors=vectors,
        names=runtime or (),
        run=Run(num_threads=num_threads()),
    )
    tested = [] if found.self_test is None else _self_test(found.self_test)
    show(found.to_json(), as_json, *_files(found.files), *tested)
    return 0 if found.passed else 1


def _files(found: "Verified") -> list[str]:
    if found.problems:
        return _problems(found.problems)
    whole = f"the bundle for {found.platform}" if found.platform else "the bundle"
    said = _SAID_OF_SIGNATURE[found.signature].format(signer=found.signer)
    return [f"[green]PASS[/] every file of {whole} is as its manifest says; {said}"]


def _self_test(tested: "SelfTestResult") -> "list[RenderableType]":
    from pipeline.report import tables

    table = tables.table("runtime", "max diff", "tolerance", "same answers", "verdict",
                         words=("verdict",))  # fmt: skip
    for each in tested.done:
        table.add_row(
            each.runtime,
            tables.number(each.found.max_abs_diff, "{:.2g}"),
            f"{each.tolerance:.2g}",
            f"{each.found.num_same} of {each.found.num_asked}",
            "[red]FAIL" if each.found.problems else "[green]PASS",
        )
    remarks = tables.remarks((each.runtime for each in tested.done), tested.skipped)
    return [table, *_problems(tested.problems), *remarks]


def _problems(found: "Iterable[Problem]") -> list[str]:
    return [f"[red]{escape(each.path)}[/]: {escape(each.problem)}" for each in found]
