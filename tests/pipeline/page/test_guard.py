"""Who is let in: by name, by page, by token, by size."""

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="Starlette is not installed: pip install '.[page]'")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from pipeline.page import guard
from pipeline.page.guard import Guard, TooLargeError, make_token, too_large

HERE = "http://127.0.0.1:8123"


async def echo(request: Request) -> Response:
    try:
        return Response(f"{request.url.path} {len(await request.body())}")
    except TooLargeError:
        return too_large()


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST"])])
    return TestClient(Guard(app, token="tok-en", port=8123), base_url=HERE)


def test_own_page_is_let_in_with_a_strict_policy(client: TestClient) -> None:
    answer = client.get("/tok-en/state")
    assert (answer.status_code, answer.text) == (200, "/state 0")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    sent = client.post("/tok-en/ask", content=b"12", headers={"Origin": HERE})
    assert sent.text == "/ask 2"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/tok-en/", {"Host": "evil.example:8123"}, 421),
        ("GET", "/tok-en/", {"Host": "127.0.0.1"}, 421),
        ("GET", "/tok-en/", {"Host": "127.0.0.1:80"}, 421),
        ("GET", "/tok-en/", {"Host": "127.0.0.1.evil.example:8123"}, 421),
        ("GET", "/tok-en/", {"Origin": "http://evil.example"}, 403),
        ("GET", "/tok-en/", {"Origin": "null"}, 403),
        ("GET", "/tok-en/", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/tok-en/", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", "/tok-en/ask", {}, 403),
        ("POST", "/tok-en/ask", {"Origin": "http://127.0.0.1:9999"}, 403),
        ("POST", "/tok-en/ask", {"Origin": "https://127.0.0.1:8123"}, 403),
        ("GET", "/", {}, 404),
        ("GET", "/state", {}, 404),
        ("GET", "/tok-e/state", {}, 404),
        ("GET", "/tok-en2/state", {}, 404),
        ("GET", "//tok-en/state", {}, 404),
        ("GET", "/t\N{LATIN SMALL LETTER O WITH DIAERESIS}k-en/", {}, 404),
        ("POST", "/tok-en/ask", {"Origin": HERE, "Content-Length": "4000001"}, 413),
        ("POST", "/tok-en/ask", {"Origin": HERE, "Content-Length": "-1"}, 413),
    ],
)
def test_others_are_refused_with_what_to_do(
    client: TestClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"] and answer.json()["error"]["hint"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_body_that_does_not_state_its_size_is_bounded_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MAX_BODY_BYTES", 1000)

    def parts(num: int) -> Iterator[bytes]:
        yield from [b"x" * 100] * num

    assert client.post("/tok-en/a", content=parts(10), headers={"Origin": HERE}).text == "/a 1000"
    refused = client.post("/tok-en/a", content=parts(11), headers={"Origin": HERE})
    assert refused.status_code == 413


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {make_token() for _ in range(100)}
    assert len(tokens) == 100 and min(map(len, tokens)) >= 32
