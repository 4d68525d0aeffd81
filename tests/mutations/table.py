"""What the suite found, as the table that goes into the docs."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Caught:
    """One fault, and the verdicts on the runtimes that it is in: as ``parity --json`` has them."""

    fault: str
    place: str
    backend: str
    precision: str
    verdicts: Sequence[dict[str, Any]]


def lines(properties: Iterable[tuple[str, object]]) -> list[str]:
    """Returns Markdown; nothing where nothing was done.

    Args:
        properties: What tests recorded: a fault that was ``caught``, as a dict of its fields, or
            the verdicts on a ``clean`` build; each as JSON, for it may come from another process.
    """
    recorded: dict[str, list[Any]] = {"caught": [], "clean": []}
    for name, value in properties:
        if name in recorded:
            recorded[name].append(json.loads(str(value)))
    caught = [Caught(**fields) for fields in recorded["caught"]]
    return [*_caught_lines(caught), *_clean_lines(recorded["clean"])]


def _caught_lines(caught: Sequence[Caught]) -> list[str]:
    if not caught:
        return []
    rows = [
        f"| {each.fault} | {each.place} | {each.backend} | {each.precision} | {_gates(each)} |"
        for each in caught
    ]
    head = "| fault | planted in | backend | precision | caught by (value, gate) |"
    return ["", head, "|---|---|---|---|---|", *rows, "", f"{len(caught)} faults caught."]


def _gates(each: Caught) -> str:
    """Returns the gates that failed at the runtime and length where most did, as far as told."""
    failed = max((_failed(verdict) for verdict in each.verdicts), key=len)
    first = ", ".join(f"{gate['name']} ({_told(gate)})" for gate in failed[:3])
    return first + (f" and {len(failed) - 3} more" if len(failed) > 3 else "")


def _failed(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    return [gate for gate in verdict["gates"] if gate["verdict"] == "fail"]


def _told(gate: dict[str, Any]) -> str:
    value = math.nan if gate["value"] is None else gate["value"]
    return f"{value:.4g}, {gate['threshold']:g}"


def _clean_lines(clean: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    if not clean:
        return []
    verdicts = [verdict for verdicts in clean for verdict in verdicts]
    lines = [
        "",
        "| precision | verdicts | gate | worst value | threshold |",
        "|---|---|---|---|---|",
    ]
    for precision in sorted({verdict["precision"] for verdict in verdicts}):
        own = [verdict for verdict in verdicts if verdict["precision"] == precision]
        for name in ("max_abs_diff", "snr_db", "hard_rows", "answer_agreement"):
            gates = [gate for each in own for gate in each["gates"] if gate["name"] == name]
            choose = max if name == "max_abs_diff" else min
            worst = choose(
                (gate for gate in gates if gate["value"] is not None),
                key=lambda gate: gate["value"],
            )
            told = f"{worst['value']:.4g} | {worst['threshold']:g}"
            lines.append(f"| {precision} | {len(own)} | {name} | {told} |")
    return [*lines, "", f"{len(clean)} clean builds without an alarm, {len(verdicts)} verdicts."]
