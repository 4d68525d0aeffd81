import errno
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from converters.values.errors import InputError
from pipeline.commands import console
from tests.bundles import write_bundle
from tests.command import COMMAND, ROOT, pocketbert

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, and returns its exit code, stdout and stderr."""

    def run(command: Callable[[], int | None], *arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = console.run(command, arguments)
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def fail(error: BaseException) -> int:
    raise error


def test_show_writes_what_is_not_finite_as_null(run):
    payload = {"a": [math.nan, (math.inf, 1.5)], "b": {"c": -math.inf}}
    code, out, _ = run(lambda: console.show(payload, True))
    assert code == 0
    assert json.loads(out) == {"a": [None, [None, 1.5]], "b": {"c": None}}


def test_show_writes_text_as_it_is_and_bytes_that_are_no_text_escaped(run):
    _, out, _ = run(lambda: console.show({"path": "東京/\udcff"}, True))
    assert "東京" in out
    assert json.loads(out) == {"path": "東京/\udcff"}


def test_run_keeps_what_libraries_print_out_of_the_results(run):
    def command() -> None:
        os.write(1, b"native chatter\n")
        console.show({"a": 1}, True)

    assert run(command) == (0, '{"a": 1}\n', "native chatter\n")


def test_run_leaves_stdout_as_it_was(run, capfd):
    before = sys.stdout
    run(lambda: fail(InputError("no", hint="yes")))
    assert sys.stdout is before
    os.write(1, b"here again")
    assert capfd.readouterr().out == "here again"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("no such model", hint="give another"), 2, "no such model (give another)"),
        (KeyboardInterrupt(), 130, "interrupted (what was there before is as it was)"),
        (OSError(errno.ENOSPC, "full", "/x"), 4, "cannot read or write /x: No space left on devi"),
        (RuntimeError("write failed\nNo space left on device"), 4, "cannot read or write: No spa"),
        (Exception("No space left on device (os error 28)"), 4, "cannot read or write: No space"),
        (OSError(errno.ENAMETOOLONG, "long", "/x"), 2, "no such path /x: File name too long"),
        (
            NotADirectoryError(errno.ENOTDIR, "none", "/x/y"),
            2,
            "no such path /x/y: Not a directory",
        ),
        (
            ZeroDivisionError("division\nby zero"),
            70,
            "a bug of ours: ZeroDivisionError: division (",
        ),
    ],
)
def test_run_tells_what_went_wrong_in_one_line(run, error, code, told):
    found, out, err = run(lambda: fail(error))
    assert (found, out) == (code, "")
    assert err.startswith(f"pocketbert: {told}")
    assert err.count("\n") == 1

    found, out, err = run(lambda: fail(error), "--json")
    assert (found, err) == (code, "")
    content = json.loads(out)["error"]
    assert content["code"] == code
    assert f"{content['message']} ({content['hint']})".startswith(told)


def test_run_message_with_line_ends_is_one_line(run):
    _, _, err = run(lambda: fail(InputError("no folder a\nb\r\nc", hint="d\ne")))
    assert err == "pocketbert: no folder a b c (d e)\n"


def test_run_exit_code_of_an_interruption_that_typer_swallowed_is_told(run):
    assert run(lambda: 130)[2].startswith("pocketbert: interrupted")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="macOS has no affinity")
def test_threads_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert console.num_threads() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert console.num_threads() == min(len(before), console.quota_cores(), console.MAX_THREADS)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("1000 100000", 1),
        ("max 100000\n", 4), ("", 4), ("100000 0", 4), (None, 4),
    ],
)  # fmt: skip
def test_quota_of_a_control_group_counts_as_cores(tmp_path, quota, cores):
    path = tmp_path / "cpu.max"
    if quota is not None:
        path.write_text(quota)
    assert console.quota_cores(path) == cores


def run_with_closed(numbers: tuple[int, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with streams that were closed before it began."""
    closing = " ".join(f"{number}>&-" if number else "<&-" for number in numbers)
    script = f'exec "$@" {closing}'
    return subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_stream_changes_no_exit_code(tmp_path, numbers):
    folder = write_bundle(tmp_path / "bundle")
    for arguments, code in (
        (("--version",), 0), (("verify", str(folder)), 0), (("verify", str(folder), "--json"), 0),
        (("verify", str(folder / "none")), 2), (("verify", "--none"), 2),
    ):  # fmt: skip
        done = run_with_closed(numbers, *arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    (folder / "added").touch()
    assert run_with_closed(numbers, "verify", str(folder)).returncode == 1


@pytest.mark.parametrize("arguments", [("--help",), ("build", "--help"), ("--version",)])
def test_help_that_nobody_reads_is_no_failure(arguments):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")


def test_command_leaves_no_temporary_files_and_clears_those_of_a_killed_one(tmp_path):
    left = tmp_path / ".pocketbert-tmp-0123abcd"
    left.mkdir(mode=0o700)
    (left / "half").touch()
    done = pocketbert("verify", tmp_path / "none", env={"TMPDIR": str(tmp_path)})
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []
