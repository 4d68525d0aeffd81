"""The Xcode project of the iOS demo, as far as it can be read without Xcode."""

import os
import plistlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import files, version
from typing import Any

import pytest

from tests.bundles import MANIFEST, write_bundle
from tests.command import ROOT

DEMO = ROOT / "ios_demo"
PROJECT = DEMO / "PocketBertDemo.xcodeproj" / "project.pbxproj"
ID = re.compile(r"[0-9A-F]{24}")

KEYS = {
    "PBXBuildFile": {"fileRef", "productRef"},
    "PBXFileReference": {
        "explicitFileType", "includeInIndex", "lastKnownFileType", "name", "path", "sourceTree",
    },
    "PBXFileSystemSynchronizedBuildFileExceptionSet": {"membershipExceptions", "target"},
    "PBXFileSystemSynchronizedRootGroup": {"exceptions", "path", "sourceTree"},
    "PBXFrameworksBuildPhase": {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"},
    "PBXGroup": {"children", "name", "path", "sourceTree"},
    "PBXNativeTarget": {
        "buildConfigurationList", "buildPhases", "buildRules", "dependencies",
        "fileSystemSynchronizedGroups", "name", "packageProductDependencies", "productName",
        "productReference", "productType",
    },
    "PBXProject": {
        "attributes", "buildConfigurationList", "developmentRegion", "hasScannedForEncodings",
        "knownRegions", "mainGroup", "minimizedProjectReferenceProxies", "packageReferences",
        "preferredProjectObjectVersion", "productRefGroup", "projectDirPath", "projectRoot",
        "targets",
    },
    "PBXResourcesBuildPhase": {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"},
    "PBXSourcesBuildPhase": {"buildActionMask", "files", "runOnlyForDeploymentPostprocessing"},
    "XCBuildConfiguration": {"baseConfigurationReference", "buildSettings", "name"},
    "XCConfigurationList": {
        "buildConfigurations", "defaultConfigurationIsVisible", "defaultConfigurationName",
    },
    "XCLocalSwiftPackageReference": {"relativePath"},
    "XCSwiftPackageProductDependency": {"productName"},
}  # fmt: skip
"""What Xcode 16 writes of each kind of object, as far as it is used here."""

NETWORKING = re.compile(
    r"\b(URLSession\w*|URLRequest|URLProtocol|NSURLConnection|NWConnection|NWListener|NWBrowser"
    r"|NWPathMonitor|CFSocket\w*|CFStream\w*|CFHTTP\w*|CFNetwork\w*|NetService\w*|getaddrinfo"
    r"|socket\(|AsyncImage|WKWebView|SFSafariViewController|WebView|CKContainer|NSUbiquitous\w*"
    r"|MCSession|openURL|OpenURLAction|Link\(destination)"
)
REASONED = {
    "NSPrivacyAccessedAPICategoryUserDefaults": r"\bUserDefaults\b|\bAppStorage\b",
    "NSPrivacyAccessedAPICategoryFileTimestamp": (
        r"contentModificationDate|creationDate|attributesOfItem|\b[fl]?stat(at)?\("
    ),
    "NSPrivacyAccessedAPICategorySystemBootTime": r"systemUptime|mach_absolute_time",
    "NSPrivacyAccessedAPICategoryDiskSpace": r"volumeAvailableCapacity|systemFreeSize|statv?fs",
    "NSPrivacyAccessedAPICategoryActiveKeyboards": r"activeInputModes",
}
"""What Apple wants a reason for.

Source: Apple, "Describing use of required reason API".
"""
IMPORTS = {
    "Accessibility", "AppIntents", "CoreML", "CryptoKit", "ExecuTorch", "Foundation",
    "Observation", "PocketBERT", "PocketBERTCoreML", "PocketBERTExecuTorch", "PocketBERTUI",
    "SwiftUI", "UniformTypeIdentifiers",
}  # fmt: skip


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    openstep_plist = pytest.importorskip("openstep_plist", reason="of the extra dev")
    with PROJECT.open() as file:
        return dict(openstep_plist.load(file))


@pytest.fixture(scope="module")
def objects(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(project["objects"])


def test_two_readers_find_the_same_objects(objects):
    pbxproj = pytest.importorskip("pbxproj", reason="of the extra dev")
    read = pbxproj.XcodeProject.load(str(PROJECT)).objects
    assert set(read.get_keys()) == set(objects)
    for key, stated in objects.items():
        assert read[key]["isa"] == stated["isa"]


def test_no_object_is_absent_or_left_over(project, objects):
    named = {project["rootObject"], *ids_in(objects)}
    assert named == set(objects)


def test_no_object_has_a_key_that_xcode_does_not_write(objects):
    for stated in objects.values():
        assert set(stated) - {"isa"} <= KEYS[stated["isa"]], stated


def test_comments_name_the_object_that_they_stand_at(objects):
    for key, name in re.findall(r"([0-9A-F]{24}) /\* (.+?) \*/", PROJECT.read_text()):
        own = objects[key]
        stated = own.get("name") or own.get("productName") or own.get("path")
        if stated and own["isa"] != "XCBuildConfiguration":
            assert name == stated


def test_every_path_is_there(objects):
    folders = {"App", "Config"}
    for stated in objects.values():
        if stated["isa"] == "PBXFileReference" and stated["sourceTree"] == "<group>":
            places = [DEMO / folder / stated["path"] for folder in ("", *folders)]
            assert any(place.exists() for place in places), stated["path"]
    for settings in settings_of(objects):
        for key in ("INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"):
            if key in settings:
                assert (DEMO / settings[key]).is_file()


def test_both_apps_hold_all_of_the_package_and_the_bundle(objects):
    products = set(re.findall(r'\.library\(name: "(\w+)"', (DEMO / "Package.swift").read_text()))
    targets = [each for each in objects.values() if each["isa"] == "PBXNativeTarget"]
    assert len(targets) == 2
    for target in targets:
        taken = {objects[key]["productName"] for key in target["packageProductDependencies"]}
        assert taken == products
        phases = {objects[key]["isa"]: objects[key]["files"] for key in target["buildPhases"]}
        linked = [objects[key]["productRef"] for key in phases["PBXFrameworksBuildPhase"]]
        assert linked == target["packageProductDependencies"]
        (bundle,) = [objects[key]["fileRef"] for key in phases["PBXResourcesBuildPhase"]]
        # Xcode compiles a package that is no part of a folder reference, and its bytes are hashed.
        assert objects[bundle]["lastKnownFileType"] == "folder"
        assert not objects[bundle]["path"].startswith("App/")


def test_apps_link_what_registers_itself(objects):
    apps = [each for each in settings_of(objects) if "PRODUCT_NAME" in each]
    assert len(apps) == 4
    assert all(each["OTHER_LDFLAGS"] == "-all_load" for each in apps)
    # Such a flag in the package would bar it from being a versioned dependency.
    assert "unsafeFlags" not in (DEMO / "Package.swift").read_text()


def test_executorch_is_the_release_that_artifacts_are_verified_with():
    (branch,) = re.findall(r'branch: "swiftpm-(.+)"', (DEMO / "Package.swift").read_text())
    factory = DEMO / "Sources" / "PocketBERTExecuTorch" / "ExecuTorchFactory.swift"
    (stated,) = re.findall(r'static let version = "(.+)"', factory.read_text())
    assert branch == stated == version("executorch")


def test_team_stands_in_a_file_that_git_ignores(objects):
    assert not any("DEVELOPMENT_TEAM" in each for each in settings_of(objects))
    done = subprocess.run(("git", "check-ignore", "-q", "ios_demo/Team.xcconfig"), cwd=ROOT)
    assert done.returncode == 0


def test_plists_hold_nothing_empty_and_no_network():
    files = [
        *DEMO.glob("App/*.plist"), *DEMO.glob("App/*.xcprivacy"),
        *DEMO.glob("Config/*.entitlements"),
    ]  # fmt: skip
    assert len(files) == 3
    for file in files:
        content = plistlib.loads(file.read_bytes())
        assert list(empty_in(content)) == []
        assert not [key for key in content if "NSAppTransportSecurity" in key or ".network." in key]
    sandbox = plistlib.loads((DEMO / "Config" / "Mac.entitlements").read_bytes())
    assert sandbox["com.apple.security.app-sandbox"] is True


def test_privacy_manifest_gives_the_reason_for_what_is_remembered():
    content = plistlib.loads((DEMO / "App" / "PrivacyInfo.xcprivacy").read_bytes())
    stated = {
        each["NSPrivacyAccessedAPIType"]: each["NSPrivacyAccessedAPITypeReasons"]
        for each in content["NSPrivacyAccessedAPITypes"]
    }
    sources = "".join(path.read_text() for path in DEMO.glob("Sources/**/*.swift"))
    used = {name for name, pattern in REASONED.items() if re.search(pattern, sources)}
    assert used == set(stated) == {"NSPrivacyAccessedAPICategoryUserDefaults"}
    assert stated["NSPrivacyAccessedAPICategoryUserDefaults"] == ["CA92.1"]  # the app's own


def test_licences_of_executorch_are_those_of_its_release():
    licences = DEMO / "Sources" / "PocketBERTExecuTorch" / "Licences"
    factory = licences.with_suffix(".swift").read_text()
    named = re.findall(r'library\("(.+?)", "(.+?)", in: "(.+?)"\)', factory)
    assert {f"{file}.txt" for _, _, file in named} == {path.name for path in licences.iterdir()}
    (own,) = [file for file in files("executorch") or () if file.name == "LICENSE"]
    assert (licences / "ExecuTorch.txt").read_text() == own.read_text()
    whole = {
        "BSD 3-Clause": "AS IS",
        "BSD 2-Clause": "AS IS",
        "MIT": "AS IS",
        "Apache 2.0": "APPENDIX",
    }
    for _, licence, file in named:
        assert whole[licence] in (licences / f"{file}.txt").read_text()


def test_sandboxed_app_is_the_mac_one(objects):
    macs = [each for each in settings_of(objects) if each.get("SDKROOT") == "macosx"]
    assert len(macs) == 2
    assert all(each["CODE_SIGN_ENTITLEMENTS"] == "Config/Mac.entitlements" for each in macs)


@pytest.mark.parametrize(
    "path", sorted(DEMO.glob("Sources/**/*.swift")), ids=lambda path: path.stem
)
def test_package_calls_no_network(path):
    check_source(path.read_text())


@pytest.mark.parametrize("path", sorted(DEMO.glob("App/*.swift")), ids=lambda path: path.stem)
def test_app_calls_no_network(path):
    check_source(path.read_text())


@pytest.mark.parametrize(
    "line",
    [
        "let task = URLSession.shared.dataTask(with: url)",
        "import Network",
        "import WebKit",
        "AsyncImage(url: url)",
        'let page = URL(string: "https://example.org")',
    ],
)
def test_source_that_calls_a_network_is_found(line):
    with pytest.raises(AssertionError):
        check_source(f"import Foundation\n{line}\n")


def test_bundle_is_copied_into_the_app(tmp_path):
    demo = tmp_path / "ios demo"
    (demo / "Model" / "pocketbert").mkdir(parents=True)
    for name in ("copy-model.sh", "Model/pocketbert/.gitignore"):
        (demo / name).write_bytes((DEMO / name).read_bytes())
    (demo / "Model" / "pocketbert" / "old").touch()
    command = tmp_path / "pocketbert"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipeline "$@"\n')
    command.chmod(0o755)
    bundle = write_bundle(tmp_path / "a bundle", manifest=with_coreml())
    done = subprocess.run(
        ("bash", str(demo / "copy-model.sh"), str(bundle)),
        env={**os.environ, "POCKETBERT": str(command), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    copied = demo / "Model" / "pocketbert"
    assert (copied / "manifest.json").read_bytes() == (bundle / "manifest.json").read_bytes()
    assert (copied / "coreml/model.mlpackage/Data/weights.bin").is_file()
    assert (copied / ".gitignore").is_file()
    assert not (copied / "old").exists()


def check_source(text: str) -> None:
    """Fails at what could reach a network."""
    assert not NETWORKING.findall(text)
    assert not re.findall(r'"https?:', text)
    assert set(re.findall(r"^\s*(?:@\w+ )?import (\w+)", text, flags=re.MULTILINE)) <= IMPORTS


def with_coreml() -> Any:
    (artifact,) = MANIFEST.artifacts
    changed = artifact.model_copy(update={"backend": "coreml", "path": "coreml/model.mlpackage"})
    return MANIFEST.model_copy(update={"artifacts": (artifact, changed)})


def settings_of(objects: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        each["buildSettings"] for each in objects.values() if each["isa"] == "XCBuildConfiguration"
    ]


def ids_in(value: Any) -> Iterator[str]:
    """Yields every id of an object that a value holds, keys left out."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from ids_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from ids_in(inner)
    elif ID.fullmatch(str(value)):
        yield str(value)


def empty_in(value: Any) -> Iterator[Any]:
    """Yields every list, dictionary and text that holds nothing."""
    if isinstance(value, dict | list | str) and not value:
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from empty_in(each)
