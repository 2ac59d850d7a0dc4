"""Damaged, hostile and mutated objects: a scan or InvalidDicom, at once and in little memory."""

from __future__ import annotations

import time
import tracemalloc
from functools import cache
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from dicomweb.dicom.part10 import Scan, scan
from dicomweb.errors import InvalidDicom
from tests.builders import make_instance

_FILES = (
    "CT_small.dcm",
    "rtplan.dcm",
    "JPEG2000.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "test-SR.dcm",
)
_MARKS = (
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0",
    b"\xfe\xff\xdd\xe0",
    b"SQ",
    b"UN",
    b"OB",
    b"FD",
    b"PN",
    b"\x1b$B",
    b"\\",
)


@cache
def sources() -> tuple[bytes, ...]:
    """Small real files of each encoding, and one with frames."""
    real = tuple(Path(get_testdata_file(name)).read_bytes()[:40_000] for name in _FILES)
    return (*real, make_instance(transfer_syntax_uid="1.2.840.10008.1.2.4.50", frames=3))


def outcome(data: bytes, size: int = 0) -> Scan | str:
    """The scan, its JSON made and read; or why there is none."""
    chunks = [data[i : i + size] for i in range(0, len(data), size)] if size else [data]
    try:
        scanned = scan(chunks)
    except InvalidDicom as failure:
        return failure.message
    orjson.loads(orjson.dumps(scanned.attributes))
    if scanned.pixel_layout is not None:
        scanned.pixel_layout.to_json()
        assert scanned.pixel_layout.frames * 20 == len(scanned.frame_entries) or not scanned.frame_entries
    for value in scanned.bulkdata:
        end = scanned.inflated_length or scanned.dataset_offset + scanned.dataset_length
        assert 0 <= value.offset <= value.offset + value.length <= end
    return scanned


mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(_MARKS) | st.binary(min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    source=st.integers(0, len(_FILES)),
    near=st.sampled_from([200, 2000, 40_000]),
    edits=mutations,
    size=st.integers(1, 999),
)
def test_mutated_files_are_read_or_refused_whatever_the_chunks(
    source: int, near: int, edits: list[tuple[float, bytes]], size: int
) -> None:
    data = bytearray(sources()[source])
    for place, mark in edits:
        at = int(place * min(len(data), near))
        data[at : at + len(mark)] = mark
    one, other = outcome(bytes(data)), outcome(bytes(data), size)
    if isinstance(one, Scan) and isinstance(other, Scan):
        assert orjson.dumps(one.attributes) == orjson.dumps(other.attributes)
        assert (one.bulkdata, one.pixel_layout, one.digest) == (
            other.bulkdata,
            other.pixel_layout,
            other.digest,
        )
        assert (one.frame_entries, one.warnings) == (other.frame_entries, other.warnings)
    elif "deflated" not in f"{one} {other}":  # a damaged stream is noticed sooner in larger pieces
        assert one == other


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    outcome(data)
    outcome(bytes(128) + b"DICM" + data)
    outcome(make_instance(with_pixels=False) + data)


def test_every_broken_file_is_answered_at_once_in_little_memory(data_dir: Path) -> None:
    slowest, largest, count = 0.0, 0, 0
    for path in sorted((data_dir / "broken").rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        started = time.process_time()
        outcome(data, 1 << 16)
        slowest = max(slowest, time.process_time() - started)
        tracemalloc.start()
        outcome(data, 1 << 16)
        largest = max(largest, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        count += 1
    assert count > 200
    assert slowest < 2
    assert largest < 64 << 20


@pytest.mark.parametrize("name", ["no_such_key", "x" * 5000])
def test_refusals_hold_no_value_of_the_object(name: str) -> None:
    data = make_instance(attributes={"PatientName": name, "StudyInstanceUID": f"1.2.{name}"}, file_meta=False)
    message = outcome(data)
    assert isinstance(message, str)
    assert name not in message
