"""An answer that is sent a JSON line at a time, as it comes about."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send

SendLine = Callable[[dict[str, Any] | None], None]
"""Takes what is to be sent next, from any thread; None ends the answer."""


class Lines:
    """Sends what a function tells, until it says that this was all or until the reader leaves.

    Args:
        begin: Starts the work that tells, and returns what ends it before its time.
    """

    def __init__(self, begin: Callable[[SendLine], Callable[[], None]]) -> None:
        self._begin = begin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, whose body has been read."""
        del scope
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        cancel = self._begin(lambda line: _put(loop, queue, line))
        headers = [(b"content-type", b"application/x-ndjson; charset=utf-8")]
        leaving = asyncio.ensure_future(_wait_until_left(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while True:
                coming = asyncio.ensure_future(queue.get())
                await asyncio.wait({coming, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                line = coming.result()
                if line is None:
                    break
                body = json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            cancel()


def _put(loop: asyncio.AbstractEventLoop, queue: "asyncio.Queue[Any]", line: Any) -> None:
    if not loop.is_closed():  # the server may have ended before the work
        loop.call_soon_threadsafe(queue.put_nowait, line)


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
