"""Draws what ``make demo`` prints: ``docs/pictures/demo.txt`` becomes ``demo.svg`` beside it.

To make it anew, paste what two of its commands print on an idle machine into ``demo.txt``, and run
``python docs/site/picture.py``.
"""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parents[1] / "pictures"
WIDTH = 106
STYLES = {r"^\$ .*": "bold", r"\bPASS\b": "green", r"\bSKIPPED\b": "yellow"}
FRAME = """<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<title>What make demo prints: a verdict on every artifact, and the answers side by side</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px Menlo, Consolas, "DejaVu Sans Mono", monospace;
line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
<rect fill="#292929" width="{terminal_width}" height="{terminal_height}" rx="8" />
<g transform="translate(9, 9)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(transcript: str) -> str:
    """Returns a terminal that shows a transcript, as SVG without a font of its own."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in transcript.splitlines():
        text = Text(line, no_wrap=True)
        for pattern, style in STYLES.items():
            text.highlight_regex(re.compile(pattern), style)
        console.print(text)
    svg = console.export_svg(code_format=FRAME, unique_id="terminal")
    return "".join(f"{line.strip()}\n" for line in svg.splitlines())


if __name__ == "__main__":
    made = draw((PICTURES / "demo.txt").read_text(encoding="utf-8"))
    (PICTURES / "demo.svg").write_text(made, encoding="utf-8")
