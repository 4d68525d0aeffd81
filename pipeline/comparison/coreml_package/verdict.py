"""The verdict on a Core ML package beside its PyTorch program, output by output."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from converters.values.artifact import Arrays
from converters.values.errors import InputError
from pipeline.comparison.coreml_package.choices import Expected, settle
from pipeline.comparison.verdict import Gate, Verdict, at_least
from pipeline.conversion import metrics
from pipeline.files.canonical import json_value

BACKEND = "coreml"

LEAST_SNR_DB: Mapping[str, float] = {
    # Some hundred roundings of a part in 2**24 leave over 100 dB; a wrong constant never does.
    "fp32": 90,
    # A part in 2**11 at each of some hundred operators.
    "fp16": 40,
    # Five to eight bits a weight: noise is a few percent of the signal.
    **dict.fromkeys(("int8", "int7", "int6", "int5"), 20),
    # The best table of so many entries leaves 20, 15, 9 and 4 dB of a weight with a normal
    # distribution (Max, "Quantizing for minimum distortion", 1960); tables for groups do a little
    # better, several layers a little worse.
    "int4": 15,
    "int3": 10,
    "int2": 5,
    "int1": 1,
}


@dataclass(frozen=True, kw_only=True)
class OutputParity:
    """One output of the package, over all samples.

    Attributes:
        num_near_ties: Positions that the package chose otherwise, of scores that are as good. They
            count as the program's own.
    """

    name: str
    verdict: Verdict
    max_abs_diff: float
    mean_abs_diff: float
    relative_error: float
    cosine: float
    snr_db: float
    num_near_ties: int = 0


@dataclass(frozen=True, kw_only=True)
class PackageParity:
    """A package in one runtime; its numbers are those of the worst output.

    Attributes:
        precision: ``fp32``, ``fp16``, or ``int`` and the bits of the most compressed weight.
        function: The one that was compared, of a package with several; None of another package.
    """

    runtime: str
    precision: str
    verdict: Verdict
    max_abs_diff: float
    cosine: float
    snr_db: float
    num_inputs: int
    gates: tuple[Gate, ...]
    reason: str
    outputs: tuple[OutputParity, ...]
    function: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what ``parity`` of a bundle gives, too, and the outputs one by one."""
        fields = {key: json_value(value) for key, value in asdict(self).items()}
        if self.function is None:
            del fields["function"]
        return {"backend": BACKEND, **fields, "seq_len": None, "answer_agreement": None}


def judge(
    actual: Sequence[Arrays],
    expected: Sequence[Mapping[str, Expected]],
    *,
    names: Sequence[str],
    runtime: str,
    precision: str,
    function: str | None = None,
) -> PackageParity:
    """Returns the verdict on one runtime's outputs.

    Args:
        actual: The package's outputs for each sample.
        expected: The program's, under the same names.
        names: Of the outputs, in order.
        runtime: What ran the package.
        precision: As ``PackageParity`` has it.
        function: As ``PackageParity`` has it.
    """
    pairs = {
        name: ([each[name] for each in actual], [each[name] for each in expected]) for name in names
    }
    compared = {
        name: _compare_floats(name, precision, *pair)
        for name, pair in pairs.items()
        if pair[1][0].array.dtype.kind == "f"
    }
    # Positions were chosen by scores as noisy as what the package gives, within its gate.
    given = min((output.snr_db for output, _ in compared.values()), default=math.nan)
    snr_db = max(LEAST_SNR_DB[precision], 0.0 if math.isnan(given) else given)
    compared |= {
        name: _compare_numbers(name, precision, snr_db, *pair)
        for name, pair in pairs.items()
        if name not in compared
    }
    outputs = tuple(compared[name][0] for name in names)
    gates = tuple(compared[name][1] for name in names)
    failed = [gate for gate in gates if gate.verdict == "fail"]
    return PackageParity(
        runtime=runtime, precision=precision, verdict="fail" if failed else "pass",
        max_abs_diff=float(np.max([each.max_abs_diff for each in outputs])),
        cosine=float(np.min([each.cosine for each in outputs])),
        snr_db=float(np.min([each.snr_db for each in outputs])),
        num_inputs=len(actual), gates=gates, reason="; ".join(map(_reason, failed)),
        outputs=outputs, function=function,
    )  # fmt: skip


def _reason(gate: Gate) -> str:
    detail = f" ({gate.detail})" if gate.detail else ""
    return f"{gate.name} is {gate.value:.4g}, the gate is {gate.threshold:g}{detail}"


def _compare_floats(
    name: str, precision: str, actual: Sequence[np.ndarray], expected: Sequence[Expected]
) -> tuple[OutputParity, Gate]:
    _check_shapes(name, actual, expected)
    both = _flat(actual, [each.array for each in expected])
    num_odd = both["actual"].size - int(np.isfinite(both["actual"]).sum())
    snr = math.nan if num_odd else metrics.snr_db(**both)
    detail = f"{num_odd} of {both['actual'].size} values are not finite" if num_odd else ""
    gate = at_least(f"snr_db of {name}", snr, LEAST_SNR_DB[precision], detail=detail)
    return _output(name, gate, snr, both), gate


def _compare_numbers(
    name: str,
    precision: str,
    snr_db: float,
    actual: Sequence[np.ndarray],
    expected: Sequence[Expected],
) -> tuple[OutputParity, Gate]:
    """Compares whole numbers: equal, or positions of scores that are as good."""
    _check_shapes(name, actual, expected)
    settled, wanted, num_near_ties = [], [], 0
    for got, each in zip(actual, expected, strict=True):
        if each.choice is None:
            pair = (got, each.array, 0)
        else:
            pair = settle(got, each.array, choice=each.choice, precision=precision, snr_db=snr_db)
        settled.append(pair[0])
        wanted.append(pair[1])
        num_near_ties += pair[2]
    both = _flat(settled, wanted)
    share = float(np.mean(both["actual"] == both["reference"]))
    detail = f"{num_near_ties} near ties count as equal" if num_near_ties else ""
    gate = at_least(f"share of equal numbers in {name}", share, 1.0, detail=detail)
    return _output(name, gate, metrics.snr_db(**both), both, num_near_ties), gate


def _flat(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "actual": np.concatenate([np.asarray(each, np.float64).ravel() for each in actual]),
        "reference": np.concatenate([np.asarray(each, np.float64).ravel() for each in expected]),
    }


def _output(
    name: str, gate: Gate, snr: float, both: dict[str, np.ndarray], num_near_ties: int = 0
) -> OutputParity:
    return OutputParity(
        name=name,
        verdict=gate.verdict,
        max_abs_diff=metrics.max_abs_diff(**both),
        mean_abs_diff=metrics.mean_abs_diff(**both),
        relative_error=metrics.relative_error(**both),
        # Of equal arrays it is one, of zeros as well.
        cosine=1.0 if metrics.max_abs_diff(**both) == 0 else metrics.cosine(**both),
        snr_db=snr,
        num_near_ties=num_near_ties,
    )


def _check_shapes(name: str, actual: Sequence[np.ndarray], expected: Sequence[Expected]) -> None:
    for got, wanted in zip(actual, expected, strict=True):
        if got.shape != wanted.array.shape:
            raise InputError(
                f"output {name!r} has shape {got.shape} in the package, {wanted.array.shape} in "
                "the program",
                hint="outputs go by order where names differ: export the same program",
            )
