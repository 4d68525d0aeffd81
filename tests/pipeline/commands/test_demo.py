"""``pocketbert demo``: what it says, what it refuses, and that it leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bundle import last_built
from tests.command import COMMAND, ROOT, is_running, pocketbert, wait_until
from tests.conftest import BuiltBundle
from tests.pipeline.commands.calls import Call

REASON = "Starlette is not installed: pip install '.[page]'"


@pytest.mark.cold
def test_demo_serves_until_ctrl_c_and_leaves_nothing_behind(
    built: BuiltBundle, tmp_path: Path
) -> None:
    pytest.importorskip("starlette", reason=REASON)
    command = [*COMMAND, "demo", built.folder, "--no-browser", "--runtime", "litert", "--json"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    assert said["bundles"] == ["bundle"] and said["is_shown"] is False
    with urllib.request.urlopen(said["url"], timeout=30) as answer:
        assert b"<title>PocketBERT: bundle</title>" in answer.read()
    pids = {pid for pid in processes() if session_of(pid) == process.pid} - {process.pid}
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, rest, complaints) == (0, "", "")
    assert pids and wait_until(lambda: not any(map(is_running, pids)))
    assert list(tmp_path.iterdir()) == []


def processes() -> set[int]:
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()}


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def test_port_that_is_taken_is_told_with_what_to_do(call: Call, built: BuiltBundle) -> None:
    pytest.importorskip("starlette", reason=REASON)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = call("demo", built.folder, "--no-browser", "--port", str(port), "--json")
    assert found.code == 2
    assert found.error["message"] == f"port {port} is taken"
    assert "--port" in found.error["hint"]


def test_without_a_bundle_the_last_one_is_taken_or_how_to_build_it_is_said(
    call: Call, built: BuiltBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("starlette", reason=REASON)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = call("demo", "--no-browser", "--json")
    assert found.code == 2 and "pocketbert build" in found.error["hint"]
    last_built.remember(built.folder)
    assert last_built.find() == built.folder.resolve()
    last_built.remember(tmp_path / "gone")
    found = call("demo", "--no-browser", "--json")
    assert found.code == 2 and "is gone" in found.error["message"]


def test_what_is_no_bundle_ends_the_command(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason=REASON)
    found = call("demo", tmp_path, "--no-browser", "--json")
    assert found.code == 2 and "is not a bundle" in found.error["message"]


def test_runtime_that_is_not_known_ends_the_command(call: Call, built: BuiltBundle) -> None:
    pytest.importorskip("starlette", reason=REASON)
    found = call("demo", built.folder, "--no-browser", "--runtime", "none", "--json")
    assert found.code == 2 and "no runtime 'none'" in found.error["message"]


@pytest.mark.cold
def test_missing_extra_is_named(without: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    found = pocketbert("demo", tmp_path, "--json", env=without("starlette"))
    assert found.code == 3
    assert found.error["hint"] == "pip install 'pocketbert[page]'"
