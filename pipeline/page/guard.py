"""Lets nobody in but the page that this program opened itself.

Any page on the web can make a browser send requests to 127.0.0.1, and by a name of its own that it
lets point there (DNS rebinding) read the answers. So a request must name this machine as its host,
come from this very page, carry the token of its address, and be of a bounded size.
"""

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 4 * 10**6
"""A text of 200,000 characters in JSON takes up to 2.4 million bytes."""
LOCAL_NAMES = ("127.0.0.1", "localhost")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def make_token() -> str:
    """Returns a token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Guard:
    """Stands before an application, and passes on the path behind the token.

    Args:
        app: The application.
        token: The first part of every path.
        port: That the page is served on.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._hosts = {f"{name}:{port}" for name in LOCAL_NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
                headers.update(_HEADERS)
            await send(message)

        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        path = scope["path"].removeprefix(f"/{self._token}") or "/"
        inner = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(inner, _bounded(receive), send_guarded)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or host not in self._hosts:
            return refuse(421, "the page is not served under this name", "open the address printed")
        origin = headers.get("origin")
        if origin not in (None, f"http://{host}") or (origin is None and scope["method"] != "GET"):
            return refuse(403, "the request comes from another page", "use the page itself")
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return refuse(403, "the request comes from another page", "open the address printed")
        first = scope["path"].split("/")[1] if scope["path"].startswith("/") else ""
        if not hmac.compare_digest(first.encode(), self._token.encode()):
            return refuse(404, "there is nothing here", "open the address that was printed, whole")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 15 or int(length) > MAX_BODY_BYTES:
            return too_large()
        return None


class TooLargeError(Exception):
    """A request is longer than it may be, and did not say so."""


def _bounded(receive: Receive) -> Receive:
    """Returns a function that receives no more than a request may hold."""
    left = MAX_BODY_BYTES

    async def receive_bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLargeError
        return message

    return receive_bounded


def refuse(status: int, message: str, hint: str = "") -> JSONResponse:
    """Returns an answer that says what is wrong and what to do."""
    error = {"message": message, "hint": hint}
    return JSONResponse({"error": error}, status_code=status)


def too_large() -> JSONResponse:
    """Returns the answer to a request that is too large."""
    return refuse(
        413,
        f"the request is larger than {MAX_BODY_BYTES / 1e6:.0f} MB",
        "give a shorter text: a bundle says how many characters it reads",
    )
