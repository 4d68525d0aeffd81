"""Runs Maven over the Android demo, and reads what surefire reports."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.command import ROOT

DEMO = ROOT / "android_demo"
LEAST_JAVA = 17

_NO_NETWORK = re.compile(
    r"^\[ERROR\] .*(?:Could not transfer artifact|failed to transfer from|in offline mode).*$",
    flags=re.MULTILINE,
)
"""Maven lacks what it would download. Of what does not exist anywhere it says something else."""
_UNSERVED = re.compile(
    r"^\[ERROR\] .*on project packaging: .*"
    r"(?:Could not (?:resolve|transfer|find artifact)|Unable to find artifact).*$",
    flags=re.MULTILINE,
)
"""Android's own tools, or AndroidX, are in no repository that Maven reaches here."""
_FAILED = re.compile(r"^\[INFO\] ([\w-]+) \.+ FAILURE", flags=re.MULTILINE)
_REPORTS = "*/target/surefire-reports/TEST-*.xml"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One test that surefire ran.

    Attributes:
        module: The folder in the demo.
        test: Class, without its package, and name.
        problem: What failed, or why it was skipped; nothing of a test that passed.
    """

    module: str
    test: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What became of ``mvn test``."""

    code: int
    output: str
    cases: tuple[Case, ...]

    @property
    def problems(self) -> str:
        """Every test that did not pass, with what it says."""
        return "\n\n".join(
            f"{case.module}: {case.test}\n{case.problem}" for case in self.cases if case.problem
        )

    @property
    def failed_modules(self) -> set[str]:
        """Those that did not come to their end."""
        return set(_FAILED.findall(self.output))

    @property
    def why_unserved(self) -> str:
        """What Android's own tools could not be run without, or nothing."""
        found = _UNSERVED.search(self.output)
        return found[0] if found and self.code else ""

    @property
    def why_offline(self) -> str:
        """What ended Maven because it could not be fetched, or nothing; a failed test is none.

        Where Android's own tools alone are absent, nothing: all else was tested.
        """
        found = _NO_NETWORK.search(self.output)
        tools_alone = bool(self.why_unserved) and self.failed_modules == {"packaging"}
        return found[0] if found and self.code and not self.problems and not tools_alone else ""


def why_absent() -> str:
    """Returns why Maven cannot run here, or nothing."""
    if shutil.which("mvn") is None:
        return "mvn is not installed"
    said = subprocess.run(("mvn", "-version"), capture_output=True, text=True, check=False).stdout
    found = re.search(r"Java version: (\d+)", said)
    if found is None or int(found[1]) < LEAST_JAVA:
        return f"mvn finds no JDK of version {LEAST_JAVA} or later"
    return ""


def run_tests(
    properties: Mapping[str, Path], *, timeout: float, profile: str | None = None
) -> Finished:
    """Runs ``mvn -B test`` over all modules, from the beginning; a failed one ends no other.

    Args:
        properties: Of the system, for the tests.
        timeout: Seconds.
        profile: Of Maven, with the modules that it adds.
    """
    for pom in [*DEMO.glob("*/pom.xml"), *DEMO.glob("*/*/pom.xml")]:
        # A class whose source is gone would be tested still, and its report be taken for a new one.
        shutil.rmtree(pom.with_name("target"), ignore_errors=True)
    added = ["-fae", *([f"-P{profile}"] if profile else [])]
    done = subprocess.run(
        ("mvn", "-B", "test", *added, *(f"-D{name}={path}" for name, path in properties.items())),
        cwd=DEMO,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
    cases = tuple(case for report in sorted(DEMO.glob(_REPORTS)) for case in _cases(report))
    return Finished(code=done.returncode, output=done.stdout, cases=cases)


def _cases(report: Path) -> list[Case]:
    module = report.relative_to(DEMO).parts[0]
    return [
        Case(
            module=module,
            test=f"{case.get('classname', '').rpartition('.')[2]}: {case.get('name')}",
            problem="\n".join(
                f"{each.tag}: {each.get('message') or ''}\n{(each.text or '')[:2000]}"
                for each in case
                if each.tag in {"failure", "error", "skipped"}
            ),
        )
        for case in ET.parse(report).iter("testcase")
    ]
