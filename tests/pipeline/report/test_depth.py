"""The picture of the error over depth."""

import dataclasses

import numpy as np

from pipeline.comparison.localize import BlockError, Localization
from pipeline.report.depth import picture
from tests.pipeline.comparison.test_localize import BLOCKS


def test_picture_holds_what_is_not_finite_and_is_the_same_each_time() -> None:
    values = [np.inf, np.nan, 20.0]
    found = Localization(
        backend="coreml", runtime="coreml-reference", precision="fp32", seq_len=8,
        first_block="layer.0.attention", tolerance_db=90,
        blocks=tuple(
            BlockError(name=name, snr_db=value, local_snr_db=value, verdict="pass")
            for name, value in zip(BLOCKS, values, strict=False)
        ),
    )  # fmt: skip
    assert picture([found]) == picture([found])
    assert "coreml-reference: layer.0.attention" in picture([found])
    assert not dataclasses.replace(found, first_block=None, reason="it crashed").passed
