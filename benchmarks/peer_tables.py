"""Tables and pictures of `benchmarks/peers.py`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.benchmark.contest import Row
from pipeline.benchmark.peers import BERT_BASE
from pipeline.commands.bench import BASE
from pipeline.comparison.runtimes import PYTORCH
from pipeline.report.pictures import draw_svg

if TYPE_CHECKING:
    from peer_contest import Fit

    from pipeline.bench import Measured

OURS = ("executorch", "litert")
MOST_OF_PYTORCH = {"int8": 0.33, "fp32": 1.0}
"""What this project asks of its own artifacts at the longest length, in DistilBERT-base's size."""
LEAST_SPEED_UP = 6.0
"""Of int8 against BERT-base in PyTorch."""


def make_tables(measured: Mapping[str, "Measured"], fits: Sequence["Fit"]) -> str:
    """Returns everything in Markdown."""
    parts: list[str] = []
    for name, found in measured.items():
        parts += [f"**{name}**", _table(found), _roofs(found)]
        parts += [f"SKIPPED {each.runtime}: {each.reason}" for each in found.skipped]
        if name == BASE:
            parts.append("\n".join(_goals(found)))
    lines = [
        f"- {fit.runtime} {fit.precision}: {fit.ms_a_layer:.2f} ms a layer and {fit.ms_beside:.2f} "
        f"beside, no point further than {100 * fit.largest_residual:.1f} % from the line"
        for fit in fits
    ]
    return "\n\n".join([*parts, *(["Latency over layers:\n\n" + "\n".join(lines)] if fits else [])])


