"""Seeded damage through every decoder and encoder in real workers: each gives bytes or DecodeFailed (B-03).

DICOMWEB_FUZZ_ROUNDS: mutated frames, a few hundred when unset.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dicomweb.archive.workers import PixelWorkers
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, JPEG_RECOMPRESSED
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.encodable import ENCODABLE
from dicomweb.pixels.transcode import can_transcode, encoded_layout, transcode_frame
from tests.archive.test_workers import children, good, run
from tests.pixels.layouts import KINDS

ROUNDS = int(os.environ.get("DICOMWEB_FUZZ_ROUNDS", "600"))
TARGETS = (EXPLICIT_LITTLE, JPEG_RECOMPRESSED, *sorted(ENCODABLE))
Frame = tuple[bytes, PixelLayout, str]


def stored_frames() -> Iterator[Frame]:
    """A frame of several kinds of pixels in every syntax."""
    for kind in KINDS:
        for uid in ENCODABLE:
            if can_transcode(kind.layout, EXPLICIT_LITTLE, uid) and "all used" not in kind.name:
                frame = transcode_frame(kind.native, kind.layout, EXPLICIT_LITTLE, uid)
                layout = encoded_layout(kind.layout, EXPLICIT_LITTLE, uid)
                yield frame, layout, uid
                if can_transcode(layout, uid, JPEG_RECOMPRESSED):
                    inside = transcode_frame(frame, layout, uid, JPEG_RECOMPRESSED)
                    yield inside, layout, JPEG_RECOMPRESSED
        yield kind.native, kind.layout, EXPLICIT_LITTLE


def damaged(frame: bytes, generator: random.Random) -> bytes:
    data = bytearray(frame)
    for _ in range(generator.choice([0, 1, 2, 8, 40])):
        place = min(int(generator.expovariate(1 / 60)), len(data) - 1)  # headers are hit more often
        if generator.random() < 0.3:
            place = generator.randrange(len(data))
        data[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)])
    match generator.randrange(8):
        case 0:
            del data[generator.randrange(len(data)) :]
        case 1:
            start = generator.randrange(len(data))
            data[start:start] = data[start : start + generator.randrange(64)]
    return bytes(data)


def misdescribed(layout: PixelLayout, generator: random.Random) -> PixelLayout:
    """The layout with up to two attributes that are not the frame's, or no frame's at all."""
    sides = (0, 1, 7, 16, 17, 4096, 65535)
    changes: dict[str, Sequence[Any]] = {
        "rows": sides,
        "columns": sides,
        "samples_per_pixel": (0, 1, 2, 3, 4, 65535),
        "bits_allocated": (0, 1, 8, 12, 16, 32, 64, 65535),
        "bits_stored": (0, 1, 7, 8, 12, 16, 33, 65535),
        "high_bit": (0, 7, 15, 65535),
        "pixel_representation": (0, 1, 2),
        "planar_configuration": (0, 1, 2),
        "photometric_interpretation": ("", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "PALETTE COLOR"),
    }
    chosen = generator.sample(sorted(changes), generator.choice([0, 0, 1, 2]))
    wrong: dict[str, Any] = {name: generator.choice(changes[name]) for name in chosen}
    return replace(layout, **wrong)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_wrong_with_a_frame_costs_that_frame(seed: int) -> None:
    generator = random.Random(seed)
    frames = list(stored_frames())
    outcomes: Counter[str] = Counter()
    unforeseen: list[tuple[str, PixelLayout, str, str]] = []

    async def one(workers: PixelWorkers) -> None:
        frame, layout, source_uid = generator.choice(frames)
        layout, target_uid = misdescribed(layout, generator), generator.choice(TARGETS)
        quality = generator.choice([None, None, 1, 100])
        try:
            made = await workers.transcode(
                [damaged(frame, generator)], layout, source_uid, target_uid, quality=quality
            )
            outcomes["made"] += 1
            assert len(made) < 1 << 26
        except DecodeFailed as error:
            outcomes["refused"] += 1
            if "work on a frame or picture failed" in error.message:  # by our own code, not by a codec
                unforeseen.append((error.message, layout, source_uid, target_uid))

    async def scenario(workers: PixelWorkers) -> None:
        for _ in range(ROUNDS // 2 // 4):
            await asyncio.gather(*(one(workers) for _ in range(4)))
        assert len(children()) <= 2
        assert await good(workers)

    run(scenario, count=2, memory_bytes=256 << 20)
    assert unforeseen == []
    assert min(outcomes["made"], outcomes["refused"]) > ROUNDS // 20
