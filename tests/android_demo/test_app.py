"""The Gradle project, as far as it can be read without Gradle."""

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT

DEMO = ROOT / "android_demo"
BUILD_FILES = sorted([*DEMO.glob("*.gradle.kts"), *DEMO.glob("*/build.gradle.kts")])
CATALOGUE = tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text())

WRAPPER_SHA256 = "7d3a4ac4de1c32b59bc6a4eb8ecb8e612ccd0cf1ae1e99f66902da64df296172"
"""Of the wrapper of Gradle 8.14, as its makers publish it."""
ACCESSOR = re.compile(r"\blibs\.([A-Za-z0-9.]+?)(?:\.get\(\)|(?=\)))")
"""How build files name what the catalogue holds."""


def test_version_that_is_referred_to_is_in_the_catalogue() -> None:
    entries = [*CATALOGUE["libraries"].values(), *CATALOGUE["plugins"].values()]
    named = [entry["version"]["ref"] for entry in entries if "version" in entry]
    assert set(named) <= set(CATALOGUE["versions"])
    # Those without are Compose's, whose versions its bill of materials gives.
    others = [entry["module"] for entry in entries if "version" not in entry]
    assert all(module.startswith("androidx.compose.") for module in others)


@pytest.mark.parametrize("path", BUILD_FILES, ids=lambda path: path.parent.name)
def test_build_file_names_what_the_catalogue_holds(path: Path) -> None:
    assert set(accessors_in(path)) <= set(catalogue_accessors())


def test_all_of_the_catalogue_is_used() -> None:
    used = {name for path in BUILD_FILES for name in accessors_in(path)}
    needed = set(catalogue_accessors()) - {f"versions.{name}" for name in CATALOGUE["versions"]}
    assert needed <= used


@pytest.mark.parametrize("path", BUILD_FILES, ids=lambda path: path.parent.name)
def test_build_file_closes_what_it_opens(path: Path) -> None:
    text = re.sub(r'//.*|"(?:\\.|[^"\\])*"', "", path.read_text())
    assert [text.count(each) for each in "({["] == [text.count(each) for each in ")}]"]


def test_gradle_is_pinned_and_checked() -> None:
    wrapper = (DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
    assert re.search(r"^distributionUrl=https\\://.+/gradle-8\.[0-9.]+-bin\.zip$", wrapper, re.M)
    assert re.search(r"^distributionSha256Sum=[0-9a-f]{64}$", wrapper, re.M)


def test_wrapper_is_gradles_own() -> None:
    jar = DEMO / "gradle" / "wrapper" / "gradle-wrapper.jar"
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == WRAPPER_SHA256
    assert os.access(DEMO / "gradlew", os.X_OK)
    assert (DEMO / "gradlew.bat").read_bytes().count(b"\r\n") > 50


@pytest.mark.skipif(shutil.which("java") is None, reason="java is not installed")
def test_wrapper_refuses_a_distribution_that_is_not_the_pinned_one(tmp_path: Path) -> None:
    shutil.copytree(DEMO / "gradle" / "wrapper", tmp_path / "gradle" / "wrapper")
    shutil.copy(DEMO / "gradlew", tmp_path)
    other = tmp_path / "gradle-8.14.3-bin.zip"
    other.write_bytes(b"another one")
    properties = tmp_path / "gradle" / "wrapper" / "gradle-wrapper.properties"
    text, changes = re.subn(
        r"^distributionUrl=.*$", f"distributionUrl={other.as_uri()}", properties.read_text(),
        flags=re.MULTILINE,
    )  # fmt: skip
    assert changes == 1
    properties.write_text(text)
    done = subprocess.run(
        (tmp_path / "gradlew", "--version"),
        cwd=tmp_path, env={**os.environ, "GRADLE_USER_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Verification of Gradle distribution failed" in done.stdout + done.stderr


def test_bundle_is_put_into_what_is_built_and_not_into_the_sources() -> None:
    app = (DEMO / "app" / "build.gradle.kts").read_text()
    assert "addGeneratedSourceDirectory(copyBundle, CopyBundle::assets)" in app
    assert "src/main/assets" not in app
    assert not (DEMO / "app" / "src" / "main" / "assets").exists()


def test_googles_repository_is_asked_for_googles_libraries_alone() -> None:
    settings = (DEMO / "settings.gradle.kts").read_text()
    patterns = [set(re.findall(r'includeGroupByRegex\("(.+)"\)', each))
                for each in settings.split("google {")[1:]]  # fmt: skip
    assert len(patterns) == 2
    assert patterns[0] == patterns[1]
    expressions = [re.compile(each.replace("\\\\", "\\")) for each in patterns[0]]
    own = ("androidx.core", "com.android.tools.build", "com.google.ai.edge.litert")
    others = ("org.jetbrains.kotlin", "com.google.guava", "com.androidx", "org.pytorch")
    for group in (*own, *others):
        matches = any(each.fullmatch(group) for each in expressions)
        assert matches == (group in own), group


def test_what_core_alone_compiles_with_is_hidden_from_others_by_both_builds() -> None:
    hidden = {"kotlinx.serialization.json": "kotlinx-serialization-json-jvm",
              "bouncycastle": "bcprov-jdk18on"}  # fmt: skip
    poms = {path.parent.name: ET.parse(path).getroot() for path in DEMO.glob("*/pom.xml")}
    for accessor, artifact in hidden.items():
        naming = [path.parent.name for path in BUILD_FILES if accessor in accessors_in(path)]
        assert naming == ["core"]
        assert f"implementation(libs.{accessor})" in (DEMO / "core/build.gradle.kts").read_text()
        assert scopes(ET.parse(DEMO / "pom.xml").getroot(), artifact) == ["runtime"]
        assert {name: scopes(pom, artifact) for name, pom in poms.items()} == {
            name: ["compile"] if name == "core" else [] for name in poms
        }


def scopes(pom: ET.Element, artifact: str) -> list[str | None]:
    """Returns the scopes in which a Maven project names an artifact."""
    return [
        each.findtext("{*}scope")
        for each in pom.iter("{http://maven.apache.org/POM/4.0.0}dependency")
        if each.findtext("{*}artifactId") == artifact
    ]


def accessors_in(path: Path) -> Iterator[str]:
    for found in ACCESSOR.finditer(path.read_text()):
        yield found[1]


def catalogue_accessors() -> Iterator[str]:
    """Yields how Gradle lets build files name the entries: with dots for dashes."""
    for kind, prefix in (("versions", "versions."), ("plugins", "plugins."), ("libraries", "")):
        for name in CATALOGUE[kind]:
            yield prefix + name.replace("-", ".")
