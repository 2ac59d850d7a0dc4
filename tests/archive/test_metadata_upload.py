"""Pictures in a store request: how much of them is held, whatever many requests want at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import orjson
import pytest
from PIL import Image

from dicomweb.archive.archive import Archive
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.metadata_upload import MetadataUpload
from dicomweb.archive.workers import PixelWorkers
from dicomweb.protocol.store_parts import PartHeader, PartKind
from dicomweb.protocol.store_report import StoreOutcome
from tests.archive import real
from tests.builders import SECONDARY_CAPTURE
from tests.web.uploads import make_metadata

PIXELS = np.arange(300 * 200, dtype="u1").reshape(300, 200)


def png() -> bytes:
    file = BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


class Watched:
    """The workers of an archive, and how they are asked."""

    def __init__(self, workers: PixelWorkers) -> None:
        self._workers = workers
        self.running = self.most = self.held_bytes = 0

    async def run(self, job: str, parameters: Any, buffers: Any, **options: Any) -> bytes:
        self.held_bytes += 0 if callable(buffers) else sum(map(len, buffers))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._workers.run(job, parameters, buffers, **options)
        finally:
            self.running -= 1


async def upload(archive: Archive, media_type: str, file: bytes) -> Sequence[StoreOutcome]:
    attributes = make_metadata(sop_class=SECONDARY_CAPTURE, pixels="p")
    metadata, ingest = MetadataUpload(archive, base_url="http://here/studies"), Ingest(archive)
    for header, data in (
        (PartHeader(PartKind.JSON, ""), orjson.dumps([attributes])),
        (PartHeader(PartKind.BULKDATA, media_type, location="p"), file),
    ):
        await metadata.begin(header)
        await metadata.write(data)
        await metadata.end()
    await metadata.store(ingest)
    metadata.close()
    return await ingest.finish()


def test_one_picture_is_held_at_a_time_however_many_wait(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        watched = Watched(archive.workers)
        archive = replace(archive, workers=watched)  # type: ignore[arg-type]
        outcomes = await asyncio.gather(*(upload(archive, "image/png", png()) for _ in range(8)))
        assert [one.failure_reason for (one,) in outcomes] == [None] * 8
        assert (watched.most, watched.held_bytes) == (1, 0)

    real.run(database_url, tmp_path, scenario)


@pytest.mark.parametrize(
    ("media_type", "file"), [("image/png", png()), ("image/jxl", imagecodecs.jpegxl_encode(PIXELS))]
)
def test_a_picture_that_is_too_large_is_not_read(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media_type: str, file: bytes
) -> None:
    monkeypatch.setattr("dicomweb.archive.assembly.LARGEST_BYTES", len(file) - 1)

    async def scenario(archive: Archive) -> None:
        (outcome,) = await upload(archive, media_type, file)
        assert outcome.failure_reason == 0xA700
        assert "too large" in outcome.sentence

    real.run(database_url, tmp_path, scenario)
