"""The picture of the error over depth."""

import dataclasses

import numpy as np
import pytest

from pipeline.comparison.localize import BlockError, Localization
from pipeline.report.depth import _height, picture
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


@pytest.mark.parametrize(("snr_db", "height"), [
    (np.nan, 0.0), (-np.inf, 0.0), (-3.0, 0.0), (20.5, 20.5), (150.5, 150.0), (np.inf, 150.0),
])  # fmt: skip
def test_picture_has_a_place_for_every_number(snr_db: float, height: float) -> None:
    assert _height(snr_db) == height
