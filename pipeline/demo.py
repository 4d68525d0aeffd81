"""Serves a page on this machine, on which a person tries bundles in all their runtimes."""

import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters import backends
from converters.values.errors import MissingPackageError
from pipeline.bundle import last_built
from pipeline.running.run import Run

PACKAGES = ("starlette", "uvicorn")
"""What the page is made with, of the extra ``page``."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A page that is served.

    Attributes:
        url: Its whole address, with the token that it opens with.
        bundles: The names of what it serves.
        is_shown: Whether a browser said that it opened it.
    """

    url: str
    bundles: tuple[str, ...]
    is_shown: bool


def demo(
    paths: Sequence[Path],
    *,
    port: int = 0,
    named_reference: str | None = None,
    names: Sequence[str] = (),
    opens_browser: bool = True,
    on_opened: Callable[[Opened], None],
    run: Run,
) -> None:
    """Serves the page until it is interrupted; nothing is left behind then.

    Args:
        paths: Bundles, as folders or zips; empty for the one that was built last here.
        port: On loopback; zero for any that is free.
        named_reference: Where the PyTorch student is, if the user says so.
        names: Runtimes to use, ``pytorch`` among them; empty for all that run here.
        opens_browser: Whether to show the page to the user.
        on_opened: Called when it can be looked at.
        run: Its threads.

    Raises:
        PocketBertError: A bundle cannot be opened, nothing answers here, or the port is taken.
        KeyboardInterrupt: It was interrupted, which is how it ends.
    """
    _check_installed()
    from pipeline.page.app import make_app
    from pipeline.page.guard import make_token
    from pipeline.page.served import serving
    from pipeline.page.server import ADDRESS, listen, serve

    paths = paths or (last_built.find(),)
    listener = listen(port)
    number, token = listener.getsockname()[1], make_token()
    with serving(
        paths, named_reference=named_reference, names=names, num_threads=run.num_threads
    ) as served:
        app = make_app(served, token=token, port=number, num_threads=run.num_threads)
        with serve(app, listener) as has_ended:
            url = f"http://{ADDRESS}:{number}/{token}/"
            is_shown = opens_browser and webbrowser.open(url)
            bundles = tuple(each.name for each in served)
            on_opened(Opened(url=url, bundles=bundles, is_shown=is_shown))
            has_ended.wait()


def _check_installed() -> None:
    missing = backends.missing_packages(PACKAGES)
    if missing:
        raise MissingPackageError(
            f"the page needs {', '.join(missing)}", hint=backends.install_line("page")
        )
