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
def serve(app: ASGIApp, listener: socket.socket) -> Iterator[threading.Thread]:
    """Serves an application while the block runs, and gives the thread that does.

    Signals stay with the main thread, which waits in the block.
    """
    config = uvicorn.Config(
        app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS, timeout_graceful_shutdown=_GRACE_SECONDS,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True
    )
    thread.start()
    try:
        yield thread
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
