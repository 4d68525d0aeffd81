"""The application behind the page: what it shows, and what it asks the runtimes."""

import functools
import threading
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any, TypeVar

import anyio.to_thread
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from converters.values.errors import InputError, PocketBertError
from pipeline import __version__
from pipeline.page import bodies, facts
from pipeline.page.asking import Answered, Asked, Event, Finished
from pipeline.page.guard import Guard, TooLargeError, refuse, too_large
from pipeline.page.lines import Lines, SendLine
from pipeline.page.served import Served, without_folders
from pipeline.page.shown import as_json
from pipeline.page.tested import run_self_test
from pipeline.report.page import FILE_NAME as REPORT
from pipeline.report.page import html_templates
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.squad import Question
from pipeline.tasks.task import Example
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
MAX_REMARKS = 10
"""That are shown of the texts of a list."""
_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

Body = TypeVar("Body", bound=BaseModel)


def make_app(served: Sequence[Served], *, token: str, port: int, num_threads: int) -> ASGIApp:
    """Returns the application, behind its guard.

    Args:
        served: One bundle or more.
        token: The first part of every path.
        port: That it is served on.
        num_threads: Of a runtime in the self test.
    """
    page = _Page(served, num_threads=num_threads)
    routes = [
        Route("/", page.index),
        Route("/static/{name}", _static),
        Route("/state", page.state),
        Route("/report/{bundle:int}", page.report),
        Route("/ask", page.ask, methods=["POST"]),
        Route("/classify", page.classify, methods=["POST"]),
        Route("/bench", page.bench, methods=["POST"]),
        Route("/self-test", page.self_test, methods=["POST"]),
    ]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        HTTPException: _refused, PocketBertError: _wrong, TooLargeError: _too_large,
    }  # fmt: skip
    app = Starlette(routes=routes, exception_handlers=handlers)
    return Guard(app, token=token, port=port)


class _Page:
    """What is shown and asked of some bundles."""

    def __init__(self, served: Sequence[Served], *, num_threads: int) -> None:
        self._served = served
        self._num_threads = num_threads
        self._testing = threading.Lock()
        self._template = html_templates(__package__).get_template("page.html")

    async def index(self, request: Request) -> Response:
        """Shows the page."""
        del request
        tasks = {each.task.NAME: facts.rules_of(each) for each in reversed(self._served)}
        content = self._template.render(
            version=__version__,
            bundles=[facts.facts_of(each) for each in self._served],
            tasks=tasks,
            data={"tasks": tasks, "bundles": [facts.state_of(each) for each in self._served]},
        )
        return HTMLResponse(content)

    async def state(self, request: Request) -> Response:
        """Tells how the runtimes are."""
        del request
        return JSONResponse({"bundles": [facts.state_of(each) for each in self._served]})

    async def report(self, request: Request) -> Response:
        """Shows the report of a bundle, which may do nothing and load nothing."""
        served = self._bundle(request.path_params["bundle"])
        path = served.opened.folder / REPORT
        if not path.is_file():
            raise HTTPException(404, "this bundle has no report")
        policy = {"Content-Security-Policy": _REPORT_POLICY}
        return HTMLResponse(path.read_bytes(), headers=policy)

    async def ask(self, request: Request) -> Lines:
        """Answers a question in all runtimes of all bundles that answer questions."""
        body = await _body(request, bodies.Question)
        example = _question(body)
        return await self._asked([example], QuestionAnswering.NAME, body.only)

    async def classify(self, request: Request) -> Lines:
        """Classifies texts in all runtimes of all bundles that classify."""
        body = await _body(request, bodies.Texts)
        examples = [_labelled(each, place) for place, each in enumerate(body.lines)]
        return await self._asked(examples, TextClassification.NAME, body.only)

    async def bench(self, request: Request) -> Lines:
        """Times one example in all runtimes of a bundle, each in its turn."""
        body = await _body(request, bodies.Bench)
        served = self._bundle(body.bundle)
        example: Example
        if isinstance(body.asked, bodies.Question):
            name, example = QuestionAnswering.NAME, _question(body.asked)
        else:
            name, example = TextClassification.NAME, _labelled(body.asked, 0)
        if name != served.task.NAME:
            raise InputError(f"the bundle is for {served.task.NAME}", hint="choose another bundle")
        asked = await anyio.to_thread.run_sync(served.read, [example])
        return _stream([(served, asked * body.repeats)], only=None, timed=True)

    async def self_test(self, request: Request) -> Lines:
        """Runs the self test of a bundle in fresh processes."""
        body = await _body(request, bodies.OfBundle)
        served = self._bundle(body.bundle)

        def begin(tell: SendLine) -> Callable[[], None]:
            def work() -> None:
                with self._testing:
                    run_self_test(served, num_threads=self._num_threads, tell=tell)

            threading.Thread(target=work, daemon=True).start()
            return lambda: None

        return Lines(begin)

    async def _asked(
        self, examples: Sequence[Example], task: str, only: Sequence[str] | None
    ) -> Lines:
        served = [each for each in self._served if task == each.task.NAME]
        if not served:
            raise InputError(f"no bundle here is for {task}", hint="serve one: pocketbert demo")
        read = [(each, await anyio.to_thread.run_sync(each.read, examples)) for each in served]
        return _stream(read, only=only)

    def _bundle(self, number: int) -> Served:
        if number >= len(self._served):
            raise HTTPException(404, "there is no such bundle")
        return self._served[number]


