"""The page in a real browser, as a person uses it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.command import wait_until
from tests.conftest import USER_CACHE
from tests.pipeline.page.conftest import Page

playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: pip install '.[dev]'"
)
expect = playwright.expect
expect.set_options(timeout=30_000)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = "axe-core-4.14.1"
TEXT = "The tower is 41 metres tall. It was designed by Rennie and lit in 1871."
PASTE = """text => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  const event = new ClipboardEvent("paste", { clipboardData, cancelable: true, bubbles: true });
  return document.getElementById("context").dispatchEvent(event);
}"""
"""Is true if the browser would go on and put the text into the field."""
HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "\N{RIGHT-TO-LEFT OVERRIDE}backwards\N{POP DIRECTIONAL FORMATTING} & {{ 7 * 7 }} "
    "The tower \N{GRINNING FACE} is tall."
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the PATH: apt-get install chromium")
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=path, args=options)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, page: Page) -> Iterator[Any]:
    """Opens the page, and at the end wants that it asked nobody else and complained of nothing."""
    wrong: list[str] = []
    with contextlib.ExitStack() as stack:

        def open_one(**options: Any) -> Any:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
            stack.callback(context.close)
            tab = context.new_page()
            tab.set_default_timeout(30_000)
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.on("console", lambda said: wrong.append(said.text))
            tab.on("request", lambda sent: wrong.extend(
                [] if sent.url.startswith((page.url, "blob:")) else [sent.url]
            ))  # fmt: skip
            tab.goto(page.url)
            return tab

        yield open_one
    assert not wrong


def ask(tab: Any, question: str, text: str = TEXT) -> None:
    if tab.locator("#edit").is_visible():
        tab.locator("#edit").click()
    tab.locator("#context").fill(text)
    tab.locator("#question").fill(question)
    tab.locator("#ask").click()


def card(tab: Any, runtime: str) -> Any:
    return tab.locator(f"#answers li[data-id='0-{runtime}']")


@contextlib.contextmanager
def stopped(page: Page, name: str) -> Iterator[int]:
    """Keeps a runtime's process from doing anything while the block runs."""
    engine = page.engine(name)
    assert wait_until(lambda: engine.state.stage == "ready")
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_question_is_answered_marked_and_compared(open_page: Any) -> None:
    tab = open_page()
    ask(tab, "How tall is the tower?")
    expect(card(tab, "pytorch").locator(".badge")).to_have_text("reference")
    expect(card(tab, "litert").locator(".badge")).to_have_text("same as PyTorch")
    expect(card(tab, "litert").locator(".figures")).to_contain_text("ms · 0.")
    answer = card(tab, "litert").locator(".pick").inner_text()
    assert answer and answer in TEXT
    assert tab.locator("#reading").inner_text() == TEXT
    assert tab.locator("#reading mark").inner_text() == answer
    words = card(tab, "litert").locator("svg.heat").get_attribute("aria-label")
    assert words.startswith("Begins most likely at") and words.endswith("%")
    expect(tab.locator("#history li")).to_have_count(1)
    ask(tab, "Who designed it?")
    expect(tab.locator("#history li")).to_have_count(2)
    tab.locator("#history button").last.click()
    assert tab.locator("#question").input_value() == "How tall is the tower?"


def test_keyboard_alone_asks_and_goes_through_the_tabs(open_page: Any) -> None:
    tab = open_page()
    tab.keyboard.press("Tab")
    for name in ("Classify", "Bundles", "Bench", "Ask"):
        tab.keyboard.press("ArrowRight")
        expect(tab.locator("[role=tab][aria-selected=true]")).to_have_text(name)
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.id") == "question":
            break
    tab.keyboard.type("How tall is it?")
    tab.keyboard.press("Enter")
    expect(card(tab, "litert").locator(".pick")).to_be_visible()
    expect(tab.locator("#said")).to_contain_text("2 runtimes answered")


def test_hostile_text_is_text(open_page: Any) -> None:
    tab = open_page()
    ask(tab, "What is tall? <b>&amp;", HOSTILE)
    expect(card(tab, "litert").locator(".pick")).to_be_visible()
    assert tab.locator("#reading").inner_text() == HOSTILE
    assert tab.locator("#answers script, #answers img, #reading img, #history b").count() == 0
    assert tab.title().startswith("PocketBERT")


def test_long_text_and_no_text_are_refused_with_what_to_do(open_page: Any) -> None:
    tab = open_page()
    assert not tab.evaluate(PASTE, "word word\n" * 1_000_000), "it is not put into the field"
    expect(tab.locator("#problem")).to_contain_text("has 10,000,000 characters")
    assert tab.evaluate(PASTE, "A few words.")
    ask(tab, "Who?", "")
    expect(tab.locator("#problem")).to_contain_text("There is no text yet.")
    assert tab.evaluate("document.activeElement.id") == "context"
    for content, message in (
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        (b"x" * 4_000_001, "4 MB"),
        (b"x" * 3_000_000, "has 3,000,000 characters"),
    ):
        file = {"name": "a.txt", "mimeType": "text/plain", "buffer": content}
        tab.locator("#file").set_input_files([file])
        expect(tab.locator("#problem")).to_contain_text(message)
    file = {"name": "a.txt", "mimeType": "text/plain", "buffer": "é text".encode()}
    tab.locator("#file").set_input_files([file])
    expect(tab.locator("#context")).to_have_value("é text")
    expect(tab.locator("#problem")).to_be_hidden()


