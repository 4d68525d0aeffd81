"""Takes pictures of the page of ``pocketbert demo``: ``python docs/site/page_pictures.py BUNDLE``.

It wants Chromium on the PATH, and a bundle that answers questions; the pictures in the repository
are of ``pocketbert build -o BUNDLE``.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parents[1] / "pictures"
TEXT = Path(__file__).parents[2] / "examples" / "lighthouse.txt"
QUESTION = "Who designed the lighthouse?"
NUM_COMPARED = 4
"""Runtimes beside PyTorch, of all three backends."""
SIZE = {"width": 1280, "height": 1060}
MAX_WAIT_MS = 300_000


def main() -> None:
    """Serves the bundle named on the command line, asks it once, and takes a picture a scheme."""
    command = [sys.executable, "-m", "pocketbert", "demo", sys.argv[1], "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        url = json.loads(served.stdout.readline())["url"]
        try:
            for scheme, name in (("light", "page.png"), ("dark", "page-dark.png")):
                take(url, scheme, PICTURES / name)
        finally:
            served.send_signal(signal.SIGINT)


def take(url: str, scheme: str, path: Path) -> None:
    """Takes one picture, once every runtime has answered."""
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        page = browser.new_page(viewport=SIZE, color_scheme=scheme)
        page.goto(url)
        page.locator("#context").fill(" ".join(TEXT.read_text(encoding="utf-8").split()))
        page.locator("#question").fill(QUESTION)
        page.locator("#ask").click()
        compared = page.locator(".answers .badge:not(:empty)")
        for place in range(2):  # the second time all are warm
            compared.nth(NUM_COMPARED).wait_for(timeout=MAX_WAIT_MS)
            if place == 0:
                page.locator("#ask").click()
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main()
