"""What an artifact must keep to, against the PyTorch student in fp32, by its precision."""

from dataclasses import dataclass, replace

from converters.values.artifact import Artifact
from converters.values.precision import Precision


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The gates of one precision.

    Attributes:
        max_abs_diff: Largest difference of a logit at a real token, in logits.
        cosine: Least cosine between all logits of an output, over the whole set.
        snr_db: Least signal-to-noise ratio of the logits, in decibels. It also bounds the noise
            that may excuse a changed answer as a near tie.
        answer_agreement: Least share of inputs whose answer is the same span, or a near tie.
        hard_rows_snr_db: Least signal-to-noise ratio of any single hard row, in decibels.
        padding_invariance: Least share of inputs whose answer stays the same whatever the padding.
    """

    max_abs_diff: float
    cosine: float
    snr_db: float
    answer_agreement: float
    hard_rows_snr_db: float
    padding_invariance: float


THRESHOLDS: dict[Precision, Thresholds] = {
    # Only the order of additions differs; 1e-4 is some hundred roundings of a logit near ten.
    "fp32": Thresholds(
        max_abs_diff=1e-4, cosine=0.999999, snr_db=90, answer_agreement=1.0,
        hard_rows_snr_db=80, padding_invariance=1.0,
    ),
    # Ten bits of mantissa through a few layers: a part in a few hundred of the largest logit.
    "fp16": Thresholds(
        max_abs_diff=0.1, cosine=0.9999, snr_db=40, answer_agreement=1.0,
        hard_rows_snr_db=30, padding_invariance=1.0,
    ),
    # Seven bits a weight and a token: noise is a few percent of the signal, and close calls may
    # turn, but not more than one answer in twenty.
    "int8": Thresholds(
        max_abs_diff=2.0, cosine=0.995, snr_db=20, answer_agreement=0.95,
        hard_rows_snr_db=12, padding_invariance=0.95,
    ),
    # Three bits a weight: noise is up to a sixth of the signal, and half of it in a row of one word
    # (7.9 dB were measured). The answers that turn are judged by their F1, for half of them are as
    # good as the student's own.
    "int4": Thresholds(
        max_abs_diff=4.0, cosine=0.98, snr_db=15, answer_agreement=0.8,
        hard_rows_snr_db=6, padding_invariance=0.95,
    ),
}  # fmt: skip
THRESHOLDS["auto"] = THRESHOLDS["int4"]

OWN_WEIGHTS_SNR_DB = 35.0
"""Least signal-to-noise ratio of an artifact's logits on hard rows, against the student that
computes with the very integers of the file, in decibels.

What rounding costs is on both sides, so only the order of additions is left, and values that lie
between two integers: 50 to 135 dB were measured, 53 on the embedded student. A wrong operator that
hides in the noise of the precision, as ReLU for GELU does, leaves 20.
"""

# One range for all tokens: a token that is large in one channel leaves the others few levels, and
# three times as many close calls turn as where each token has its own.
STATIC_THRESHOLDS = replace(THRESHOLDS["int8"], max_abs_diff=3.0, answer_agreement=0.85)

EXECUTORCH_FP16_THRESHOLDS = replace(
    THRESHOLDS["fp16"], max_abs_diff=0.3, cosine=0.999, snr_db=26, hard_rows_snr_db=16
)
"""ExecuTorch computes fp16 in halves, and processors round the sums differently.

On x86 XNNPACK turns halves into floats and adds those up: logits are 0.01 to 0.03 off. On arm64 it
adds up halves: 0.05 to 0.13, 4 to 7 times as far (measured under emulation of the instruction set).
A healthy phone must pass, so the gates are twice its largest difference, and 14 dB, which is five
times the noise, below those of fp16 elsewhere.
"""

FP16_EXCESS_ON_ARM64 = 7.0
"""How many times as far as on x86 ExecuTorch's fp16 may be off on arm64, see
``EXECUTORCH_FP16_THRESHOLDS``."""


def computes_in_halves(artifact: Artifact) -> bool:
    """Returns whether an artifact is rounded otherwise on phones, for it adds up halves there."""
    return artifact.backend == "executorch" and artifact.precision == "fp16"


def thresholds_of(artifact: Artifact) -> Thresholds:
    """Returns what an artifact must keep to."""
    if computes_in_halves(artifact):
        return EXECUTORCH_FP16_THRESHOLDS
    if artifact.activations == "static":
        return STATIC_THRESHOLDS
    return THRESHOLDS[artifact.precision]


def name_of(artifact: Artifact) -> str:
    """Returns the name under which a manifest tells what an artifact must keep to."""
    if computes_in_halves(artifact):
        return f"{artifact.precision} {artifact.backend}"
    static = artifact.activations == "static"
    return f"{artifact.precision} static" if static else artifact.precision
