"""The commands ``verify`` and ``bundle``: a finished bundle, and what a platform needs of it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from converters.values.errors import GateError, InputError
from pipeline.bundle.open import Verified, open_bundle
from pipeline.bundle.open import verify as verify_files
from pipeline.commands.console import AsJson, BundlePath, Runtimes, num_threads, show
from pipeline.comparison.runtimes import check_artifacts_only
from pipeline.report import tables
from pipeline.running.run import Run

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
    from pipeline.bundle.signature import read_public_key
    from pipeline.packing import self_test

    if runtime and not vectors:
        raise InputError("--runtime goes with --vectors", hint="add --vectors")
    check_artifacts_only(runtime or ())
    key = None if public_key is None else read_public_key(public_key)
    found = verify_files(bundle, public_key=key)
    payload = {
        "ok": not found.problems,
        "problems": [asdict(problem) for problem in found.problems],
        "signature": found.signature,
        "signer": found.signer,
        "platform": found.platform,
    }
    if found.problems or not vectors:
        show(payload, as_json, *_lines(found))
        return 1 if found.problems else 0
    with open_bundle(bundle) as opened:
        tested = self_test.run(opened, names=runtime or (), run=Run(num_threads=num_threads()))
    payload |= {
        "ok": not tested.problems,
        "problems": [asdict(problem) for problem in tested.problems],
        "tested": [each.to_json() for each in tested.done],
        "skipped": [asdict(each) for each in tested.skipped],
    }
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
    lines = [f"[red]{escape(each.path)}[/]: {escape(each.problem)}" for each in tested.problems]
    show(payload, as_json, *_lines(found), table, *lines, *remarks)
    return 1 if tested.problems else 0


def bundle(
    bundle: BundlePath,
    platform: Annotated[str, typer.Option(help="android or ios.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.zip", help="The zip.")],
    as_json: AsJson = False,
) -> int:
    """Packs what one platform needs, laid out for its assets."""
    from pipeline.bundle import platforms

    if platform not in platforms.PLATFORMS:
        raise InputError(
            f"no platform {platform!r}", hint=f"choose from {', '.join(platforms.PLATFORMS)}"
        )
    found = verify_files(bundle)
    if found.problems:
        first = found.problems[0]
        raise GateError(
            f"{bundle} is damaged: {first.path}: {first.problem}", hint="build it again"
        )
    with open_bundle(bundle) as opened:
        shares = platforms.write(opened, platform, output)
        failed = [each for each in opened.manifest.verdicts if each.verdict == "fail"]
    size_bytes = output.stat().st_size
    payload = {
        "platform": platform,
        "path": str(output.resolve()),
        "size_bytes": size_bytes,
        "parts": [asdict(share) for share in shares],
    }
    table = tables.table("what for", "MB", "MB in the zip", words=("what for",))
    for share in shares:
        table.add_row(
            share.purpose, f"{share.size_bytes / 1e6:.3f}", f"{share.packed_bytes / 1e6:.3f}"
        )
    lines = [
        f"[yellow]{escape(each.runtime)} failed its parity check[/]: {escape(each.reason)}"
        for each in failed
    ]
    last = f"{escape(str(output))}: {size_bytes / 1e6:.1f} MB"
    show(payload, as_json, table, *lines, last)
    return 0


def _lines(found: Verified) -> list[str]:
    if found.problems:
        return [f"[red]{escape(each.path)}[/]: {escape(each.problem)}" for each in found.problems]
    whole = f"the bundle for {found.platform}" if found.platform else "the bundle"
    said = _SAID_OF_SIGNATURE[found.signature].format(signer=found.signer)
    return [f"[green]PASS[/] every file of {whole} is as its manifest says; {said}"]
