"""Telling DICOM from other files by their first bytes, and reading which instance a file names."""

from __future__ import annotations

import csv
from pathlib import Path

from hypothesis import given
from hypothesis.strategies import binary

from dicomweb.archive.file_head import HEAD_BYTES, FileHead, read_head
from dicomweb.dicom.transfer_syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from tests.builders import CT_IMAGE, make_instance, new_uid


@given(head=binary(max_size=HEAD_BYTES))
def test_no_bytes_break_it(head: bytes) -> None:
    for data in (head, bytes(128) + b"DICM" + head, b"\x02\x00\x10\x00UI" + head):
        found = read_head(data)
        assert found is None or 0 <= found.dataset_offset <= len(data)


def test_an_instance_tells_its_uids_and_where_its_data_set_begins() -> None:
    uid = new_uid()
    data = make_instance(sop_instance_uid=uid)
    head = read_head(data[:HEAD_BYTES])
    assert head is not None
    assert (head.sop_class_uid, head.sop_instance_uid) == (CT_IMAGE, uid)
    assert head.transfer_syntax_uid == EXPLICIT_LITTLE
    # The first element of the data set is of group 8.
    assert data[head.dataset_offset : head.dataset_offset + 2] == b"\x08\x00"


def test_a_bare_data_set_is_dicom_in_any_encoding() -> None:
    for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        assert (
            read_head(make_instance(file_meta=False, transfer_syntax_uid=syntax)[:HEAD_BYTES]) == FileHead()
        )


def test_other_files_are_not_dicom() -> None:
    others = [b"", b"DICM", b"\x89PNG\r\n\x1a\n" + bytes(200), b"%PDF-1.7\n" * 30, b"PK\x03\x04" * 60]
    others += [
        bytes(300),
        b"\xff" * 300,
        b"name,value\n" * 30,
        b"BM" + bytes(200),
        b"\x1f\x8b\x08" + bytes(99),
    ]
    assert [read_head(other) for other in others] == [None] * len(others)


def test_a_head_that_is_cut_off_gives_no_offset() -> None:
    data = make_instance()
    for length in range(132, 400, 7):
        head = read_head(data[:length])
        assert head is not None
        assert head.dataset_offset in (0, read_head(data).dataset_offset)  # type: ignore[union-attr]


def test_every_dicom_file_of_the_test_data_is_seen(data_dir: Path) -> None:
    with (data_dir / "MANIFEST.csv").open(newline="") as manifest:
        names = [row["path"] for row in csv.DictReader(manifest) if row["transfer_syntax_uid"]]
    assert names
    for name in names:
        if not name.startswith("broken/"):
            assert read_head((data_dir / name).read_bytes()[:HEAD_BYTES]) is not None, name
