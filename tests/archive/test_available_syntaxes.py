"""Available Transfer Syntax UID: what can be retrieved, the stored form first (M-19)."""

from __future__ import annotations

import pytest

from dicomweb.archive.available_syntaxes import available_syntaxes
from dicomweb.dicom.part10 import scan
from dicomweb.dicom.transfer_syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicomweb.protocol.search_rows import InstanceRow, SeriesRow, StudyRow
from tests.builders import BASIC_TEXT_SR, make_instance

SERIES = SeriesRow(StudyRow("1", (), (), 1, 1, b"{}"), "1.1", 1, b"{}")
JPEG_LOSSLESS, JPEG_LS, NEAR_LOSSLESS = (f"1.2.840.10008.1.2.4.{number}" for number in (70, 80, 81))
DEFLATED = "1.2.840.10008.1.2.1.99"


def row(instance: bytes) -> InstanceRow:
    found = scan([instance])
    layout = found.pixel_layout
    return InstanceRow(
        SERIES,
        found.sop_instance_uid,
        found.transfer_syntax_uid,
        b"{}",
        sop_class_uid=found.sop_class_uid,
        pixel_layout=layout.to_json() if layout else None,
    )


def test_an_image_is_there_in_every_lossless_syntax() -> None:
    found = available_syntaxes(row(make_instance()))
    assert found[0] == EXPLICIT_LITTLE
    assert {JPEG_LOSSLESS, JPEG_LS, DEFLATED} < set(found)
    assert NEAR_LOSSLESS not in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("stored", [IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_what_never_leaves_the_archive_is_not_available(stored: str) -> None:
    found = available_syntaxes(row(make_instance(transfer_syntax_uid=stored)))
    assert found[0] == EXPLICIT_LITTLE
    assert stored not in found


def test_the_stored_syntax_comes_first_though_it_loses() -> None:
    instance = make_instance(transfer_syntax_uid=NEAR_LOSSLESS, codestreams=[b"\xff\xd8\xff\xd9"])
    found = available_syntaxes(row(instance))
    assert found[:2] == (NEAR_LOSSLESS, EXPLICIT_LITTLE)


def test_what_has_no_pixels_is_in_no_pixel_syntax() -> None:
    instance = make_instance(sop_class_uid=BASIC_TEXT_SR, with_pixels=False)
    assert available_syntaxes(row(instance)) == (EXPLICIT_LITTLE, DEFLATED)


def test_a_video_is_available_as_it_is() -> None:
    stored = "1.2.840.10008.1.2.4.102"
    instance = make_instance(transfer_syntax_uid=stored, codestreams=[b"\0\0\0\x18ftyp"], frames=1)
    assert available_syntaxes(row(instance)) == (stored,)
