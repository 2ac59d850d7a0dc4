"""Scanning Part 10 objects: what comes out, whatever the encoding and however the bytes arrive."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from collections.abc import Iterator

import orjson
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.dicom.frame_index import unpack
from dicomweb.dicom.part10 import Scan, ScanLimits, scan
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    RLE_LOSSLESS,
)
from dicomweb.errors import InvalidDicom
from tests.builders import CT_IMAGE, counting_pixels, make_instance

JPEG = "1.2.840.10008.1.2.4.50"
SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE, JPEG]


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """One element in Explicit VR Little Endian."""
    size = len(value) if length is None else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC"):
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, size) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, size) + value


def refused(data: bytes, *, limits: ScanLimits | None = None) -> InvalidDicom:
    with pytest.raises(InvalidDicom) as caught:
        scan([data], limits=limits or ScanLimits())
    return caught.value


def value_of(scanned: Scan, tag: str) -> object:
    attributes = orjson.loads(orjson.dumps(scanned.attributes))
    return attributes[tag].get("Value")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_encoding_says_the_same(syntax: str) -> None:
    data = make_instance(
        transfer_syntax_uid=syntax,
        frames=3,
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.4",
        sop_instance_uid="1.2.3.4.5",
    )
    scanned = scan([data])
    assert scanned.transfer_syntax_uid == syntax
    assert (scanned.study_instance_uid, scanned.series_instance_uid) == ("1.2.3", "1.2.3.4")
    assert (scanned.sop_instance_uid, scanned.sop_class_uid) == ("1.2.3.4.5", CT_IMAGE)
    assert scanned.pixel_layout is not None
    assert scanned.pixel_layout.frames == 3
    assert value_of(scanned, "00280010") == [4]
    assert value_of(scanned, "00100010") == [{"Alphabetic": "Builder^Test"}]
    assert scanned.attributes["7FE00010"]["BulkDataURI"] == "7FE00010"
    assert list(scanned.attributes) == sorted(scanned.attributes)
    assert scanned.warnings == ()


@given(
    syntax=st.sampled_from([*SYNTAXES, RLE_LOSSLESS]),
    cuts=st.lists(st.integers(0, 1000), max_size=12),
    size=st.integers(1, 64),
    with_meta=st.booleans(),
)
def test_scan_is_blind_to_chunk_boundaries(syntax: str, cuts: list[int], size: int, with_meta: bool) -> None:
    item = Dataset()
    item.CodeMeaning = "Ünïcode"
    item.PurposeOfReferenceCodeSequence = Sequence([Dataset(), Dataset()])
    data = make_instance(
        transfer_syntax_uid=syntax,
        frames=2,
        codestreams=[b"\xff\xd8\xff\xc0\x00\x04ab one", b"\xff\xd8\xff\xc0\x00\x04ab 2"],
        file_meta=with_meta or syntax == RLE_LOSSLESS,
        attributes={"SpecificCharacterSet": "ISO_IR 192", "AnatomicRegionSequence": Sequence([item])},
    )
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    pieces = [data[start:stop] for start, stop in itertools.pairwise(edges)]
    small = [data[start : start + size] for start in range(0, len(data), size)]
    assert scan(pieces) == scan([data]) == scan(small)


def test_offsets_lead_to_the_pixels() -> None:
    pixels = counting_pixels(4 * 4 * 16 * 2, 16)
    data = make_instance(frames=2, pixels=pixels)
    layout = scan([data]).pixel_layout
    assert layout is not None
    assert data[layout.value_offset : layout.value_offset + layout.value_length] == pixels
    assert data[layout.element_offset : layout.element_offset + 4] == b"\xe0\x7f\x10\x00"
    assert layout.element_end == len(data)


def test_frames_lead_to_the_codestreams() -> None:
    streams = [b"\xff\xd8frame one\xff\xd9", b"\xff\xd8frame two..\xff\xd9"]
    data = make_instance(transfer_syntax_uid=JPEG, frames=2, codestreams=streams)
    frames = list(unpack(scan([data]).frame_entries))
    assert [data[frame.offset : frame.offset + frame.span].rstrip(b"\0") for frame in frames] == streams


def test_digest_is_of_the_received_data_set_alone() -> None:
    data = make_instance()
    scanned = scan([data])
    assert scanned.digest == blake3(data[scanned.dataset_offset :]).digest()
    assert scanned.dataset_offset + scanned.dataset_length == len(data)
    other_meta = scan([make_instance(preamble=b"II*\0" + b"x" * 124)])
    assert other_meta.preamble == b"II*\0" + b"x" * 124


def test_offsets_of_a_deflated_set_count_in_the_inflated_bytes() -> None:
    pieces: list[bytes] = []
    data = make_instance(transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE)
    scanned = scan([data], on_inflated=pieces.append)
    inflated = b"".join(pieces)
    assert scanned.inflated_length == len(inflated)
    assert scanned.pixel_layout is not None
    offset = scanned.pixel_layout.value_offset
    assert inflated[offset : offset + 32] == counting_pixels(256, 16)
    assert scanned.digest == blake3(data[scanned.dataset_offset :]).digest()


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_bare_data_set_is_taken(syntax: str) -> None:
    scanned = scan([make_instance(transfer_syntax_uid=syntax, file_meta=False)])
    assert scanned.transfer_syntax_uid == syntax
    assert scanned.dataset_offset == 0
    assert scanned.warnings
    assert scanned.file_meta.startswith(b"\x02\x00\x00\x00UL\x04\x00")


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE])
@pytest.mark.parametrize("truth", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_transfer_syntax_that_lies_is_corrected(syntax: str, truth: str) -> None:
    told = make_instance(transfer_syntax_uid=syntax)
    head = told[: scan([told]).dataset_offset]
    scanned = scan([head + make_instance(transfer_syntax_uid=truth, file_meta=False)])
    assert scanned.transfer_syntax_uid == truth
    assert bool(scanned.warnings) == (syntax != truth)
    assert truth.encode() in scanned.file_meta


def test_native_pixels_under_a_compressed_syntax_are_native() -> None:
    told = make_instance(transfer_syntax_uid=JPEG)
    head = told[: scan([told]).dataset_offset]
    scanned = scan([head + make_instance(file_meta=False)])
    assert scanned.transfer_syntax_uid == EXPLICIT_LITTLE
    assert scanned.pixel_layout is not None
    assert not scanned.pixel_layout.encapsulated


def test_without_a_preamble_the_meta_is_still_read() -> None:
    data = make_instance()
    assert scan([data[132:]]).transfer_syntax_uid == scan([data[128:]]).transfer_syntax_uid == EXPLICIT_LITTLE


@given(cut=st.floats(0, 1, exclude_max=True), syntax=st.sampled_from(SYNTAXES))
def test_pixels_cut_off_anywhere_are_refused(cut: float, syntax: str) -> None:
    streams = [b"\xff\xd8one fragment of two,", b"and the rest of it"]
    data = make_instance(transfer_syntax_uid=syntax, codestreams=[b"".join(streams)], fragments_per_frame=2)
    try:
        scanned = scan([data[: int(cut * (len(data) - 1))]])  # the very last may be padding
    except InvalidDicom:
        return
    # Cut between two elements it is a data set like any other.
    assert scanned.pixel_layout is None
    assert syntax != DEFLATED_EXPLICIT_LITTLE


def test_an_unknown_transfer_syntax_has_its_reason() -> None:
    data = make_instance(sop_instance_uid="1.2.3").replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0")
    failure = refused(data)
    assert failure.failure_reason == 0xC122
    assert failure.sop_instance_uid == "1.2.3"


@pytest.mark.parametrize(
    "data", [b"", b"DICM", b"\0" * 200, b"\x89PNG" * 100, b"\0" * 128 + b"DICM", b"{}" * 99]
)
def test_what_is_not_dicom_is_refused(data: bytes) -> None:
    assert refused(data).failure_reason == 0xC000


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"]
)
@pytest.mark.parametrize("value", [None, "", "1.2.x", "1..2", "1" * 65])
def test_a_missing_or_invalid_uid_has_its_reason(keyword: str, value: str | None) -> None:
    failure = refused(make_instance(file_meta=False, attributes={keyword: value}))
    assert failure.failure_reason == 0xA900
    assert value is None or not value or value not in failure.message


def test_uids_read_so_far_come_with_the_refusal() -> None:
    failure = refused(make_instance(sop_instance_uid="1.2.3.4")[:-1])
    assert (failure.sop_class_uid, failure.sop_instance_uid) == (CT_IMAGE, "1.2.3.4")


def test_uids_of_old_data_are_taken() -> None:
    data = make_instance(study_instance_uid="1.02.003")
    assert scan([data]).study_instance_uid == "1.02.003"
    assert scan([data.replace(b"1.02.003", b"1.02.03 ")]).study_instance_uid == "1.02.03"


def identity() -> bytes:
    """The four UIDs, as a data set in Explicit VR Little Endian begins with them."""
    return b"".join(
        element(tag, b"UI", value)
        for tag, value in (
            (0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0"),
            (0x00080018, b"1.2.3\0"),
            (0x0020000D, b"1.2.4\0"),
            (0x0020000E, b"1.2.5\0"),
        )
    )


def deep(levels: int) -> bytes:
    opening = element(0x30060082, b"SQ", b"", length=0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return identity() + opening * levels


def test_sequences_nested_20000_deep_are_refused_at_once() -> None:
    assert refused(deep(20_000)).failure_reason == 0xC000
    limited = ScanLimits(sequence_depth=3)
    ending = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    assert scan([deep(3) + ending * 3], limits=limited).warnings
    assert refused(deep(4) + ending * 4, limits=limited)


def test_the_deepest_sequence_still_makes_json() -> None:
    ending = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    scanned = scan([deep(80) + ending * 80], limits=ScanLimits(sequence_depth=10_000))
    assert orjson.dumps(scanned.attributes).count(b"30060082") == 80
    assert refused(deep(81) + ending * 81, limits=ScanLimits(sequence_depth=10_000))


@pytest.mark.parametrize("vr", [b"OB", b"UN", b"UT"])
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFE])
def test_a_value_that_claims_more_than_there_is_is_cut_off(vr: bytes, length: int) -> None:
    data = identity() + element(0x00420011, vr, b"x" * 1000, length=length)
    tracemalloc.start()
    assert refused(data).failure_reason == 0xC000
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_text_beyond_the_limit_that_cannot_be_bulkdata_is_refused() -> None:
    data = make_instance(transfer_syntax_uid=IMPLICIT_LITTLE, with_pixels=False, file_meta=False)
    long = struct.pack("<HHI", 0x0040, 0xA123, 5000) + b"x" * 5000
    failure = refused(data + long, limits=ScanLimits(value_bytes=4096))
    assert failure.failure_reason == 0xA700
    assert scan([data + long]).attributes["0040A123"]


def test_a_data_set_of_very_many_elements_is_refused() -> None:
    many = b"".join(element(0x00090000 | number, b"LO", b"") for number in range(0x1000, 0xFFFF))
    assert refused(identity() + many, limits=ScanLimits(dataset_bytes=1 << 20)).failure_reason == 0xA700


def test_a_deflate_bomb_is_refused() -> None:
    data = make_instance(
        transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE, rows=1000, columns=1000, pixels=bytes(2_000_000)
    )
    failure = refused(data, limits=ScanLimits(inflate_bytes=1 << 20))
    assert failure.failure_reason == 0xA700


def test_a_deflated_set_may_shrink_much_while_it_is_small() -> None:
    data = make_instance(
        transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE, rows=2000, columns=2000, pixels=bytes(8_000_000)
    )
    assert len(data) < 20_000
    assert scan([data], limits=ScanLimits(inflate_ratio=2)).inflated_length


def test_a_deflated_set_that_is_nearly_nothing_is_refused_when_it_gets_large() -> None:
    pixels = bytes(80 << 20)
    data = make_instance(transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE, rows=8192, columns=5120, pixels=pixels)
    assert refused(data).failure_reason == 0xA700


def test_memory_does_not_grow_with_the_object() -> None:
    head = make_instance(with_pixels=False)
    size = 200 << 20

    def chunks() -> Iterator[bytes]:
        yield head + element(0x7FE00010, b"OW", b"", length=size)
        for _ in range(size >> 18):
            yield bytes(1 << 18)

    tracemalloc.start()
    scanned = scan(chunks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanned.bulkdata[-1].length == size
    assert peak < 4 << 20


def test_errors_of_the_source_pass_through() -> None:
    def chunks() -> Iterator[bytes]:
        yield make_instance()[:200]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        scan(chunks())


def test_file_meta_is_written_right() -> None:
    scanned = scan([make_instance(sop_instance_uid="1.2.3.4")])
    (length,) = struct.unpack_from("<I", scanned.file_meta, 8)
    assert length == len(scanned.file_meta) - 12
    assert b"UI\x08\x001.2.3.4\0" in scanned.file_meta
    assert b"OB\x00\x00\x02\x00\x00\x00\x00\x01" in scanned.file_meta


def test_trailing_zeros_and_blanks_are_no_elements() -> None:
    for tail in (b"\r\n", b"\0" * 7, b"\0" * 2048):
        for data in (make_instance(), make_instance(with_pixels=False)):
            scanned = scan([data + tail])
            assert scanned.dataset_length == len(data) + len(tail) - scanned.dataset_offset


def test_rubbish_after_the_pixels_is_passed_over() -> None:
    scanned = scan([make_instance() + b"rubbish that no one wrote on purpose"])
    assert scanned.warnings
    assert scanned.pixel_layout is not None


def test_zeros_in_the_middle_are_damage_not_padding() -> None:
    data = make_instance()
    at = data.index(b"\x28\x00\x02\x00")  # Samples per Pixel
    assert refused(data[:at] + bytes(64) + data[at:]).failure_reason == 0xC000
