"""Tables and lines for people at a terminal."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from converters import backends
from converters.values.artifact import Inspection, StoredTensor
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.verdict import Parity

if TYPE_CHECKING:
    from pipeline.comparison.coreml_package.verdict import OutputParity, PackageParity
    from pipeline.comparison.localize import Localization
    from pipeline.quantization.search import Step
    from pipeline.student.trim import Trimming
    from pipeline.tasks.task import Task, Unreadable

NUM_NAMED = 10
"""Examples that are named where people read."""


def parity_table(parity: Sequence[Parity], sizes_bytes: dict[str, int]) -> Table:
    """Returns the table of verdicts; ``sizes_bytes`` is by backend."""
    made = table(
        "runtime", "precision", "length", "size MB", "max diff", "SNR dB", "same answers",
        f"{parity[0].task.BUDGETED.title if parity else 'score'} lost", "verdict",
        words=("verdict",),
    )  # fmt: skip
    for each in parity:
        made.add_row(
            each.runtime,
            each.precision,
            str(each.seq_len),
            f"{sizes_bytes[each.backend] / 1e6:.1f}",
            number(each.max_abs_diff, "{:.2g}"),
            number(each.snr_db, "{:.1f}"),
            _agreement(each),
            number(each.worth.drop, "{:.2f}"),
            "[green]PASS" if each.verdict == "pass" else f"[red]FAIL[/] {escape(each.reason)}",
        )
    return made


def _agreement(parity: Parity) -> str:
    agreement = number(100 * parity.answer_agreement, f"{{:.1f}} % of {parity.num_inputs}")
    if not parity.num_near_ties:
        return agreement
    return f"{agreement}, {parity.num_near_ties} near tie{'s' * (parity.num_near_ties > 1)}"


def localization(found: "Localization") -> list[RenderableType]:
    """Returns one artifact block by block, and the first block that is wrong."""
    about = f"{found.runtime} {found.precision}, {found.seq_len} tokens"
    if found.reason:
        return [f"{about}: [red]FAIL[/] no block was looked into: {escape(found.reason)}"]
    blocks = table("block", "SNR dB", "local SNR dB", "verdict", words=("verdict",))
    for each in found.blocks:
        blocks.add_row(
            escape(each.name),
            number(each.snr_db, "{:.1f}"),
            number(each.local_snr_db, "{:.1f}"),
            "[green]PASS" if each.verdict == "pass" else "[red]FAIL",
        )
    if found.first_block is None:
        verdict = f"[green]PASS[/] no block is below {found.tolerance_db:g} dB by itself"
    else:
        verdict = (
            f"[red]FAIL[/] the first block that is wrong is [bold]{escape(found.first_block)}[/]: "
            f"below {found.tolerance_db:g} dB by itself"
        )
    return [f"[bold]{about}[/]", blocks, verdict]


def frontier_table(steps: "Sequence[Step]") -> Table:
    """Returns what a search saw, from the smallest recipe to the best."""
    made = table(
        "change", "foreseen MB", "foreseen SNR dB", f"{steps[0].score.title} lost", "", words=("",)
    )
    for step in steps:
        made.add_row(
            step.change or "the smallest",
            f"{step.size_bytes / 1e6:.2f}",
            f"{step.snr_db:.1f}",
            "" if math.isnan(step.score_drop) else f"{step.score_drop:.2f}",
            "[green]chosen" if step.is_chosen else "",
        )
    return made


def inspection(path: str, found: Inspection) -> list[RenderableType]:
    """Returns what an artifact holds, for people."""
    by_dtype = ", ".join(
        f"{escape(dtype)} {size / 1e6:.2f} MB" for dtype, size in found.bytes_by_dtype.items()
    )
    largest = table("largest tensors", "dtype", "MB", words=("dtype",))
    for tensor in found.tensors[:5]:
        largest.add_row(escape(tensor.name), escape(tensor.dtype), f"{tensor.size_bytes / 1e6:.2f}")
    return [
        f"[bold]{escape(path)}[/] {found.size_bytes / 1e6:.2f} MB",
        f"constants: {by_dtype}",
        f"in floating point: {_floats(found.float_tensors)}",
        f"operators: {found.num_ops}, {_share(found.num_delegated_ops, found.num_ops)}",
        f"arithmetic: {found.num_macs / 1e6:,.1f} million multiply-adds at the longest length, "
        + _share(found.num_delegated_macs, found.num_macs),
        largest,
    ]


def trimming(saved: "Trimming") -> str:
    """Returns what trimming a vocabulary has saved, at one byte a weight and at four."""
    num_weights = saved.num_weights_saved
    return (
        f"vocabulary: {saved.num_pieces:,} of {saved.num_pieces_before:,} pieces kept, "
        f"which saves {num_weights / 1e6:.1f} MB in int8 and {4 * num_weights / 1e6:.1f} MB in fp32"
    )


def _floats(tensors: Sequence[StoredTensor]) -> str:
    """Says what stayed in floating point, the largest of it by name."""
    if not tensors:
        return "nothing but scales"
    total = sum(tensor.size_bytes for tensor in tensors)
    largest = tensors[0]
    return (
        f"{total / 1e6:.2f} MB besides scales, the largest {escape(largest.name)} "
        f"({escape(largest.dtype)}, {largest.size_bytes / 1e6:.2f} MB)"
    )


def _share(num_delegated: int | None, num_all: int) -> str:
    if num_delegated is None:
        return "delegation is decided on the phone"
    return f"{num_delegated / max(num_all, 1):.1%} delegated"


def remarks(runtimes: Iterable[str], skipped: Iterable[Skipped]) -> list[str]:
    """Returns what a reader of results must know: what was emulated, and what did not run."""
    ran = set(runtimes)
    emulated = [
        f"{runtime.name} is an {runtime.note}."
        for runtime in (*backends.RUNTIMES, backends.TASK_LIBRARY)
        if runtime.note and runtime.name in ran
    ]
    return emulated + [
        f"[yellow]SKIPPED[/] {escape(each.runtime)}: {escape(each.reason)}" for each in skipped
    ]


def cut(count: int, *, task: "Task") -> list[str]:
    """Returns a line on how many examples a part was not read of; none where there is none."""
    if not count:
        return []
    return [f"[yellow]{count} {task.NOUN}{'s' * (count > 1)} longer than a row: the end was cut[/]"]


def cut_in(parity: Sequence[Parity]) -> list[str]:
    """Returns a line for each length at which a part of some examples was not read."""
    by_length = {each.seq_len: (each.num_cut, each.task) for each in parity}
    return [
        f"at {seq_len} tokens: {line}"
        for seq_len, (count, task) in sorted(by_length.items())
        for line in cut(count, task=task)
    ]


def drift_tables(parity: Sequence[Parity]) -> list[Table]:
    """Returns how far answers have moved, where the task measures that; else nothing."""
    figures = parity[0].task.DRIFT if parity else ()
    if not figures:
        return []
    made = table("runtime", "length", "KL, nats", *(each.title for each in figures))
    for each in parity:
        numbers = [number(each.drift.get(figure.name, math.nan), "{:.4f}") for figure in figures]
        divergence = number(each.kl_divergence, "{:.2g}")
        made.add_row(each.runtime, str(each.seq_len), divergence, *numbers)
    return [made]


def unreadable(examples: "Sequence[Unreadable]", consequence: str, *, task: "Task") -> list[str]:
    """Returns which examples could not be asked, and why; of many only the first by name.

    Args:
        examples: Those that could not be asked.
        consequence: What became of them, such as ``counted as wrong``.
        task: Says what they are called.
    """
    if not examples:
        return []
    named = [f"{escape(each.id)} ({escape(each.reason)})" for each in examples[:NUM_NAMED]]
    if len(examples) > NUM_NAMED:
        named.append(f"and {len(examples) - NUM_NAMED} more, which --json names")
    about = f"{len(examples)} {task.NOUN}{'s' * (len(examples) > 1)} could not be asked"
    return [f"[yellow]{about}, {consequence}[/]: {'; '.join(named)}"]


def table(*columns: str, words: tuple[str, ...] = ()) -> Table:
    """Returns an empty table; the first column and those in ``words`` hold words, not numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        is_words = position == 0 or column in words
        made.add_column(column, justify="left" if is_words else "right")
    return made


