"""Fragments to frames: offset tables, one fragment a frame, marks of codestreams (P-08..P-10, W-37)."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.frame_index import ENTRY_SIZE, EncapsulatedFrame, unpack
from dicomweb.dicom.part10 import Scan, scan
from tests.builders import make_instance
from tests.dicom.encoded import END, UNDEFINED, explicit, head, item

JPEG = "1.2.840.10008.1.2.4.50"
RLE = "1.2.840.10008.1.2.5"
H264 = "1.2.840.10008.1.2.4.102"


def frames(data: bytes, scanned: Scan) -> list[bytes]:
    """The codestream of each frame, by the index alone."""
    found = []
    for frame in unpack(scanned.frame_entries):
        span = data[frame.offset : frame.offset + frame.span]
        pieces, position = [], 0
        if frame.fragments == 1:
            found.append(span)
            continue
        # Walk back from the item headers between the fragments.
        position = frame.offset - 8
        for _ in range(frame.fragments):
            (length,) = struct.unpack_from("<I", data, position + 4)
            pieces.append(data[position + 8 : position + 8 + length])
            position += 8 + length
        assert position == frame.offset + frame.span
        assert frame.length == sum(map(len, pieces))
        found.append(b"".join(pieces))
    return found


def instance(*, table: bytes, fragments: list[bytes], count: int, syntax: str = JPEG) -> bytes:
    """An object of `count` frames whose pixel data is these items."""
    whole = make_instance(file_meta=False, frames=count, with_pixels=False)
    number = explicit(0x00280008, b"IS", str(count).ljust(6).encode())
    value = item(table) + b"".join(item(fragment) for fragment in fragments)
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return head(uid) + whole + number + explicit(0x7FE00010, b"OB", value, length=UNDEFINED) + END


def basic_table(*offsets: int) -> bytes:
    return struct.pack(f"<{len(offsets)}I", *offsets)


def stream(text: bytes) -> bytes:
    body = b"\xff\xd8" + text
    return body + b"\0" * (len(body) % 2) + b"\xff\xd9"


@given(
    lengths=st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=4), min_size=1, max_size=6),
    table=st.sampled_from(["basic", "empty"]),
)
def test_frames_of_any_number_of_fragments_are_found(lengths: list[list[int]], table: str) -> None:
    streams, pieces, offsets, offset = [], [], [], 0
    for number, parts in enumerate(lengths):
        fragments = [bytes([65 + number]) * (2 * part) for part in parts]
        fragments[0] = b"\xff\xd8" + fragments[0]
        fragments[-1] = fragments[-1] + b"\xff\xd9"
        offsets.append(offset)
        offset += sum(8 + len(fragment) for fragment in fragments)
        pieces += fragments
        streams.append(b"".join(fragments))
    data = instance(
        table=basic_table(*offsets) if table == "basic" else b"", fragments=pieces, count=len(lengths)
    )
    scanned = scan([data])
    assert frames(data, scanned) == streams
    assert scanned.pixel_layout is not None
    assert scanned.pixel_layout.frames == len(lengths)
    assert scanned.warnings == ()


@pytest.mark.parametrize("table", ["basic", "empty", "extended"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_offset_table_leads_to_the_same_frames(table: str, count: int) -> None:
    streams = [stream(b"%d" % number * (number + 1)) for number in range(count)]
    data = make_instance(transfer_syntax_uid=JPEG, frames=count, codestreams=streams, offset_table=table)
    assert frames(data, scan([data])) == streams


def test_an_extended_offset_table_cuts_the_padding() -> None:
    data = make_instance(
        transfer_syntax_uid=RLE,
        frames=2,
        codestreams=[b"odd", b"even"],
        offset_table="extended",
        attributes={"ExtendedOffsetTableLengths": struct.pack("<2Q", 3, 4)},
    )
    assert frames(data, scan([data])) == [b"odd", b"even"]


def test_an_extended_offset_table_that_does_not_fit_is_passed_over() -> None:
    data = make_instance(
        transfer_syntax_uid=RLE,
        frames=2,
        codestreams=[b"1234", b"5678"],
        offset_table="extended",
        attributes={"ExtendedOffsetTable": struct.pack("<2Q", 0, 5)},
    )
    assert frames(data, scan([data])) == [b"1234", b"5678"]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(basic_table(0, 13), id="between two items"),
        pytest.param(basic_table(0), id="too short"),
        pytest.param(basic_table(12, 0), id="descending"),
        pytest.param(basic_table(0, 0), id="the same twice"),
        pytest.param(b"\0\0\0", id="no whole number"),
    ],
)
def test_a_basic_offset_table_that_does_not_fit_is_passed_over(table: bytes) -> None:
    data = instance(table=table, fragments=[b"1234", b"5678"], count=2, syntax=RLE)
    assert frames(data, scan([data])) == [b"1234", b"5678"]


def test_one_frame_is_all_fragments() -> None:
    data = instance(table=b"", fragments=[b"12", b"34", b"56"], count=1, syntax=RLE)
    assert frames(data, scan([data])) == [b"123456"]


def test_frames_after_an_end_marker_are_found_without_a_start_marker() -> None:
    fragments = [b"ab", b"c\xff\xd9\0", b"de", b"f!", b"g\xff\xd9\0"]
    data = instance(table=b"", fragments=fragments, count=2)
    assert frames(data, scan([data])) == [b"abc\xff\xd9\0", b"def!g\xff\xd9\0"]


def test_fewer_fragments_than_frames_give_the_frames_there_are() -> None:
    data = instance(table=b"", fragments=[stream(b"1"), stream(b"2")], count=5)
    scanned = scan([data])
    assert frames(data, scanned) == [stream(b"1"), stream(b"2")]
    assert scanned.pixel_layout is not None
    assert scanned.pixel_layout.frames == 2
    assert scanned.warnings


def test_pixel_data_without_fragments_has_no_frames() -> None:
    scanned = scan([instance(table=b"", fragments=[], count=1)])
    assert scanned.pixel_layout is not None
    assert (scanned.pixel_layout.frames, scanned.frame_entries) == (0, b"")


def test_pixel_data_without_any_item_is_empty() -> None:
    data = instance(table=b"", fragments=[], count=1).replace(item(b"") + END, END)
    scanned = scan([data])
    assert scanned.attributes["7FE00010"] == {"vr": "OB"}
    assert (scanned.pixel_layout, scanned.bulkdata) == (None, ())


def test_a_missing_offset_table_costs_no_frame() -> None:
    data = instance(table=stream(b"1"), fragments=[stream(b"2"), stream(b"3")], count=3)
    assert frames(data, scan([data])) == [stream(b"1"), stream(b"2"), stream(b"3")]


def test_video_is_not_divided_into_frames() -> None:
    data = instance(table=b"", fragments=[b"\0\0\0\x18ftypmp42"], count=30, syntax=H264)
    scanned = scan([data])
    assert scanned.pixel_layout is not None
    assert (scanned.pixel_layout.frames, scanned.frame_entries) == (0, b"")
    assert scanned.attributes["7FE00010"]["BulkDataURI"] == "7FE00010"


def test_the_total_length_cuts_the_pad_byte_of_a_single_frame() -> None:
    data = make_instance(transfer_syntax_uid=JPEG, codestreams=[b"\xff\xd8odd\xff\xd9"])
    assert frames(data, scan([data])) == [b"\xff\xd8odd\xff\xd9\0"]
    total = explicit(0x7FE00003, b"UV", struct.pack("<Q", 7))
    at = data.index(b"\xe0\x7f\x10\x00")
    data = data[:at] + total + data[at:]
    assert frames(data, scan([data])) == [b"\xff\xd8odd\xff\xd9"]


def test_a_missing_delimiter_is_forgiven_only_after_a_whole_codestream() -> None:
    data = make_instance(transfer_syntax_uid=JPEG, frames=2)
    scanned = scan([data[:-8]])
    assert scanned.warnings
    assert scanned.frame_entries == scan([data]).frame_entries


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(1, 1 << 20))))
def test_entries_pack_and_unpack(values: list[tuple[int, int, int]]) -> None:
    entries = [EncapsulatedFrame(*value) for value in values]
    packed = b"".join(entry.pack() for entry in entries)
    assert len(packed) == ENTRY_SIZE * len(entries)
    assert list(unpack(packed)) == entries


# --- native pixel data


@pytest.mark.parametrize(
    ("options", "count"),
    [
        pytest.param({"frames": 3}, 3, id="as stated"),
        pytest.param({"frames": 3, "pixels": bytes(70)}, 2, id="too short"),
        pytest.param({"frames": 1, "pixels": bytes(96)}, 1, id="too long"),
        pytest.param({"rows": 0, "pixels": bytes(96)}, 0, id="no rows"),
        pytest.param({"rows": 46341, "columns": 46341, "pixels": bytes(96)}, 0, id="huge rows"),
        pytest.param({"rows": 3, "columns": 3, "bits_allocated": 1, "frames": 5}, 5, id="packed bits"),
        pytest.param({"samples_per_pixel": 3, "bits_allocated": 8, "frames": 2}, 2, id="colour"),
        pytest.param({"bits_allocated": 32, "frames": 2}, 2, id="32 bits"),
    ],
)
def test_native_frames_are_those_that_are_there(options: dict[str, Any], count: int) -> None:
    layout = scan([make_instance(**options)]).pixel_layout
    assert layout is not None
    assert layout.frames == count


def test_sub_sampled_colour_counts_two_samples_a_pixel() -> None:
    options: dict[str, Any] = {"samples_per_pixel": 3, "bits_allocated": 8}
    options["photometric_interpretation"] = "YBR_FULL_422"
    half = scan([make_instance(pixels=bytes(32), **options)])
    whole = scan([make_instance(pixels=bytes(48), **options)])
    assert half.pixel_layout is not None
    assert whole.pixel_layout is not None
    assert (half.pixel_layout.frames, half.pixel_layout.photometric_interpretation) == (1, "YBR_FULL_422")
    assert (whole.pixel_layout.frames, whole.pixel_layout.photometric_interpretation) == (1, "YBR_FULL")
    assert whole.warnings


@pytest.mark.parametrize(("tag", "vr", "size"), [(0x7FE00008, "OF", 4), (0x7FE00009, "OD", 8)])
def test_float_pixel_data_has_frames(tag: int, vr: str, size: int) -> None:
    data = make_instance(bits_allocated=8 * size, frames=2)
    at = data.index(b"\xe0\x7f\x10\x00")
    data = data[:at] + explicit(tag, vr.encode(), data[at + 12 :])
    layout = scan([data]).pixel_layout
    assert layout is not None
    assert (layout.tag, layout.vr, layout.frames, layout.bits_allocated) == (f"{tag:08X}", vr, 2, 8 * size)
