"""The first frame of every file of the data in every syntax that can hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dicomweb.dicom.frame_index import unpack
from dicomweb.dicom.part10 import scan
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, JPEG_RECOMPRESSED, TRANSFER_SYNTAXES
from dicomweb.errors import InvalidDicom
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.encodable import LOSSY_JPEG
from dicomweb.pixels.frame_bytes import frame_window, join_fragments, native_frame
from dicomweb.pixels.transcode import can_transcode, encoded_layout, transcode_frame
from tests.pixels.test_matrix import ASKED, LOSS, decoded, same_colour, shown

# Larger files and frames take long and show nothing new.
LARGEST_FILE = 2 << 20
LARGEST_FRAME = 1 << 17


def first_frames(data_dir: Path) -> Iterator[tuple[Path, bytes, PixelLayout, str]]:
    for path in sorted(data_dir.rglob("*")):
        if path.is_dir() or "broken" in path.parts or path.stat().st_size > LARGEST_FILE:
            continue
        received, inflated = path.read_bytes(), list[bytes]()
        try:
            scanned = scan([received], on_inflated=inflated.append)
        except InvalidDicom:
            continue
        layout = scanned.pixel_layout
        if layout is None or not layout.frames or layout.frame_bits > 8 * LARGEST_FRAME:
            continue
        data = b"".join(inflated) or received
        if layout.encapsulated:
            frame = next(unpack(scanned.frame_entries))
            items = data[frame.offset - 8 : frame.offset + frame.span]
            yield path, join_fragments(items, frame), layout, scanned.transfer_syntax_uid
        else:
            little = TRANSFER_SYNTAXES[scanned.transfer_syntax_uid].little
            start, stop = (layout.value_offset + n for n in frame_window(layout, 0, little=little))
            yield path, native_frame(data[start:stop], layout, 0, little=little), layout, EXPLICIT_LITTLE


def test_every_small_frame_of_the_data_comes_out_in_every_syntax_that_can_hold_it(data_dir: Path) -> None:
    outcomes: Counter[str] = Counter()
    for path, frame, layout, source_uid in first_frames(data_dir):
        for target_uid in ASKED:
            if can_transcode(layout, source_uid, target_uid):
                outcomes[outcome(path, frame, layout, source_uid, target_uid)] += 1
    assert outcomes["bit-exact"] > 4000
    assert outcomes["lossy"] > 200


def outcome(path: Path, frame: bytes, layout: PixelLayout, source_uid: str, target_uid: str) -> str:
    where = f"{path.name}: {source_uid} to {target_uid}"
    header = probe(frame, source_uid) if layout.encapsulated else None
    made = transcode_frame(frame, layout, source_uid, target_uid)
    before, before_layout = decoded(frame, layout, source_uid)
    after, after_layout = decoded(made, encoded_layout(layout, source_uid, target_uid, header), target_uid)
    if target_uid in LOSSY_JPEG | {JPEG_RECOMPRESSED} and frame != made:
        difference = np.abs(shown(before, before_layout) - shown(after, after_layout)).mean()
        assert difference / (1 << max(8, layout.bits_stored)) < LOSS, where
        return "lossy"
    assert same_colour(before_layout, after_layout), where
    assert np.array_equal(before, after), where
    return "bit-exact"
