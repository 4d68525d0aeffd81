"""Keeps what finished stages of a build made, so that the next build need not make it again.

An entry is one file in the user's cache: the sha256 of the rest, then arrays in the format of
safetensors, which can run no code when it is read. It appears whole or not at all, and one that is
damaged counts as absent. Whatever is wrong with the folder, a build goes on without it.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from safetensors.numpy import load, save

from pipeline.running import user_cache

Contents = Mapping[str, np.ndarray]
"""What an entry holds, arrays by name."""

Result = TypeVar("Result")

MAX_BYTES = 4 * 10**9
"""Of all entries. A build of the embedded student leaves some 60 MB, one of a DistilBERT-base in
fp32 800 MB, so the last five builds of any student stay."""

_LEAST_FREE_BYTES = 10**9
"""Left to others on the disk: the bundle itself is more important than what a cache keeps."""

_PARTIAL = ".partial-"
_PARTIAL_SECONDS = 3600.0
"""After which a file that was never finished belongs to a build that was killed."""

_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, kw_only=True)
class Kept(Generic[Result]):
    """Where the result of a stage is kept, and how.

    Attributes:
        key: Names it by all that goes into it.
        pack: Turns it into arrays.
        unpack: Turns arrays into it again.
    """

    key: str
    pack: Callable[[Result], Contents]
    unpack: Callable[[Contents], Result]


class StageCache:
    """A folder of entries by key; builds that run at the same time may share it."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @classmethod
    def of_user(cls) -> "StageCache | None":
        """Returns that of the user who runs this; ``None`` where it is not theirs alone."""
        folder = user_cache.user_cache("stages")
        return None if folder is None else cls(folder)

    def take(self, key: str) -> dict[str, np.ndarray] | None:
        """Returns what was kept under a key, in its order, or None; damage removes an entry."""
        path = self._folder / key
        try:
            with path.open("rb") as file:
                digest, body = file.read(_DIGEST_BYTES), file.read()
        except OSError:
            return None
        is_sound = hashlib.sha256(body).digest() == digest
        with contextlib.suppress(OSError):
            if is_sound:
                os.utime(path)  # it is the last to go now
            else:
                path.unlink()
        if not is_sound:
            return None
        return {name.partition(" ")[2]: value for name, value in sorted(load(body).items())}

    def keep(self, key: str, contents: Contents) -> None:
        """Keeps what a stage made, if that can be; entries that were not used for longest go."""
        # The format sorts arrays, but their order counts for the names of later stages.
        numbered = enumerate(contents.items())
        body = save({f"{n:09} {name}": np.ascontiguousarray(each) for n, (name, each) in numbered})
        with contextlib.suppress(OSError):
            user_cache.make(self._folder)
            if shutil.disk_usage(self._folder).free - len(body) < _LEAST_FREE_BYTES:
                return
            self._write(self._folder / key, hashlib.sha256(body).digest(), body)
            self._make_room()

    def take_or_make(
        self, make: Callable[[], Result], *, kept: Kept[Result]
    ) -> tuple[Result, bool]:
        """Returns a result, and whether it was in the cache."""
        contents = self.take(kept.key)
        if contents is not None:
            return kept.unpack(contents), True
        result = make()
        self.keep(kept.key, kept.pack(result))
        return result, False

    def _write(self, path: Path, digest: bytes, body: bytes) -> None:
        descriptor, partial = tempfile.mkstemp(prefix=_PARTIAL, dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(digest)
                file.write(body)
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)

    def _make_room(self) -> None:
        """Removes what killed builds left behind, and the oldest entries beyond the limit."""
        aged = []
        now = time.time()
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):  # another build has removed it
                state = path.stat()
                # A time to come is of a clock that was set back: nobody knows how old it is.
                is_known = state.st_mtime - now < _PARTIAL_SECONDS
                if not path.name.startswith(_PARTIAL):
                    used = state.st_mtime_ns if is_known else 0
                    aged.append((used, state.st_size, path))
                elif not is_known or now - state.st_mtime > _PARTIAL_SECONDS:
                    path.unlink()
        excess = sum(size for _, size, _ in aged) - self._max_bytes
        for _, size, path in sorted(aged):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def as_array(value: Any) -> np.ndarray:
    """Returns a JSON value as an array, to be kept among others."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def from_array(array: np.ndarray) -> Any:
    """Returns the JSON value of such an array."""
    return json.loads(array.tobytes())
