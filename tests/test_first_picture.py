"""The measurement of first pictures runs, and takes no others for them; how fast is not asked here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.answers import WrongAnswer
from benchmarks.first_picture import RPCL, Row, _alike, markdown, measure
from benchmarks.objects import make_series
from benchmarks.servers import archive_server


@pytest.mark.parametrize("syntax", ["", RPCL])
def test_every_way_to_a_picture_is_measured(archive_directory: Path, syntax: str) -> None:
    series = make_series(instances=1, rows=256)
    with archive_server(archive_directory / "data", ingest_syntax=syntax) as server:
        rows = list(measure(server.base, series, "256 x 256", "it", rounds=1))
    native, whole, beginning, reduced, *_ = rows
    assert native.bytes == 2 * 256 * 256
    assert reduced.bytes < beginning.bytes * 2 < whole.bytes / 7
    assert whole.bytes < native.bytes
    assert markdown(rows).count("| 256 x 256 | it |") == len(rows) == 6


def test_another_picture_is_noticed() -> None:
    pixels = np.full((8, 8), 1000)
    _alike(np.full((2, 2), 1001), pixels)
    for other in (np.full((2, 2), 1100), np.full((2, 3), 1000)):
        with pytest.raises(WrongAnswer):
            _alike(other, pixels)


def test_time_over_a_link_counts_latency_the_server_and_the_bytes() -> None:
    assert Row("a", "b", "c", bytes=3_750, first_ms=5.0, ms=1.0).over_link_ms == pytest.approx(16.0)
