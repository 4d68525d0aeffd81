"""The command ``parity``: a bundle beside its student, or a Core ML package beside its program."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from converters.values.errors import InputError
from pipeline.commands.console import (
    AsJson,
    BundlePath,
    Data,
    Limit,
    Reference,
    Runtimes,
    num_threads,
    show,
)


def parity(
    bundle: BundlePath,
    data: Data = None,
    limit: Limit = None,
    runtime: Runtimes = None,
    reference: Reference = None,
    localize: Annotated[
        bool, typer.Option("--localize", help="Name the first block that leaves the tolerance.")
    ] = False,
    report_folder: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Where to write parity.json and report.html."),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="X.npz",
            help="For an .mlpackage: one sample, the package's inputs by name; repeatable.",
        ),
    ] = None,
    function: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="For an .mlpackage of several functions: the one to compare."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Compares every artifact of a bundle with the PyTorch student.

    Or any Core ML package with the PyTorch program that it comes from: parity X.mlpackage
    --reference MODEL.pt2 --inputs X.npz. MODEL.pt2 is what torch.export.save wrote. Inputs and
    outputs go by name where the names of both agree, else by order; an image goes as its pixels,
    from 0 to 255. Of a package with several functions, --function names another than its default.
    """
    from pipeline.comparison.runtimes import check_artifacts_only
    from pipeline.files.other_files import refuse_other_file
    from pipeline.report import tables

    check_artifacts_only(runtime or ())
    if bundle.suffix == ".mlpackage":
        if data or limit or localize or report_folder:
            raise InputError(
                "--data, --limit, --localize and --report go with a bundle",
                hint="a package takes --reference and --inputs",
            )
        return _package_parity(bundle, reference, inputs or (), runtime or (), function, as_json)
    refuse_other_file(bundle)
    if inputs:
        raise InputError("--inputs goes with an .mlpackage", hint="a bundle takes --data")
    if function is not None:
        raise InputError(
            "--function goes with an .mlpackage", hint="all functions of a bundle are compared"
        )
    from pipeline.bundle.open import open_bundle
    from pipeline.parity import check_bundle
    from pipeline.running.run import Run

    with open_bundle(bundle) as opened:
        found = check_bundle(
            opened,
            examples=data,
            limit=limit,
            names=runtime or (),
            named_reference=reference,
            with_blocks=localize,
            report=report_folder,
            run=Run(num_threads=num_threads()),
        )
        sizes = {part.backend: part.size_bytes for part in opened.manifest.artifacts}
    table = tables.parity_table(found.verdicts, sizes)
    blocks = [part for each in found.localization or () for part in tables.localization(each)]
    remarks = tables.remarks((each.runtime for each in found.verdicts), found.skipped)
    remarks += tables.cut_in(found.verdicts)
    remarks += tables.unreadable(found.unreadable, "not compared", task=found.task)
    drift = tables.drift_tables(found.verdicts)
    show(found.to_json(), as_json, table, *drift, *blocks, *remarks)
    return 0 if found.passed else 1


def _package_parity(
    package: Path,
    reference: str | None,
    inputs: Sequence[Path],
    names: Sequence[str],
    function: str | None,
    as_json: bool,
) -> int:
    from pipeline.comparison.coreml_package import parity as flow
    from pipeline.comparison.runtimes import nothing_ran
    from pipeline.report import tables

    if reference is None:
        raise InputError(
            "a package needs --reference MODEL.pt2", hint="write it with torch.export.save"
        )
    if not inputs:
        raise InputError("a package needs --inputs X.npz", hint="write it with numpy.savez")
    asked = flow.Comparison(
        package=package, reference=Path(reference), inputs=tuple(inputs), names=tuple(names),
        function=function, num_threads=num_threads(),
    )  # fmt: skip
    verdicts, skipped = flow.check_apart(asked)
    if not verdicts:
        raise nothing_ran(skipped)
    payload = {
        "parity": [each.to_json() for each in verdicts],
        "skipped": [asdict(each) for each in skipped],
    }
    remarks = tables.remarks((each.runtime for each in verdicts), skipped)
    show(payload, as_json, tables.package_parity(verdicts), *remarks)
    return 0 if all(each.verdict == "pass" for each in verdicts) else 1
