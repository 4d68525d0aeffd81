"""Starts Python processes in milliseconds: forks of one that has imported a framework already.

Most of what a small build takes is imports: each of its twenty processes loads PyTorch, ExecuTorch,
coremltools or TensorFlow anew, 2 to 5 seconds of a processor each. Here a server for each framework
imports it once, for all workers of a run of the tests, and each process is a fork of a server, with
the arguments, environment, folder, umask and files that a fresh interpreter would have got.

There are servers in the environment of the tests, and others in ``ELSEWHERE``. What a fork cannot
show (import costs, other environments, signals, terminals) is tested with fresh interpreters: a
test or module marked ``cold`` has no others, and neither has ``make soak``.

``python -m tests.warm SERVER -c CODE`` is a command for shells that does what CODE says.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import popen_spawn_posix, util
from pathlib import Path
from typing import Any, NoReturn

from pipeline.files.permissions import umask
from pipeline.running import jobs

ROOT = Path(__file__).parents[1]
FOLDER = "POCKETBERT_TESTS_WARM"
"""Names the folder of the servers; where it is not set, processes are fresh ones."""
MODULES = {
    "flows": ("pipeline.commands.app", "pipeline.build", "pipeline.parity", "pipeline.ask",
              "pipeline.evaluate", "pipeline.inspection", "torch.export._trace"),
    "executorch": ("converters.executorch.convert", "converters.executorch.precision",
                   "converters.executorch.runtime", "converters.executorch.inspection",
                   "torch.export._trace"),
    "tflite": ("converters.tflite.convert", "converters.tflite.weights",
               "converters.tflite.runtime", "converters.tflite.inspection", "torch.export._trace"),
    "tensorflow": ("converters.tflite.tensorflow_runtime",),
    "coreml": ("converters.coreml.convert", "converters.coreml.runtime",
               "converters.coreml.inspection", "torch.export._trace"),
}  # fmt: skip
"""What each server imports."""
SERVERS = {
    "executorch": "executorch", "model.pte": "executorch",
    "tflite": "tflite", "model.tflite": "tflite",
    "tensorflow": "tensorflow",
    "coreml": "coreml", "coreml-reference": "coreml", "model.mlpackage": "coreml",
}  # fmt: skip
"""By the last word of a job's name; all others begin with the flows, which have PyTorch."""
ELSEWHERE = {
    "OMP_NUM_THREADS": "2", "TZ": "Pacific/Chatham", "LC_ALL": "POSIX", "PYTHONHASHSEED": "20261",
}  # fmt: skip
"""Surroundings that must not show in a result; PyTorch and NumPy take their threads from them."""
FRESH = {FOLDER: ""}
"""Added to an environment, it lets a process be a fresh interpreter, and all that this starts."""
is_wanted = True
"""Whether the test that runs may have forks."""
FREE = {
    "XDG_CACHE_HOME", "TMPDIR", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", FOLDER,
    "PATH", "PWD", "OLDPWD", "SHLVL", "_",  # a shell sets them
    "KMP_DUPLICATE_LIB_OK", "TORCHINDUCTOR_CACHE_DIR",  # PyTorch sets them itself
}  # fmt: skip
"""Variables that no import reads; a process that differs from its server in another is fresh."""
_HIGH = 1000
"""Above all numbers of files that a process gives to another."""


class Warm:
    """A process that was forked from a server."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self.pid = pid

    def poll(self, timeout: float | None = None) -> int | None:
        """Returns the exit code, negative for a signal, or ``None`` if it runs on."""
        self._connection.settimeout(timeout)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            said = self._connection.recv(16)
            return int(said) if said else 255  # the server itself was killed
        return None

    def wait(self, timeout: float) -> int:
        """Returns the exit code, as ``subprocess.Popen`` does."""
        code = self.poll(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code


def start(
    server: str,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | str,
    umask: int,
    files: Mapping[int, int],
) -> Warm | None:
    """Starts ``python`` with arguments that begin with ``-c``, or returns ``None`` if it cannot.

    Args:
        server: Whose imports it is to have.
        arguments: What follows ``python`` on the command line.
        env: Its whole environment.
        cwd: Its folder.
        umask: What it leaves of the permissions of new files.
        files: What it has open: descriptors of this process by their numbers in the new one.
    """
    folder = env.get(FOLDER)
    place = _place(Path(folder), env) if is_wanted and folder else None
    if place is None:
        return None
    request = json.dumps([list(arguments), dict(env), str(cwd), umask, list(files)]).encode()
    connection = _connect(place, server, env)
    socket.send_fds(connection, [len(request).to_bytes(8, "big")], list(files.values()))
    connection.sendall(request)
    return Warm(connection, int(connection.recv(16)))


def open_folder(folder: Path) -> None:
    """Makes the folder that servers live in; they end with the last process that has opened it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "alive").exists():
            os.mkfifo(folder / "alive")
            for place, others in (("here", {}), ("elsewhere", ELSEWHERE)):
                (folder / place).mkdir()
                environment = _bound({**os.environ, **others})
                (folder / place / "environment").write_text(json.dumps(environment))
    os.open(folder / "alive", os.O_RDWR)  # and never closed
    os.environ[FOLDER] = str(folder)