def number(value: float, form: str) -> str:
    """Returns a number for people; a dash stands for what is not a number."""
    if math.isnan(value):
        return "-"
    return "exact" if math.isinf(value) and value > 0 else form.format(value)


def package_parity(parity: Sequence["PackageParity"]) -> Table:
    """Returns a row for each output in each runtime."""
    made = table(
        "runtime", "precision", "output", "max diff", "mean diff", "relative", "cosine", "SNR dB",
        "verdict", words=("output", "verdict"),
    )  # fmt: skip
    for each in parity:
        for output in each.outputs:
            made.add_row(
                each.runtime,
                each.precision,
                escape(f"{each.function}: {output.name}" if each.function else output.name),
                number(output.max_abs_diff, "{:.2g}"),
                number(output.mean_abs_diff, "{:.2g}"),
                number(output.relative_error, "{:.2g}"),
                number(output.cosine, "{:.6f}"),
                number(output.snr_db, "{:.1f}"),
                _package_verdict(each, output),
            )
    return made


def _package_verdict(parity: "PackageParity", output: "OutputParity") -> str:
    if output.verdict == "fail":
        return f"[red]FAIL[/] {escape(parity.reason)}"
    near = f" {output.num_near_ties} near ties" if output.num_near_ties else ""
    return f"[green]PASS[/]{near}"
