"""Serves the page on this machine alone, in a thread."""

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from converters.values.errors import InputError

ADDRESS = "127.0.0.1"
MAX_CONNECTIONS = 100
_GRACE_SECONDS = 1
"""For answers that are on their way when the server is to end."""


def listen(port: int) -> socket.socket:
    """Returns a socket that listens to this machine alone.

    Args:
        port: Zero for any that is free.

    Raises:
        InputError: The port is taken, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen()
    except OSError as err:
        listener.close()
        why = "is taken" if err.errno == errno.EADDRINUSE else f"cannot be used: {err.strerror}"
        raise InputError(
            f"port {port} {why}", hint="name another with --port, or leave it out for a free one"
        ) from err
    return listener


@contextlib.contextmanager
def serve(app: ASGIApp, listener: socket.socket) -> Iterator[threading.Event]:
    """Serves an application while the block runs, and gives what is set when the server has ended.

    Signals stay with the main thread, which waits in the block. It waits for an event: a thread
    whose ``join`` was interrupted counts as ended in Python 3.11 and 3.12.
    """
    config = uvicorn.Config(
        app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS, timeout_graceful_shutdown=_GRACE_SECONDS,
    )  # fmt: skip
    server = uvicorn.Server(config)
    has_ended = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            has_ended.set()

    threading.Thread(target=run, name="server", daemon=True).start()
    try:
        yield has_ended
    finally:
        server.should_exit = True
        has_ended.wait()
        listener.close()