def _bound(env: Mapping[str, str]) -> dict[str, str]:
    """Returns what an import could depend on; this source tree is on the path of all."""
    bound = {name: value for name, value in env.items() if name not in FREE}
    path = bound.pop("PYTHONPATH", "").split(os.pathsep)
    return bound | {"PYTHONPATH": os.pathsep.join(p for p in path if p not in ("", str(ROOT)))}


def _place(folder: Path, env: Mapping[str, str]) -> Path | None:
    """Returns the folder of the servers that have begun in an environment."""
    bound = _bound(env)
    places = (path.parent for path in folder.glob("*/environment"))
    alike = (place for place in places if json.loads((place / "environment").read_text()) == bound)
    return next(alike, None)


def _connect(place: Path, server: str, env: Mapping[str, str]) -> socket.socket:
    """Returns a connection to a server, which is started first where there is none."""
    path = str(place / f"{server}.socket")
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not Path(path).exists():
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(64)
                subprocess.Popen(
                    [sys.executable, "-c", "from tests.warm import serve; serve()",
                     server, str(listener.fileno()), str(place.parent)],
                    cwd=ROOT, env=dict(env), pass_fds=[listener.fileno()],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=(place / f"{server}.log").open("w"),
                    start_new_session=True,
                )  # fmt: skip
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def main() -> NoReturn:
    """Does what follows the server's name on the command line, and ends as that ends."""
    server, *arguments = sys.argv[1:]
    process = start(
        server, arguments, env=os.environ, cwd=Path.cwd(), umask=umask(), files={0: 0, 1: 1, 2: 2}
    )
    if process is None:
        os.execv(sys.executable, [sys.executable, *arguments])
    code = process.poll()
    sys.exit(code if code is None or code >= 0 else 128 - code)


def serve() -> None:
    """Is a server: imports its modules, and forks for whoever asks."""
    server, number, folder = sys.argv[1:]
    alive = os.open(Path(folder, "alive"), os.O_RDONLY | os.O_NONBLOCK)
    listener = socket.socket(fileno=int(number))
    for module in MODULES[server]:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    gc.freeze()  # a fork that collects garbage would copy all that it shares
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's business
    while True:
        ready, _, _ = select.select([listener, alive], [], [])
        if listener not in ready:
            return  # the last of the tests' processes is gone
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            os.close(alive)
            _end(_keep, connection)
        connection.close()


def _end(body: Callable[..., None], *arguments: Any) -> NoReturn:
    """Ends this process as an interpreter ends, but for the memory, which it does not take down."""
    code = 0
    try:
        body(*arguments)
    except SystemExit as err:
        if isinstance(err.code, str):
            sys.stderr.write(f"{err.code}\n")
        code = err.code if isinstance(err.code, int) else int(err.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # waits for threads
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _keep(connection: socket.socket) -> None:
    """Forks a process that does what was asked, and says how it ended."""
    header, files, _, _ = socket.recv_fds(connection, 8, 64)
    length, request = int.from_bytes(header, "big"), b""
    while len(request) < length:
        request += connection.recv(length - len(request))
    arguments, env, cwd, umask, numbers = json.loads(request)
    pid = os.fork()
    if pid:
        for file in files:
            os.close(file)
        connection.sendall(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    _become(arguments, env=env, cwd=cwd, umask=umask, files=dict(zip(numbers, files, strict=True)))


def _become(
    arguments: list[str], *, env: dict[str, str], cwd: str, umask: int, files: dict[int, int]
) -> None:
    """Runs what follows ``-c``, as an interpreter does."""
    high = {}
    for number, file in files.items():
        high[number] = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        os.close(file)
    for number, file in high.items():
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    os.umask(umask)
    tempfile.tempdir = None
    random.seed()
    code = arguments.index("-c")
    sys.argv = ["-c", *arguments[code + 2 :]]
    exec(arguments[code + 1], {"__name__": "__main__"})


# The product's own processes

_job = threading.local()
_started: dict[int, Warm] = {}


class _Util:
    """``multiprocessing.util``, for the module there that starts processes."""

    def __getattr__(self, name: str) -> Any:
        return getattr(util, name)

    def spawnv_passfds(self, path: str, arguments: Sequence[str], files: Sequence[int]) -> int:
        server = SERVERS.get(getattr(_job, "name", "").rpartition(" ")[2], "flows")
        process = start(
            server, arguments[1:], env=os.environ, cwd=Path.cwd(), umask=umask(),
            files={number: number for number in (0, 1, 2, *files)},
        )  # fmt: skip
        if not process:
            return util.spawnv_passfds(path, arguments, files)
        _started[process.pid] = process
        return process.pid


def install() -> None:
    """Lets the jobs of this process be forks, where a server has what they import."""
    run, poll = jobs._run, popen_spawn_posix.Popen.poll

    def run_named(job: jobs.Job[Any], *arguments: Any) -> Any:
        _job.name = job.name
        try:
            return run(job, *arguments)
        finally:
            del _job.name

    def poll_any(self: Any, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None and self.pid in _started:
            self.returncode = _started[self.pid].poll(0 if flag == os.WNOHANG else None)
            if self.returncode is not None:
                del _started[self.pid]
            return self.returncode
        return poll(self, flag)

    jobs._run = run_named
    popen_spawn_posix.util = _Util()
    popen_spawn_posix.Popen.poll = poll_any


if __name__ == "__main__":
    main()
