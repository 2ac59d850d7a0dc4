"""Metadata as a client sends it: JSON documents taken apart, their data sets checked, base64 decoded."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.base64_text import decoded
from dicomweb.dicom.json_objects import LONG_STRING, json_objects
from dicomweb.dicom.long_texts import long_texts
from dicomweb.dicom.part10 import scan
from dicomweb.dicom.received_model import checked, identified, read_attributes
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.dicom.write import Bulk, write_part10
from dicomweb.errors import InvalidDicom, InvalidRequest

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=20,
)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(
    documents=st.lists(st.dictionaries(st.text(), VALUES), max_size=4),
    size=st.integers(1, 40),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)
def test_every_object_of_an_array_is_found_wherever_the_document_is_cut(
    documents: list[dict[str, Any]], size: int, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(documents, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    found = list(json_objects(cut(text, size)))
    assert [json.loads(text[one.offset : one.offset + one.length]) for one in found] == json.loads(text)


@given(document=st.dictionaries(st.text(), VALUES), size=st.integers(1, 40))
def test_an_object_may_stand_alone_behind_a_byte_order_mark(document: dict[str, Any], size: int) -> None:
    text = b"\xef\xbb\xbf" + json.dumps(document).encode() + b"\n"
    (found,) = json_objects([text[:3], *cut(text[3:], size)])
    assert json.loads(text[found.offset : found.offset + found.length]) == document


@given(
    text=st.binary(max_size=60) | st.text('[]{}",:\\ a1', max_size=40).map(str.encode), size=st.integers(1, 9)
)
def test_what_is_no_array_of_objects_is_refused_and_nothing_else_happens(text: bytes, size: int) -> None:
    try:
        found = list(json_objects(cut(text, size)))
    except InvalidRequest:
        return
    for one in found:
        assert text[one.offset : one.offset + 1] == b"{"
        assert text[one.offset + one.length - 1 : one.offset + one.length] == b"}"


@pytest.mark.parametrize(
    "text", [b"[{}{}]", b"[{},,{}]", b"[,{}]", b"[{},]", b",{}", b"{},", b"[{}],", b"[,]"]
)
def test_commas_stand_between_objects(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        list(json_objects([text]))


def test_long_strings_are_left_where_they_are() -> None:
    long = "x" * LONG_STRING + '\\"'
    text = json.dumps([{"a": long, "b": "short"}, {"c": long}]).encode()
    for one in json_objects(cut(text, 100_000)):
        ((offset, length),) = one.long_strings
        assert json.loads(b'"' + text[offset : offset + length] + b'"') == long


def test_nesting_is_bounded() -> None:
    with pytest.raises(InvalidRequest):
        list(json_objects([b'{"a":' * 300]))


@given(data=st.binary(max_size=300), size=st.integers(1, 30), style=st.sampled_from(["/", "\\/", "\\u002f"]))
def test_base64_is_decoded_whatever_json_escapes(data: bytes, size: int, style: str) -> None:
    lines = cut(b64encode(data), 76)
    text = b"\\r\\n".join(lines).replace(b"/", style.encode()).replace(b"+", b"\\u002B")
    assert b"".join(decoded(cut(text, size))) == data


@pytest.mark.parametrize("text", [b"AAA", b"A", b"AA=A", b"AAAA=", b"\\u0100AA", b"\\", b"%%%%", b"AA==AAAA"])
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidDicom):
        b"".join(decoded([text]))


ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "vr": st.sampled_from([*VALUE_REPRESENTATIONS, "??"]) | SCALARS,
        "Value": st.lists(VALUES, max_size=3) | VALUES,
        "InlineBinary": st.text(max_size=9)
        | st.binary(max_size=9).map(lambda data: b64encode(data).decode()),
        "BulkDataURI": st.sampled_from(["known", "unknown"]) | SCALARS,
    },
)
IDENTITY = {tag: {"vr": "UI", "Value": ["1.2.3"]} for tag in ("00080016", "00080018", "0020000D", "0020000E")}
TAGS = st.sampled_from(["00080005", "00080016", "00080018", "00081140", "00280010", "7fe00010", "FFFEE00D"])


@given(
    attributes=st.dictionaries(
        TAGS | st.text("0123456789ABCDEFabcdef", min_size=7, max_size=9), ELEMENTS | VALUES
    )
)
def test_whatever_a_client_sends_is_written_or_refused(attributes: dict[str, Any]) -> None:
    def bulkdata(uri: str) -> Bulk:
        if uri != "known":
            raise InvalidDicom("A BulkDataURI of the metadata names no part of the request.")
        return Bulk(3, [b"abc"])

    try:
        read = read_attributes(json.dumps(IDENTITY | attributes).encode(), dataset_bytes=1 << 20)
        scan([b"".join(write_part10(read, bulkdata, transfer_syntax_uid=EXPLICIT_LITTLE))])
    except InvalidDicom:
        pass


def test_a_refusal_names_the_instance() -> None:
    assert identified(InvalidDicom("No."), IDENTITY).sop_instance_uid == "1.2.3"
    assert identified(InvalidDicom("No."), {"00080018": {"vr": "UI", "Value": [{}]}}).sop_instance_uid == ""


def test_what_belongs_to_no_data_set_is_left_out() -> None:
    element = {"vr": "UI", "Value": ["1.2"]}
    given_ = dict.fromkeys(("00020010", "00000002", "00080000", "0008001a", "FFFCFFFC"), element)
    assert checked(given_).keys() == {"0008001A", "FFFCFFFC"}


@pytest.mark.parametrize(
    "text", [b"[]", b"3", b"{", b"\xff\xfe", b'{"00080018":{"vr":"UI"}', b'"a"', b"null"]
)
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidDicom):
        read_attributes(text, dataset_bytes=1000)


def test_text_that_would_take_much_memory_is_refused() -> None:
    text = b'{"00281050":{"vr":"DS","Value":[' + b"1," * 400_000 + b"1]}}"
    assert read_attributes(text, dataset_bytes=32 << 20)
    with pytest.raises(InvalidDicom) as refused:
        read_attributes(text, dataset_bytes=1 << 20)
    assert refused.value.failure_reason == 0xA700


@given(texts=st.lists(st.text("ab\n", max_size=30), max_size=8), size=st.integers(1, 20))
def test_long_texts_of_xml_are_found_wherever_the_document_is_cut(texts: list[str], size: int) -> None:
    document = "".join(f"<a b='c'>{text}</a>" for text in texts).encode()
    found = [
        document[offset : offset + length].decode() for offset, length in long_texts(cut(document, size), 9)
    ]
    assert found == [text for text in texts if len(text) > 9]


@pytest.mark.parametrize(
    "text",
    [
        "abc&amp;defghijk",
        "abcdefghi&#10;jk",
        "abcdefghijkl!",
        "äbcdefghijkl",
        " \r\n" * 10,
        "<![CDATA[>abcdefghijkl<]]>",
        "<![CDATA[x]]>abcdefghijkl",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_long_texts_that_are_more_than_their_bytes_are_for_the_parser(
    text: str, encoding: str, size: int
) -> None:
    document = f"<a>{text}</a>".encode(encoding)
    assert list(long_texts(cut(document, size), 9)) == []
    plain = "<a>abcdefghij\r\n+/==</a>".encode(encoding)
    assert len(list(long_texts(cut(plain, size), 9))) == (encoding != "utf-16")


def test_a_value_in_two_forms_is_refused() -> None:
    with pytest.raises(InvalidDicom, match="more than one form"):
        checked({"00420011": {"vr": "OB", "InlineBinary": "AA==", "BulkDataURI": "x"}})