def _table(found: "Measured") -> str:
    seq_lens = sorted({row.seq_len for row in found.rows})
    head = [
        "runtime", "precision", "MB", *(f"{each} tokens, ms" for each in seq_lens),
        "half of them", "of PyTorch", "of the roofline", "first answer, ms", "peak MB",
        "above the bare runtime",
    ]  # fmt: skip
    lines = [head, ["---", "---", *["--:"] * (len(head) - 2)]]
    for rows in _by_contestant(found.rows).values():
        last = rows[-1]
        share = last.roofline_share
        above = last.peak_rss_bytes - last.bare_rss_bytes
        lines.append([
            last.runtime, last.precision, f"{last.size_bytes / 1e6:.1f}",
            *(f"{row.latency_ms:.1f}" for row in rows),
            f"{last.lower_quartile_ms:.1f}-{last.upper_quartile_ms:.1f}",
            f"{last.ratio_to_pytorch:.2f}", "" if share is None else f"{100 * share:.0f} %",
            f"{last.cold_start_ms:.0f}", f"{last.peak_rss_bytes / 1e6:.0f}", f"{above / 1e6:.0f}",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _roofs(found: "Measured") -> str:
    return "\n".join(
        f"- Roofline {roof.rate.arithmetic}: {roof.num_macs / 1e9:.2f} giga multiply-adds at "
        f"{roof.seq_len} tokens take {roof.latency_ms:.1f} ms at "
        f"{roof.rate.macs_per_second / 1e9:.0f} giga a second, by {roof.rate.library} on "
        f"{' x '.join(map(str, roof.rate.shape))}"
        for roof in found.roofs[-2:]
    )


def _goals(found: "Measured") -> Iterator[str]:
    """Yields what was asked of our artifacts at the longest length, and whether it is met."""
    last = {name: rows[-1] for name, rows in _by_contestant(found.rows).items()}
    onnx, bert = last.get(("onnxruntime", "int8")), last.get((BERT_BASE, "fp32"))
    for name in OURS:
        for precision, most in MOST_OF_PYTORCH.items():
            own = last[name, precision]
            ratio = own.latency_ms / last[PYTORCH, "fp32"].latency_ms
            yield _goal(own, f"{ratio:.3f} of PyTorch, at most {most}", ratio <= most)
        own = last[name, "int8"]
        if onnx is not None:
            ratio = own.latency_ms / onnx.latency_ms
            yield _goal(own, f"{ratio:.2f} of ONNX Runtime int8, below 1", ratio < 1)
        if bert is not None:
            times = bert.latency_ms / own.latency_ms
            asked = f"{times:.1f} times as fast as BERT-base, at least {LEAST_SPEED_UP:g}"
            yield _goal(own, asked, times >= LEAST_SPEED_UP)


def _goal(row: Row, asked: str, is_met: bool) -> str:
    return f"- {'met' if is_met else 'MISSED'}: {row.runtime} {row.precision}: {asked}"


def _by_contestant(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Returns the rows of each contestant, by length."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.seq_len):
        found.setdefault((row.runtime, row.precision), []).append(row)
    return found


def draw_all(
    folder: Path,
    measured: Mapping[str, "Measured"],
    layers: Mapping[int, Sequence[Row]],
    fits: Sequence["Fit"],
) -> None:
    """Writes ``peers.svg``, ``lengths.svg`` and, where there are fits, ``layers.svg``."""
    pictures = {"peers.svg": _relative(measured), "lengths.svg": _lengths(measured)}
    if fits:
        pictures["layers.svg"] = _layers(layers, fits)
    for name, text in pictures.items():
        (folder / name).write_text(text, encoding="utf-8")


def _relative(measured: Mapping[str, "Measured"]) -> str:
    """Returns bars of the time against PyTorch at the longest length, a colour a model."""
    names = list(dict.fromkeys(key for each in measured.values() for key in
                               _by_contestant(each.rows)))  # fmt: skip
    thickness = 0.8 / len(measured)

    def fill(axes: Any) -> None:
        for number, (model, found) in enumerate(measured.items()):
            by_name = _by_contestant(found.rows)
            places = [at + number * thickness for at, name in enumerate(names) if name in by_name]
            ratios = [by_name[name][-1].ratio_to_pytorch for name in names if name in by_name]
            bars = axes.barh(places, ratios, height=thickness, label=model)
            axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
        middle = 0.4 - thickness / 2
        axes.set_yticks([at + middle for at in range(len(names))], [" ".join(n) for n in names])
        for label, (runtime, _) in zip(axes.get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if runtime in OURS else "normal")
        axes.invert_yaxis()
        axes.figure.set_figheight(0.4 * len(names) + 1)
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.legend()

    seq_len = max(row.seq_len for found in measured.values() for row in found.rows)
    label = f"time of one row of {seq_len} tokens, PyTorch eager = 1 (less is better)"
    return draw_svg(fill, xlabel=label)


def _lengths(measured: Mapping[str, "Measured"]) -> str:
    """Returns latency over length of the last model, ours and the roofline in thick lines."""
    name, found = list(measured.items())[-1]

    def fill(axes: Any) -> None:
        for (runtime, precision), rows in _by_contestant(found.rows).items():
            axes.plot(
                [row.seq_len for row in rows], [row.latency_ms for row in rows], marker="o",
                markersize=3, label=f"{runtime} {precision}",
                linewidth=2.2 if runtime in OURS else 1,
                linestyle="-" if precision == "int8" else "--",
            )  # fmt: skip
        for arithmetic in ("fp32", "int8"):
            roofs = [roof for roof in found.roofs if roof.rate.arithmetic == arithmetic]
            axes.plot([roof.seq_len for roof in roofs], [roof.latency_ms for roof in roofs],
                      color="black", linestyle=":", label=f"roofline {arithmetic}")  # fmt: skip
        axes.set_yscale("log")
        axes.set_xticks([rows.seq_len for rows in next(iter(_by_contestant(found.rows).values()))])
        axes.legend(fontsize=6, ncols=2)
        axes.figure.set_figheight(5)

    return draw_svg(fill, xlabel="tokens", ylabel="ms", title=f"{name}, one row")


def _layers(layers: Mapping[int, Sequence[Row]], fits: Sequence["Fit"]) -> str:
    """Returns latency over the number of layers, with the lines that fit."""

    def fill(axes: Any) -> None:
        ends = [0, max(layers)]
        for fit, rows in zip(fits, zip(*layers.values(), strict=True), strict=True):
            [line] = axes.plot(list(layers), [row.latency_ms for row in rows], "o",
                               label=f"{fit.runtime} {fit.precision}")  # fmt: skip
            at_ends = [fit.ms_beside + fit.ms_a_layer * each for each in ends]
            axes.plot(ends, at_ends, color=line.get_color(), linewidth=0.8)
        axes.set_ylim(bottom=0)
        axes.legend()

    return draw_svg(fill, xlabel="layers of DistilBERT-base's width", ylabel="ms")
