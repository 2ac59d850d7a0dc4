"""How far a request may grow."""

from __future__ import annotations

import pytest

from dicomweb.archive.growth import FREE_BYTES, TIMES, Growth
from dicomweb.errors import InvalidDicom


def test_what_is_written_is_bounded_by_what_came() -> None:
    growth = Growth(1000, inflate_ratio=250)
    growth.write(FREE_BYTES, parts=0)
    growth.write(TIMES * 1000, parts=0)
    for _ in range(2):  # once it is beyond, everything is
        with pytest.raises(InvalidDicom) as caught:
            growth.write(1)
        assert caught.value.failure_reason == 0xA700


def test_pixels_of_pictures_may_unfold_as_far_as_deflated_data_sets() -> None:
    growth = Growth(1000, inflate_ratio=250)
    growth.unfold(FREE_BYTES + 250 * 1000)
    with pytest.raises(InvalidDicom) as caught:
        growth.unfold(1)
    assert caught.value.failure_reason == 0xA700
    growth.write(FREE_BYTES, parts=0)
