"""The reader of zipped bundles."""

import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from random import Random

from converters.values.errors import GateError
from pipeline.bundle.open import hash_files, open_bundle
from tests.bundles import problems_of, write_bundle
from tests.fuzz.loop import Case, Target, WrongAcceptanceError
from tests.fuzz.mutate import SHARE_ARBITRARY, arbitrary, mutate_bytes

_ARCHIVE = "outer/bundle.zip"


def zip_target(work: Path) -> Target:
    """Returns the target of ``verify`` and ``open_bundle`` on zips.

    The bundle is unpacked below ``outer``: whatever else appears there came out of the zip.
    """
    bundle = write_bundle(work / "bundle")
    expected = hash_files(bundle)
    valid = [_zipped(bundle, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]

    def make(random: Random) -> Case:
        is_mutation = random.random() >= SHARE_ARBITRARY
        damage = mutate_bytes if is_mutation else arbitrary
        return Case(files={_ARCHIVE: damage(random, valid)}, is_mutation=is_mutation)

    def read(folder: Path, case: Case) -> None:
        inner = folder / "outer" / "inner"
        inner.mkdir(exist_ok=True)
        tempfile.tempdir = str(inner)
        archive = folder / _ARCHIVE
        try:
            problems = problems_of(archive)
            if not problems:
                with open_bundle(archive) as opened:
                    # A bundle without what other systems need is one of a platform.
                    if hash_files(opened.folder) != {name: expected[name] for name in opened.files}:
                        raise WrongAcceptanceError("a bundle of other files was verified")
                return
        finally:
            _check_nothing_else(folder)
        # `verify` tells of the files by their names in the bundle.
        named = "; ".join(f"{each.path}: {each.problem}" for each in problems)
        raise GateError(f"{archive}: {named.splitlines()[0]}", hint="build it again")

    return Target(name="zip", make=make, read=read, named=_ARCHIVE)


def _check_nothing_else(folder: Path) -> None:
    known = {folder / "outer", folder / "outer" / "inner", folder / _ARCHIVE}
    strangers = set(folder.rglob("*")) - known
    if strangers:
        raise WrongAcceptanceError(f"left behind: {sorted(map(str, strangers))}")


def _zipped(bundle: Path, method: int) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for path in sorted(bundle.rglob("*")):
            name = path.relative_to(bundle).as_posix()
            archive.writestr(
                zipfile.ZipInfo(name + "/" * path.is_dir()),
                b"" if path.is_dir() else path.read_bytes(),
                method,
            )
    return packed.getvalue()
