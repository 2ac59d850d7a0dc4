"""A served archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.served import Served


@pytest.fixture
def served(archive_directory: Path) -> Iterator[Served]:
    """A running server over an empty archive. The watermark is off: a test machine may be nearly full."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("processes are watched in /proc")
    with Served(archive_directory, {"DICOMWEB_MIN_FREE_BYTES": "0"}) as running:
        yield running
