"""What the page is given: answers as they come, facts, and messages for what is wrong."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="Starlette is not installed: pip install '.[page]'")

from starlette.testclient import TestClient

from pipeline.page.app import make_app
from pipeline.page.served import without_folders
from tests.conftest import BuiltBundle
from tests.pipeline.page.conftest import Page

CONTEXT = (
    "The tower \N{GRINNING FACE} is 41 metres tall. It was designed by Rennie and lit in 1871."
)


class Client:
    """The page's own requests."""

    def __init__(self, page: Page) -> None:
        here = f"http://127.0.0.1:{page.port}"
        self._client = TestClient(page.app, base_url=here, headers={"Origin": here})
        self._token = page.token

    def get(self, path: str) -> Any:
        return self._client.get(f"/{self._token}/{path}")

    def post(self, path: str, body: Any) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.post(f"/{self._token}/{path}", content=content)

    def lines(self, path: str, body: Any) -> list[dict[str, Any]]:
        answer = self.post(path, body)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def refused(self, path: str, body: Any) -> str:
        answer = self.post(path, body)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["hint"]
        return str(error["message"])


@pytest.fixture(scope="module")
def client(page: Page) -> Client:
    return Client(page)


def test_question_is_answered_by_each_runtime_and_compared(client: Client) -> None:
    told = client.lines("ask", {"question": "How tall is the tower?", "context": CONTEXT})
    assert told[0] == {"kind": "asked", "ids": ["0-pytorch", "0-litert"], "remarks": []}
    answers = {each["id"]: each for each in told if each["kind"] == "answer"}
    assert set(answers) == {"0-pytorch", "0-litert"}
    for each in answers.values():
        given = each["answer"]
        assert each["latency_ms"] > 0 and 0 < given["score"] <= 1
        assert CONTEXT[given["start"] : given["end"]] == given["text"]
        utf16 = CONTEXT.encode("utf-16-le")
        begin, end = 2 * given["utf16_start"], 2 * given["utf16_end"]
        assert utf16[begin:end].decode("utf-16-le") == given["text"]
        heat = given["heat"]
        assert heat == sorted(heat) and sum(row[2] for row in heat) == pytest.approx(1, abs=0.05)
        likeliest = max(heat, key=lambda row: row[2])
        assert utf16[2 * likeliest[0] : 2 * likeliest[1]].decode("utf-16-le").strip()
    (compared,) = [each for each in told if each["kind"] == "compared"]
    assert compared == {
        "kind": "compared", "id": "0-litert", "place": 0, "outcome": "same", "margin": 0.0,
    }  # fmt: skip


def test_only_the_runtimes_that_are_named_answer(client: Client) -> None:
    body = {"question": "How tall?", "context": CONTEXT, "only": ["0-litert"]}
    assert [each.get("id") for each in client.lines("ask", body)] == [None, "0-litert"]


def test_texts_are_classified_in_their_order(client: Client) -> None:
    lines = [{"text": "The tower is tall."}, {"text": "It was lit in 1871."}]
    told = client.lines("classify", {"lines": lines})
    answers = [each for each in told if each["kind"] == "answer" and each["id"] == "1-litert"]
    assert [each["place"] for each in answers] == [0, 1]
    for each in answers:
        assert each["answer"]["label"] in {"negative", "so-so", "positive"}
        assert sum(each["answer"]["scores"]) == pytest.approx(1)


def test_bench_times_every_runtime_as_often_as_asked(client: Client) -> None:
    asked = {"question": "How tall?", "context": CONTEXT}
    told = client.lines("bench", {"bundle": 0, "asked": asked, "repeats": 4})
    timed = [each for each in told if each["kind"] == "timed"]
    assert sorted(each["id"] for each in timed) == ["0-litert"] * 4 + ["0-pytorch"] * 4
    assert all(each["ms"] > 0 for each in timed)


def test_self_test_tells_how_far_it_is_and_passes(client: Client) -> None:
    told = client.lines("self-test", {"bundle": 1})
    assert {"kind": "progress", "name": "files", "done": 1, "total": 1} in told
    assert any(each["kind"] == "progress" and each["done"] == each["total"] > 1 for each in told)
    assert told[-1]["kind"] == "result" and told[-1]["problems"] == []
    assert {each["verdict"] for each in told[-1]["tested"]} == {"pass"}