def test_question_can_be_given_up(open_page: Any, page: Page) -> None:
    tab = open_page()
    with stopped(page, "0-litert"):
        ask(tab, "How tall is it?")
        expect(card(tab, "pytorch").locator(".pick")).to_be_visible()
        tab.locator("#stop").click()
        expect(card(tab, "litert")).to_contain_text("stopped")
        expect(tab.locator("#stop")).to_be_hidden()
    ask(tab, "How tall is it?")
    expect(card(tab, "litert").locator(".badge")).to_have_text("same as PyTorch")


def test_two_tabs_do_not_disturb_each_other(open_page: Any) -> None:
    one, other = open_page(), open_page()
    ask(one, "What is tall?", "A tower is tall.")
    ask(other, "What is deep?", "The sea is deep.")
    for tab, text in ((one, "A tower is tall."), (other, "The sea is deep.")):
        expect(card(tab, "litert").locator(".badge")).to_have_text("same as PyTorch")
        assert card(tab, "litert").locator(".pick").inner_text() in text


def test_runtime_that_dies_is_shown_and_comes_back(open_page: Any, page: Page) -> None:
    tab = open_page()
    with stopped(page, "0-litert") as pid:
        ask(tab, "How tall is it?")
        expect(card(tab, "pytorch").locator(".pick")).to_be_visible()
        os.kill(pid, signal.SIGKILL)
    expect(card(tab, "litert").locator(".failed")).to_have_text("litert crashed")
    chip = tab.locator("#engines li", has_text="litert").first
    expect(chip).to_contain_text("crashed once")
    ask(tab, "How tall is it?")
    expect(card(tab, "litert").locator(".badge")).to_have_text("same as PyTorch")


def test_texts_are_labelled_while_one_writes_and_lists_are_saved(open_page: Any) -> None:
    tab = open_page()
    tab.locator("#tab-classify").click()
    tab.locator("#line").press_sequentially("It was lit.")
    bars = tab.locator("#labels [data-id='1-litert'] .bar")
    expect(bars).to_have_count(3)
    values = [float(each) for each in bars.locator(".number").all_inner_texts()]
    assert values == sorted(values, reverse=True) and sum(values) == pytest.approx(1, abs=0.01)
    tab.locator("#list").fill('The tower, "tall".\n\n<b>It</b> was lit.\n')
    tab.locator("#classify-list").click()
    expect(tab.locator("#save")).to_be_enabled()
    assert tab.locator("#table tbody tr").count() == 2
    with tab.expect_download() as download:
        tab.locator("#save").click()
    saved = download.value.path().read_bytes().decode().split("\r\n")
    assert saved[0] == (
        "text,labels pytorch,labels pytorch score,labels litert,labels litert score"
    )
    assert saved[1].startswith('"The tower, ""tall"".",') and saved[2].startswith("<b>It</b> was")


def test_self_test_and_bench_run_from_the_page(open_page: Any) -> None:
    tab = open_page()
    tab.locator("#tab-bundle").click()
    tab.locator(".self-test").last.click()
    expect(tab.locator(".tested .pass").first).to_contain_text("PASS")
    tab.locator("#tab-ask").click()
    tab.locator("#question").fill("How tall is it?")
    tab.locator("#tab-bench").click()
    tab.locator("#repeats").fill("3")
    tab.locator("#bench").click()
    expect(tab.locator("#said")).to_have_text("The bench is done.")
    assert tab.locator("#spread circle").count() == 6
    assert tab.locator("#times tbody tr").count() == 2


SIZES = [(1280, "light", 1), (390, "dark", 1), (640, "light", 2)]
"""Width in points, colours, and how large letters are."""


@pytest.mark.parametrize(("width", "scheme", "zoom"), SIZES)
def test_page_fits_and_axe_finds_nothing_serious(
    open_page: Any, axe: str, width: int, scheme: str, zoom: int
) -> None:
    view = {"width": width // zoom, "height": 800}
    tab = open_page(viewport=view, color_scheme=scheme, device_scale_factor=zoom)
    ask(tab, "How tall is the tower?")
    expect(card(tab, "litert").locator(".badge")).to_have_text("same as PyTorch")
    tab.evaluate(axe)
    for name in ("ask", "classify", "bundle", "bench"):
        tab.locator(f"#tab-{name}").click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width // zoom, name
        found = tab.evaluate("axe.run().then((found) => found.violations)")
        told = {
            each["id"]: [node["html"] for node in each["nodes"]]
            for each in found
            if each["impact"] in ("serious", "critical")
        }
        assert not told, name


@pytest.fixture(scope="module")
def axe() -> str:
    """The checker of accessibility, which npm brings once into the user's cache."""
    archive = USER_CACHE / "axe" / f"{AXE}.tgz"
    if not archive.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("there is no npm to bring axe-core with")
        archive.parent.mkdir(parents=True, exist_ok=True)
        name = AXE.replace("core-", "core@")
        brought = subprocess.run(
            [npm, "pack", "--silent", name], cwd=archive.parent, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        if brought.returncode:
            pytest.skip(f"npm does not bring {name}: {brought.stderr.strip()[:200]}")
    with tarfile.open(archive) as opened:
        file = opened.extractfile("package/axe.min.js")
        assert file is not None
        return file.read().decode()
