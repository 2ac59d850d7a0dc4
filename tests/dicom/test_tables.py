"""The tables that everything else looks things up in: UIDs, transfer syntaxes, the dictionary."""

from __future__ import annotations

import subprocess
import sys

import pydicom.datadict
import pydicom.uid
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.dictionary import keyword_of, private_vr_of, resolved_vr, tag_of, vr_of
from dicomweb.dicom.transfer_syntax import DEFAULT_FOR_MEDIA_TYPE, TRANSFER_SYNTAXES, lookup
from dicomweb.dicom.uid import is_uid, trim_uid

# Not binary data sets, or not files: see the note in the table.
_REFUSED = {
    "1.2.840.10008.1.2.6.1",
    "1.2.840.10008.1.2.6.2",
    "1.2.840.10008.1.2.7.1",
    "1.2.840.10008.1.2.7.2",
    "1.2.840.10008.1.2.7.3",
}
_LOSSLESS_BY_NAME = (
    "Lossless Only",
    "Lossless,",
    "JPEG Lossless",
    "Explicit",
    "Implicit",
    "RLE",
    "JPEG XL Lossless",
)


def test_every_registered_transfer_syntax_is_known() -> None:
    registered = {uid for uid, entry in pydicom.uid.UID_dictionary.items() if entry[1] == "Transfer Syntax"}
    assert registered - set(TRANSFER_SYNTAXES) == _REFUSED


def test_the_table_agrees_with_pydicom() -> None:
    for uid, syntax in TRANSFER_SYNTAXES.items():
        known = pydicom.uid.UID(uid)
        if known.is_private or known not in pydicom.uid.UID_dictionary:
            continue
        assert known.is_retired == syntax.retired, uid
        if "JPIP" not in syntax.name:
            assert known.is_deflated == syntax.deflated, uid
        if uid != "1.2.840.10008.1.20" and "JPIP" not in syntax.name:
            assert known.is_implicit_VR == (not syntax.explicit), uid
            assert known.is_little_endian == syntax.little, uid
            assert known.is_encapsulated == syntax.encapsulated, uid
        assert not (syntax.lossy and syntax.name.startswith(_LOSSLESS_BY_NAME)), uid


def test_every_default_belongs_to_its_media_type() -> None:
    for media_type, uid in DEFAULT_FOR_MEDIA_TYPE.items():
        syntax = lookup(uid)
        assert syntax is not None
        assert syntax.media_type == media_type


@pytest.mark.parametrize(
    ("text", "lenient", "strict"),
    [
        ("1.2.840.10008.1.2", True, True),
        ("2.25.329800735698586629295641978511506172918", True, True),
        ("1.02.3", True, False),
        ("3.1", True, False),
        ("1.40.1", True, False),
        ("0.39.1", True, True),
        ("1", True, False),
        ("1." + "2" * 62, True, False),
        ("1." + "2" * 63, False, False),
        ("", False, False),
        (".1.2", False, False),
        ("1.2.", False, False),
        ("1..2", False, False),
        ("1.2 ", False, False),
        ("1.2\n", False, False),
        ("1.٣", False, False),
        ("../etc/passwd", False, False),
    ],
)
def test_uids(text: str, lenient: bool, strict: bool) -> None:
    assert is_uid(text) == lenient
    assert is_uid(text, strict=True) == strict


@given(st.from_regex(r"(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){1,5}", fullmatch=True))
def test_strict_uids_are_lenient_ones_too(text: str) -> None:
    assert is_uid(text)
    assert trim_uid(f" {text}\0\0") == text


def test_the_dictionary_is_that_of_pydicom() -> None:
    for tag, entry in pydicom.datadict.DicomDictionary.items():
        if entry[0] != "NONE":
            assert vr_of(tag) == entry[0]
        if entry[4]:
            assert keyword_of(tag) == entry[4]
            assert tag_of(entry[4]) == tag


@pytest.mark.parametrize("tag", [0x60003000, 0x60023000, 0x60FE0010, 0x50000005, 0x00203101, 0x7F000010])
def test_repeating_groups_are_known(tag: int) -> None:
    assert vr_of(tag) == pydicom.datadict.dictionary_VR(tag)
    assert keyword_of(tag) == pydicom.datadict.dictionary_keyword(tag)


def test_what_is_unknown_is_empty() -> None:
    assert (vr_of(0x00091001), vr_of(0x00081234), keyword_of(0x00081234)) == ("", "", "")
    assert tag_of("NoSuchKeyword") is None
    assert private_vr_of("NOBODY", 0x00091001) == ""


@pytest.mark.parametrize(
    ("creator", "tag", "vr"),
    [
        ("SIEMENS CSA HEADER", 0x00291010, "OB"),
        ("SIEMENS CSA HEADER", 0x0029AB10, "OB"),
        ("Philips PET Private Group", 0x70531000, "DS"),
        ("Philips PET Private Group", 0x70531009, "DS"),
        ("GEMS_PARM_01", 0x00431039, "IS"),
    ],
)
def test_private_elements_are_known_in_any_block(creator: str, tag: int, vr: str) -> None:
    assert private_vr_of(creator, tag) == vr


def test_choices_of_vr_are_resolved() -> None:
    values = {0x00280103: 1, 0x00283002: 1, 0x54001004: 8}
    nothing: dict[int, int] = {}
    assert resolved_vr(0x00280106, "US or SS", values.get, explicit=True) == "SS"
    assert resolved_vr(0x00280106, "US or SS", nothing.get, explicit=True) == "US"
    assert resolved_vr(0x00283006, "US or OW", values.get, explicit=True) == "US"
    assert resolved_vr(0x54001010, "OB or OW", values.get, explicit=True) == "OB"
    assert resolved_vr(0x54001010, "OB or OW", values.get, explicit=False) == "OW"
    assert resolved_vr(0x60003000, "OB or OW", values.get, explicit=True) == "OW"
    assert resolved_vr(0x00281200, "US or SS or OW", values.get, explicit=False) == "OW"


def test_the_scan_needs_neither_pydicom_nor_numpy() -> None:
    program = (
        "import sys, dicomweb.dicom.part10\n"
        "from dicomweb.dicom.dictionary import private_vr_of\n"
        "private_vr_of('x', 1)\n"
        "assert not {'pydicom', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
