from __future__ import annotations

import csv
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.explicit import explicit_elements, pixel_word_bits
from dicomweb.dicom.frame_index import EncapsulatedFrame, unpack
from dicomweb.dicom.part10 import Scan, scan
from dicomweb.dicom.transfer_syntax import DEFLATED_FRAMES, EXPLICIT_BIG, RLE_LOSSLESS, TRANSFER_SYNTAXES
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.codecs import DECODABLE, decode_frame
from dicomweb.pixels.codestream import probe
from dicomweb.pixels.frame_bytes import (
    FrameJoiner,
    frame_window,
    join_fragments,
    native_frame,
    swap_words,
)
from dicomweb.pixels.transcode import (
    decoded_attributes,
    decoded_layout,
    decoded_photometric,
    native_length,
)
from tests.dicom.corpus import as_explicit_file, read
from tests.pixels.samples import make_layout

FOUR = "1.2.840.10008.1.2.4."


def test_every_frame_of_the_data_is_reached_by_the_index_alone(data_dir: Path) -> None:
    """W-32, W-36, M-18: scan, index, ranged bytes, decode: each lossless row of pixels.csv bit for bit."""
    wanted: dict[str, dict[int, str]] = {}
    with (data_dir / "pixels.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            if row["lossy"] == "no" and row["sha256"]:
                wanted.setdefault(row["path"], {})[int(row["frame"]) - 1] = row["sha256"]
    compared, skipped = 0, set()
    for path, frames in wanted.items():
        received = (data_dir / path).read_bytes()
        inflated: list[bytes] = []
        try:
            scanned = scan([received], on_inflated=inflated.append)
        except InvalidDicom:  # S-21 refuses what cannot be identified
            skipped.add(path)
            continue
        indexed = b"".join(inflated) or received
        for frame_index, sha256 in frames.items():
            assert digest(scanned, indexed, frame_index) == sha256, (path, frame_index)
            compared += 1
    assert compared > 1300, skipped


def digest(scanned: Scan, indexed: bytes, frame_index: int) -> str:
    layout = scanned.pixel_layout
    assert layout is not None
    if layout.encapsulated:
        frame = list(unpack(scanned.frame_entries))[frame_index]
        codestream = join_fragments(indexed[frame.offset - 8 : frame.offset + frame.span], frame)
        pixels = decode_frame(codestream, layout, scanned.transfer_syntax_uid)
    else:
        little = TRANSFER_SYNTAXES[scanned.transfer_syntax_uid].little
        start, stop = (layout.value_offset + n for n in frame_window(layout, frame_index, little=little))
        pixels = native_frame(indexed[start:stop], layout, frame_index, little=little)
    if layout.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(pixels, np.uint8), bitorder="little")
        pixels = bits[: layout.frame_bits].tobytes()
    return hashlib.sha256(pixels).hexdigest()


def test_big_endian_pixels_equal_their_little_endian_siblings_as_a_whole(data_dir: Path) -> None:
    """The re-encoded data set holds what the frames hold."""
    count = 0
    for path in sorted(data_dir.rglob("*.dcm")):
        received = path.read_bytes()
        if EXPLICIT_BIG.encode() not in received[:400]:
            continue
        try:
            scanned = scan([received])
        except InvalidDicom:
            continue
        layout = scanned.pixel_layout
        if layout is None or not layout.frames or scanned.transfer_syntax_uid != EXPLICIT_BIG:
            continue
        dataset = received[scanned.dataset_offset :]
        again = read(
            as_explicit_file(b"".join(explicit_elements([dataset], implicit=False, little=False)))
        ).PixelData
        whole = swap_words(
            received[layout.value_offset : layout.value_offset + layout.value_length],
            pixel_word_bits(layout.vr, layout.bits_allocated),
        )
        assert again == whole
        start, stop = frame_window(layout, layout.frames - 1, little=False)
        held = received[layout.value_offset + start : layout.value_offset + stop]
        last = native_frame(held, layout, layout.frames - 1, little=False)
        assert last == native_frame(
            again[slice(*frame_window(layout, layout.frames - 1))], layout, layout.frames - 1
        )
        count += 1
    assert count >= 10


@given(
    rows=st.integers(1, 7), columns=st.integers(1, 7), frames=st.integers(1, 5), seed=st.integers(0, 1 << 30)
)
def test_one_bit_frames_are_cut_out_and_joined_again(rows: int, columns: int, frames: int, seed: int) -> None:
    """M-18: no padding between frames, whatever bit a frame begins at."""
    layout = make_layout(rows, columns, bits=1, frames=frames, encapsulated=False)
    bits = np.random.default_rng(seed).integers(0, 2, (frames, rows * columns)).astype(np.uint8)
    value = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    assert len(value) == native_length(layout)
    joiner = FrameJoiner(layout.frame_bits)
    joined = b""
    for index in range(frames):
        frame = native_frame(value[slice(*frame_window(layout, index))], layout, index)
        expected = np.packbits(bits[index], bitorder="little").tobytes()
        assert frame == expected
        joined += joiner.feed(frame)
    assert joined + joiner.finish() == value