def test_self_test_of_a_bundle_that_was_damaged_names_the_file(
    page: Page, bundle_copy: Path
) -> None:
    with (bundle_copy / "report.html").open("a") as file:
        file.write("more")
    served = dataclasses.replace(page.served[0], path=bundle_copy)
    app = make_app([served], token=page.token, port=page.port, num_threads=1)
    told = Client(dataclasses.replace(page, app=app)).lines("self-test", {"bundle": 0})
    assert [each["path"] for each in told[-1]["problems"]] == ["report.html"]


def test_self_test_of_a_bundle_that_is_gone_says_so(page: Page, tmp_path: Path) -> None:
    served = dataclasses.replace(page.served[0], path=tmp_path / "gone")
    app = make_app([served], token=page.token, port=page.port, num_threads=1)
    told = Client(dataclasses.replace(page, app=app)).lines("self-test", {"bundle": 0})
    assert told[-1]["kind"] == "failed" and told[-1]["message"] == "no bundle at …/gone"


LONG = "word " * 40_001


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("ask", b"{", "Invalid JSON"),
        ("ask", b"\xff", "Invalid JSON"),
        ("ask", b'{"question": "\\ud800", "context": "a"}', "hex escape"),
        ("ask", {"question": "Who?"}, "context: Field required"),
        ("ask", {"question": "Who?", "context": 3}, "context: Input should be a valid string"),
        ("ask", {"question": "Who?", "context": "a", "path": "/etc"}, "path: Extra inputs"),
        ("ask", {"question": "", "context": "A text."}, "question"),
        ("ask", {"question": "Who?", "context": LONG}, "200,000"),
        ("classify", {"lines": []}, "lines: List should have at least 1 item"),
        ("classify", {"lines": [{"text": "a"}] * 2001}, "lines: List should have at most 2000"),
        ("classify", {"lines": [{"text": " "}]}, "text"),
        ("classify", {"lines": [{"text": "one", "pair": "two"}]}, "one"),
        ("bench", {"bundle": 0, "asked": {"text": "a"}, "repeats": 1}, "question-answering"),
        ("bench", {"bundle": 0, "asked": {"text": "a"}, "repeats": 0}, "repeats"),
    ],
)
def test_bad_request_is_answered_with_what_is_wrong(
    client: Client, path: str, body: Any, message: str
) -> None:
    assert message in client.refused(path, body)


@pytest.mark.parametrize(
    "path", ["nothing", "static/nothing.js", "static/..%2fapp.py", "static/page.py", "report/7"]
)
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_page_escapes_names_and_holds_no_path_of_the_machine(
    page: Page, built: BuiltBundle
) -> None:
    hostile = Path('<script>alert("1")<&\N{RIGHT-TO-LEFT OVERRIDE}')
    served = dataclasses.replace(page.served[0], path=hostile)
    app = make_app([served, page.served[1]], token=page.token, port=page.port, num_threads=1)
    shown = Client(dataclasses.replace(page, app=app))
    content = shown.get("").text
    assert "<script>alert" not in content and "&lt;script&gt;alert(&#34;1&#34;)&lt;&amp;" in content
    assert r"\u003cscript\u003ealert" in content  # in the data that the page begins with
    for text in (content, shown.get("state").text):
        assert str(built.folder.parent) not in text and str(Path.home()) + "/" not in text


def test_page_loads_nothing_from_elsewhere(client: Client) -> None:
    texts = [client.get("").text]
    texts += [
        client.get(f"static/{name}").text
        for name in ("page.css", "page.js", "ask.js", "classify.js", "bench.js", "dom.js")
    ]
    for text in texts:
        left = text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in left and "https:" not in left and "@import" not in left
        assert ".innerHTML" not in left and "style=" not in left and "onclick=" not in left


def test_report_may_run_nothing_and_load_nothing(client: Client) -> None:
    answer = client.get("report/0")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.text.startswith("<!doctype html>")


def test_folders_are_left_out_of_messages() -> None:
    assert without_folders("no file /home/me/a b, or /tmp/x/model.pte: damaged") == (
        "no file …/a b, or …/model.pte: damaged"
    )
    assert without_folders("and/or of https://example.org/a/b") == (
        "and/or of https://example.org/a/b"
    )
