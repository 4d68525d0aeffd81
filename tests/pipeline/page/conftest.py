"""A page that serves small bundles: one answers questions, one classifies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.conversion.recipe import recipe_of
from tests.classifiers import save_classifier
from tests.command import wait_until
from tests.conftest import BuiltBundle, MakeOnce
from tests.runs import quiet_run

REASON = "Starlette is not installed: pip install '.[page]'"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page that is served while a test runs.

    Attributes:
        served: The bundles.
        app: What serves them.
    """

    url: str
    port: int
    token: str
    served: tuple
    app: object

    def engine(self, name: str):
        """Returns the engine of a runtime by its id."""
        found = [each for bundle in self.served for each in bundle.answerers]
        return next(each.engine for each in found if each.id == name)


@pytest.fixture(scope="session")
def classifier(make_once: MakeOnce) -> Path:
    """A TFLite bundle that classifies."""

    def make(folder: Path) -> Path:
        made = build(
            str(save_classifier("distilbert", folder / "student")),
            destination=folder / "labels", backends=("tflite",), recipe=recipe_of("fp32"),
            seq_lens=(32,), run=quiet_run(1),
        )  # fmt: skip
        return made.folder

    return make_once("page-classifier", make)


@pytest.fixture(scope="session")
def page(built: BuiltBundle, classifier: Path) -> Iterator[Page]:
    pytest.importorskip("starlette", reason=REASON)
    pytest.importorskip("uvicorn", reason=REASON)
    from pipeline.page import engine
    from pipeline.page.app import make_app
    from pipeline.page.guard import make_token
    from pipeline.page.served import serving
    from pipeline.page.server import listen, serve

    patience = pytest.MonkeyPatch()
    patience.setattr(engine, "MAX_TURN_SECONDS", 0.2)
    listener = listen(0)
    port, token = listener.getsockname()[1], make_token()
    paths = [built.folder, classifier]
    with serving(paths, names=("pytorch", "litert"), num_threads=1) as served:
        app = make_app(served, token=token, port=port, num_threads=1)
        with serve(app, listener):
            engines = [each.engine for bundle in served for each in bundle.answerers]
            assert wait_until(
                lambda: all(each.state.stage == "ready" for each in engines), seconds=300
            )
            url = f"http://127.0.0.1:{port}/{token}/"
            yield Page(url=url, port=port, token=token, served=served, app=app)
    patience.undo()