def _stream(
    read: Sequence[tuple[Served, list[Asked]]], *, only: Sequence[str] | None, timed: bool = False
) -> Lines:
    """Returns an answer that tells what the runtimes of some bundles say, as they say it."""

    def begin(tell: SendLine) -> Callable[[], None]:
        for served, asked in read:
            remarks = [remark for each in asked for remark in each.encoded.remarks]
            ids = [each.id for each in served.answerers if only is None or each.id in only]
            tell({"kind": "asked", "ids": ids, "remarks": remarks[:MAX_REMARKS]})
        ends = _Ends(len(read), tell)
        asking = [
            served.ask(asked, only=only, tell=functools.partial(_tell, served, ends, tell, timed))
            for served, asked in read
        ]

        def cancel() -> None:
            for each in asking:
                each.cancel()

        return cancel

    return Lines(begin)


class _Ends:
    """Ends an answer with the last of its parts, which end in threads of their own."""

    def __init__(self, num_parts: int, tell: SendLine) -> None:
        self._left = num_parts
        self._tell = tell
        self._lock = threading.Lock()

    def end_one(self) -> None:
        """Takes that one part has ended."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._tell(None)


def _tell(served: Served, ends: _Ends, tell: SendLine, timed: bool, event: Event) -> None:
    """Tells of an event; where only time counts, of an answer no more than that."""
    if isinstance(event, Finished):
        ends.end_one()
    elif timed and isinstance(event, Answered):
        tell({"kind": "timed", "id": event.answerer.id, "ms": event.latency_ms})
    else:
        tell(as_json(event, task=served.task))


async def _body(request: Request, model: type[Body]) -> Body:
    """Returns the fields of a request.

    Raises:
        InputError: They are not what the page sends.
    """
    raw = await request.body()
    try:
        return model.model_validate_json(raw)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise InputError(f"{where}: {first['msg']}", hint="load the page again") from err


def _question(body: bodies.Question) -> Question:
    return Question(id="question", question=body.question, context=body.context, answers=())


def _labelled(body: bodies.Line, place: int) -> LabelledText:
    return LabelledText(id=f"line {place + 1}", text=body.text, text_pair=body.pair)


async def _static(request: Request) -> Response:
    """Gives one of the page's own files."""
    name = request.path_params["name"]
    kind = _KINDS.get(name.rpartition(".")[2])
    folder = resources.files(__package__) / "static"
    if kind is None or name not in {each.name for each in folder.iterdir()}:
        raise HTTPException(404, "there is no such file")
    return Response((folder / name).read_bytes(), media_type=kind)


async def _refused(request: Request, err: HTTPException) -> Response:
    del request
    return refuse(err.status_code, err.detail)


async def _wrong(request: Request, err: PocketBertError) -> Response:
    del request
    return refuse(400, without_folders(err.message), without_folders(err.hint))


async def _too_large(request: Request, err: TooLargeError) -> Response:
    del request, err
    return too_large()