@given(data=st.binary(min_size=24, max_size=24), index=st.integers(0, 1))
def test_big_endian_one_bit_frames_lie_in_turned_words(data: bytes, index: int) -> None:
    layout = replace(make_layout(9, 10, bits=1, frames=2, encapsulated=False), vr="OW")
    big = swap_words(data, 16)
    expected = native_frame(data[slice(*frame_window(layout, index))], layout, index)
    start, stop = frame_window(layout, index, little=False)
    assert native_frame(big[start:stop], layout, index, little=False) == expected


def test_native_sub_sampled_frames_take_two_bytes_a_pixel() -> None:
    layout = make_layout(2, 4, samples=3, photometric="YBR_FULL_422", encapsulated=False, frames=2)
    assert native_length(layout) == 2 * 16
    assert frame_window(layout, 1) == (16, 32)
    assert native_frame(bytes(range(16)), layout, 1) == bytes(range(16))


_FRAGMENTS = st.lists(st.binary(max_size=12).map(lambda b: b + b"\0" * (len(b) % 2)), min_size=1, max_size=6)


@given(fragments=_FRAGMENTS, decoy=st.booleans())
def test_fragments_are_joined_without_their_headers(fragments: list[bytes], decoy: bool) -> None:
    if decoy:
        fragments[0] += struct.pack("<4sI", b"\xfe\xff\x00\xe0", 2)
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment for fragment in fragments)
    frame = EncapsulatedFrame(8, len(items) - 8, len(fragments))
    codestream = join_fragments(items, frame)
    assert len(codestream) == frame.length
    assert codestream == b"".join(fragments)


def test_fragments_elsewhere_than_the_index_says_are_refused() -> None:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 50_000
    for found in (b"no header in here", items + b"x" * 9):
        with pytest.raises(DecodeFailed):
            join_fragments(found, EncapsulatedFrame(8, len(found) - 8, 3))


COLOURS = [
    ("YBR_FULL_422", f"{FOUR}50", "RGB"),
    ("YBR_FULL", f"{FOUR}51", "RGB"),
    ("RGB", f"{FOUR}50", "RGB"),
    ("YBR_FULL", f"{FOUR}70", "YBR_FULL"),
    ("YBR_FULL", RLE_LOSSLESS, "YBR_FULL"),
    ("YBR_FULL", f"{FOUR}80", "YBR_FULL"),
    ("YBR_FULL_422", f"{FOUR}70", "YBR_FULL"),
    ("YBR_FULL_422", DEFLATED_FRAMES, "YBR_FULL_422"),
    ("YBR_RCT", f"{FOUR}90", "RGB"),
    ("YBR_ICT", f"{FOUR}91", "RGB"),
    ("YBR_RCT", f"{FOUR}202", "RGB"),
    ("YBR_FULL", f"{FOUR}90", "YBR_FULL"),
    ("YBR_FULL_422", f"{FOUR}111", "RGB"),
]


@pytest.mark.parametrize(("stored", "uid", "decoded"), COLOURS)
def test_photometric_interpretation_follows_the_decoder(stored: str, uid: str, decoded: str) -> None:
    layout = make_layout(4, 4, samples=3, photometric=stored)
    assert decoded_photometric(layout, uid) == decoded
    assert decoded_attributes(layout, uid)["00280004"] == decoded.encode()
    assert decoded_layout(layout, uid).photometric_interpretation == decoded


def test_a_component_transform_that_the_attributes_hide_is_seen_in_the_codestream() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    uid = f"{FOUR}90"
    coded = bytes(imagecodecs.jpeg2k_encode(image, level=0, reversible=True, codecformat="J2K", mct=True))
    header = probe(coded, uid)
    layout = make_layout(8, 8, samples=3, photometric="YBR_FULL")
    assert header is not None
    assert header.colour == "RCT"
    assert decoded_attributes(layout, uid, header)["00280004"] == b"RGB"
    assert "00282110" not in decoded_attributes(layout, uid, header)


def test_what_was_lossy_says_so_when_decoded() -> None:
    grey = make_layout(8, 8)
    assert decoded_attributes(grey, f"{FOUR}50")["00282110"] == b"01"
    assert decoded_attributes(grey, RLE_LOSSLESS) == dict.fromkeys(("7FE00001", "7FE00002", "7FE00003"))
    image = np.zeros((64, 64), np.uint8)
    coded = bytes(imagecodecs.jpeg2k_encode(image, level=30, codecformat="J2K"))
    assert decoded_attributes(grey, f"{FOUR}91", probe(coded, f"{FOUR}91"))["00282110"] == b"01"


def test_every_decodable_syntax_has_a_native_layout() -> None:
    for uid in DECODABLE:
        layout = decoded_layout(make_layout(4, 3, samples=3, bits=16, frames=2), uid)
        assert (layout.encapsulated, layout.vr, layout.value_length) == (False, "OW", 144)
