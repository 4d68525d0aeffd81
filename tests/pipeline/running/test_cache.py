"""The cache of finished stages gives what was kept or nothing, whatever befalls its folder."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.running import cache as stage_cache
from pipeline.running.cache import Contents, StageCache, as_array, from_array

KEY = "ab" * 32

HOLD = """
import sys, numpy as np
from pathlib import Path
from pipeline.running.cache import StageCache
contents = {"weights": np.ones(150_000_000, np.uint8)}
while True:
    StageCache(Path(sys.argv[1])).keep(sys.argv[2], contents)
    (Path(sys.argv[1]) / sys.argv[2]).unlink(missing_ok=True)
"""

FILL = """
import resource, signal, sys, numpy as np
from pathlib import Path
from pipeline.running.cache import StageCache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
StageCache(Path(sys.argv[1])).keep(sys.argv[2], {"weights": np.ones(100_000, np.uint8)})
print("went on")
"""


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(tmp_path / "stages")


@pytest.fixture
def entry(cache: StageCache, tmp_path: Path) -> Path:
    """The file of a kept entry."""
    cache.keep(KEY, contents(1))
    return tmp_path / "stages" / KEY


def contents(seed: int, size: int = 1000) -> Contents:
    random = np.random.default_rng(seed)
    return {
        "floats": random.standard_normal((2, size)).astype(np.float32),
        "bytes": random.integers(0, 256, size, np.uint8),
        "empty": np.zeros((0,), np.uint8),
    }


def assert_same(found: Contents | None, expected: Contents) -> None:
    assert found is not None
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


def test_take_gives_what_was_kept(cache: StageCache) -> None:
    assert cache.take(KEY) is None
    cache.keep(KEY, contents(1))
    assert_same(cache.take(KEY), contents(1))
    assert cache.take("cd" * 32) is None


def test_keep_again_replaces_the_entry(cache: StageCache, entry: Path) -> None:
    cache.keep(KEY, contents(2))
    assert_same(cache.take(KEY), contents(2))
    assert list(entry.parent.iterdir()) == [entry]


def test_json_values_and_transposed_arrays_come_back(cache: StageCache) -> None:
    value = {"names": ["é", "b"], "scale": 0.1, "nothing": None}
    columns = np.arange(6.0).reshape(2, 3).T
    cache.keep(KEY, {"about": as_array(value), "columns": columns})
    found = cache.take(KEY)
    assert found is not None
    assert from_array(found["about"]) == value
    np.testing.assert_array_equal(found["columns"], columns)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[:40],
        lambda raw: raw[:10],
        lambda raw: b"",
        lambda raw: raw + b"\0",
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: raw[:60] + bytes([raw[60] ^ 1]) + raw[61:],
    ],
    ids=["shorter", "header", "hash", "empty", "longer", "hash bit", "data bit", "header bit"],
)
def test_take_damaged_entry_gives_nothing_and_removes_it(
    cache: StageCache, entry: Path, damage: Callable[[bytes], bytes]
) -> None:
    entry.write_bytes(damage(entry.read_bytes()))
    assert cache.take(KEY) is None
    assert not entry.exists()
    cache.keep(KEY, contents(1))
    assert_same(cache.take(KEY), contents(1))


def test_folder_in_the_place_of_an_entry_stops_nothing(cache: StageCache, tmp_path: Path) -> None:
    (tmp_path / "stages" / KEY / "inside").mkdir(parents=True)
    cache.keep(KEY, contents(1))
    assert cache.take(KEY) is None
    assert [each.name for each in (tmp_path / "stages").iterdir()] == [KEY]


def test_file_in_the_place_of_the_folder_stops_nothing(cache: StageCache, tmp_path: Path) -> None:
    (tmp_path / "stages").write_text("not a folder")
    cache.keep(KEY, contents(1))
    assert cache.take(KEY) is None
    assert (tmp_path / "stages").read_text() == "not a folder"


def test_keep_that_hits_a_limit_leaves_nothing_and_stops_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), KEY],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "went on\n"
    assert list(tmp_path.iterdir()) == []


def test_keep_on_a_disk_that_is_nearly_full_leaves_the_room_to_others(
    cache: StageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_cache, "_LEAST_FREE_BYTES", 2**60)
    cache.keep(KEY, contents(1))
    assert list((tmp_path / "stages").iterdir()) == []


def test_keep_beyond_the_limit_removes_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, max_bytes=35_000)
    for hours, key in ((4, "first"), (3, "second"), (2, "third")):
        cache.keep(key, contents(1))  # 9 kB
        before = time.time() - 3600 * hours
        os.utime(tmp_path / key, (before, before))
    assert cache.take("first") is not None
    cache.keep("fourth", contents(1))
    assert {each.name for each in tmp_path.iterdir()} == {"first", "third", "fourth"}


def test_clock_that_was_set_back_keeps_what_is_new_and_clears_what_was_killed(
    tmp_path: Path,
) -> None:
    """Files of a time to come would be the newest for ever, and crowd out all that is kept now."""
    cache = StageCache(tmp_path, max_bytes=35_000)
    tomorrow = time.time() + 86_400
    (tmp_path / ".partial-killed").write_bytes(b"half")
    os.utime(tmp_path / ".partial-killed", (tomorrow, tomorrow))
    for key in ("first", "second", "third"):
        cache.keep(key, contents(1))
        os.utime(tmp_path / key, (tomorrow, tomorrow))
    cache.keep("now", contents(1))
    cache.keep("later", contents(1))
    assert {"now", "later"} < {each.name for each in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 3
    assert cache.take("now") is not None


def test_keep_what_is_larger_than_the_limit_keeps_nothing(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, max_bytes=5_000)
    cache.keep(KEY, contents(1))
    assert list(tmp_path.iterdir()) == []


def test_keep_that_is_killed_leaves_no_entry_and_its_rest_goes_after_an_hour(
    tmp_path: Path,
) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), KEY])
    partial: list[Path] = []
    deadline = time.monotonic() + 60
    while not any(each.exists() and each.stat().st_size > 10**6 for each in partial):
        assert time.monotonic() < deadline
        partial = list(tmp_path.glob(".partial-*"))
    process.send_signal(signal.SIGSTOP)  # in the middle of it
    left = list(tmp_path.iterdir())
    process.kill()
    process.wait()
    assert left
    (tmp_path / KEY).unlink(missing_ok=True)
    cache = StageCache(tmp_path)
    assert cache.take(KEY) is None
    for rest in tmp_path.glob(".partial-*"):
        os.utime(rest, (1, 1))
    cache.keep("other", contents(1))
    assert [each.name for each in tmp_path.iterdir()] == ["other"]


def keep_and_take(folder: Path, seed: int, seconds: float) -> None:
    """Ends badly where it is given anything but what some process kept."""
    known = [contents(each, size=20_000) for each in range(2)]
    cache = StageCache(folder, max_bytes=500_000)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key in range(4):
            found = cache.take(str(key))
            if found is not None:
                assert any(
                    all(np.array_equal(found[name], each[name]) for name in each) for each in known
                )
            cache.keep(str(key), known[seed])


def test_builds_at_the_same_time_do_not_hurt_one_another(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=keep_and_take, args=(tmp_path, seed % 2, 2.0)) for seed in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    # No more than the limit, and nothing half done.
    assert len(list(tmp_path.iterdir())) <= 2
