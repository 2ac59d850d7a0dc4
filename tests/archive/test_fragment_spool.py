"""Fragments that wait for their offset table: whole and in order, in memory or on the disk, and then gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dicomweb.archive.fragment_spool import FragmentSpool
from dicomweb.dicom.offset_tables import fragment
from dicomweb.errors import Unavailable
from dicomweb.settings import Settings


def archive_at(directory: Path) -> Any:
    return SimpleNamespace(settings=Settings(data=directory))


@pytest.mark.parametrize("size", [0, 11, 3 << 20], ids=["empty", "small", "on disk"])
def test_fragments_come_back_in_order(tmp_path: Path, size: int) -> None:
    frames = [bytes([number]) * (size + number) for number in range(5)]

    async def run() -> bytes:
        with FragmentSpool(archive_at(tmp_path)) as spool:
            for frame in frames:
                await spool.append(frame)
            assert list(spool.lengths) == [len(frame) for frame in frames]
            return b"".join([chunk async for chunk in spool.fragments()])

    assert asyncio.run(run()) == b"".join(map(fragment, frames))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_disk_that_takes_no_more_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file in its place")

    async def run() -> None:
        with FragmentSpool(archive_at(tmp_path)) as spool:
            await spool.append(b"frame")

    with pytest.raises(Unavailable):
        asyncio.run(run())
