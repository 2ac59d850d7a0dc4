"""The reader and writer of multipart/related (PS3.18 8.6.1.2, RFC 2046 5.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.errors import InvalidRequest, TooLarge
from dicomweb.protocol.multipart import (
    PartBegin,
    PartData,
    PartEnd,
    RelatedReader,
    body_length,
    boundary_for,
    closing,
    part_header,
    related_body,
    related_content_type,
)

BOUNDARY = "b"  # one letter: delimiters by accident are likely, so the search must be exact

Part = tuple[dict[str, str], bytes | str]  # headers and data, or headers and defect


def read(chunks: Iterable[bytes], boundary: str = BOUNDARY, *, part_header_bytes: int = 1000) -> list[Part]:
    """The whole parts of a body, and that events come in order."""
    reader = RelatedReader(boundary, part_header_bytes=part_header_bytes)
    parts: list[Part] = []
    open_part: PartBegin | None = None
    data = b""
    for chunk in chunks:
        for event in reader.feed(chunk):
            match event:
                case PartBegin():
                    assert open_part is None
                    open_part, data = event, b""
                case PartData(view):
                    assert open_part is not None
                    assert not open_part.defect
                    assert view
                    data += view
                case PartEnd():
                    assert open_part is not None
                    parts.append((dict(open_part.headers), open_part.defect or data))
                    open_part = None
    reader.close()
    assert open_part is None
    assert reader.parts == len(parts)
    return parts


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def write(parts: Iterable[tuple[list[tuple[str, str]], bytes]], boundary: str = BOUNDARY) -> bytes:
    body = b""
    for headers, data in parts:
        body += part_header(boundary, headers, first=not body) + data
    return body + closing(boundary)


# Bytes of which delimiters are made, so that almost-delimiters abound.
near_delimiters = st.lists(
    st.sampled_from(
        [b"\r\n--b", b"\r", b"\n", b"-", b"b", b" ", b"x", b"\r\n--bb", b"\r\n--b-", b"\0", b"\r\n--b x"]
    )
).map(b"".join)
# What no sender may put into a payload; its last bytes may become one with the line break that follows.
DELIMITER = re.compile(rb"(?:\A|\r\n)--b(?:--|[ \t]*(?:\r?\n|\r?\Z))")
payloads = st.one_of(st.binary(max_size=200), near_delimiters).filter(lambda data: not DELIMITER.search(data))
fields = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "Content-Location", "X-Other"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    ),
    max_size=3,
    unique_by=lambda field: field[0],
)


@given(parts=st.lists(st.tuples(fields, payloads), min_size=1, max_size=5), size=st.integers(1, 64))
def test_what_is_written_is_read_whatever_the_chunks(
    parts: list[tuple[list[tuple[str, str]], bytes]], size: int
) -> None:
    body = write(parts)
    expected = [({name.lower(): value for name, value in headers}, data) for headers, data in parts]
    assert read(in_pieces(body, size)) == expected
    assert len(body) == body_length(BOUNDARY, [(headers, len(data)) for headers, data in parts])


arbitrary = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"\r\n--b",
                b"\n--b",
                b"--",
                b"\r\n",
                b"\n",
                b"\r",
                b" ",
                b"\t",
                b"A: 1",
                b"nocolon",
                b"b",
                b"\0",
                b":",
            ]
        ),
        max_size=40,
    ).map(b"".join),
)


def outcome(chunks: Iterable[bytes]) -> list[Part] | str:
    try:
        return read(chunks, part_header_bytes=20)
    except InvalidRequest as error:
        return error.message


@settings(max_examples=500)
@given(body=arbitrary, size=st.integers(1, 40), fenced=st.booleans())
def test_any_body_gives_the_same_answer_whatever_the_chunks(body: bytes, size: int, fenced: bool) -> None:
    if fenced:
        body = b"--b\r\n" + body + b"\r\n--b--"
    assert outcome(in_pieces(body, size)) == outcome([body]) == outcome(in_pieces(body, 1))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"--b\r\n\r\nx\r\n--b--", [({}, b"x")], id="no headers, no line end after the last"),
        pytest.param(
            b"pre\r\n--b\r\n\r\nx\r\n--b--\r\nepilogue\r\n--b\r\n", [({}, b"x")], id="preamble, epilogue"
        ),
        pytest.param(
            b"\r\n--b \t\r\nA: 1\r\n\r\nx\r\n--b--  ", [({"a": "1"}, b"x")], id="padding after boundary"
        ),
        pytest.param(
            b"--b\nA: 1\nB: 2\n\nx\n--b--\n", [({"a": "1", "b": "2"}, b"x")], id="bare LF throughout"
        ),
        pytest.param(b"--b\n\nx\r\n--b--\n", [({}, b"x\r")], id="in a bare LF body a CR is data"),
        pytest.param(b"--b\r\nA: 1\n\nx\n--b\r\n--b--", [({"a": "1"}, b"x\n--b")], id="bare LF headers only"),
        pytest.param(b"--b\r\n\r\n\r\n--b--", [({}, b"")], id="empty part"),
        pytest.param(b"--b\r\n\r\n--b--", [({}, b"")], id="empty part, one line break for two"),
        pytest.param(b"--b\r\nA: 1\r\n--b--", [({"a": "1"}, b"")], id="headers without a blank line"),
        pytest.param(b"--b\r\n--b\r\n\r\nx\r\n--b--", [({}, b""), ({}, b"x")], id="two delimiters in a row"),
        pytest.param(
            b"--b\r\nA: 1\r\n 2\r\nA:3\r\n\r\n\r\n--b--", [({"a": "1 2, 3"}, b"")], id="folded, repeated"
        ),
        pytest.param(b"--b\r\n\r\nx\r\n--bc\r\n--b--", [({}, b"x\r\n--bc")], id="a longer boundary is data"),
        pytest.param(b"--b--", [], id="no part at all"),
    ],
)
def test_what_senders_do_is_understood(body: bytes, expected: list[Part]) -> None:
    assert outcome([body]) == expected
    assert outcome(in_pieces(body, 1)) == expected


@pytest.mark.parametrize(
    "bad", [b"DICM\0\0no header", b": 1", b"A" * 40, b"A: 1\r\n" * 80, b"A: " + b"1" * 2000]
)
def test_a_part_with_a_bad_header_does_not_spoil_the_next(bad: bytes) -> None:
    body = b"--b\r\n" + bad + b"\r\n\r\nlost\r\n--b\r\n\r\nx\r\n--b--"
    for size in (1, 7, len(body)):
        first, second = read(in_pieces(body, size), part_header_bytes=500)
        assert isinstance(first[1], str)
        assert second == ({}, b"x")


def test_the_number_of_parts_is_bounded() -> None:
    reader = RelatedReader(BOUNDARY, most_parts=2)
    reader.feed(b"--b\r\n\r\nx\r\n--b\r\n\r\nx")
    with pytest.raises(TooLarge):
        reader.feed(b"\r\n--b\r\n\r\nx")


@pytest.mark.parametrize("length", range(len(b"--b\r\nA: 1\r\n\r\nx\r\n--b--")))
def test_a_body_that_is_cut_off_is_an_error_wherever_it_is_cut(length: int) -> None:
    body = b"--b\r\nA: 1\r\n\r\nx\r\n--b--"[:length]
    assert isinstance(outcome([body]), str)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', "abc"),
        ("multipart/related;boundary=abc;type=application/dicom", "abc"),
        ('Multipart/Related; Boundary="a b\'()+_,-./:=?z"', "a b'()+_,-./:=?z"),
        ("multipart/related; boundary=----=_Part_1:2", "----=_Part_1:2"),
        ("multipart/related; boundary=" + "x" * 70, "x" * 70),
    ],
)
def test_a_legal_boundary_is_taken_quoted_or_not(content_type: str, boundary: str) -> None:
    body = related_body(content_type)
    assert body.boundary == boundary
    assert read([write([([], b"x")], boundary)], boundary) == [({}, b"x")]


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related",
        'multipart/related; boundary=""',
        'multipart/related; boundary="a "',
        "multipart/related; boundary=" + "x" * 71,
        "multipart/related; boundary=a*b",
        "multipart/related; boundary=ä",
        'multipart/related; boundary="abc',
        "",
        "nonsense",
    ],
)
def test_an_illegal_content_type_is_a_bad_request(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        related_body(content_type)


def test_content_type_tells_root_type_and_start() -> None:
    body = related_body('multipart/related; type="Application/DICOM+JSON;x=1"; start="<1@a>"; boundary=b')
    assert (body.root_type, body.start) == ("application/dicom+json", "<1@a>")
    assert related_body("multipart/related; boundary=b").root_type == ""


def test_the_boundary_is_stable_and_needs_no_quotes() -> None:
    assert boundary_for(b"1") == boundary_for(b"1") != boundary_for(b"2")
    content_type = related_content_type("application/dicom", boundary_for(b"1"))
    assert related_body(content_type).boundary == boundary_for(b"1")


def test_a_chunk_is_not_copied() -> None:
    reader = RelatedReader(BOUNDARY)
    reader.feed(b"--b\r\n\r\n")
    chunk = b"x" * 100
    (event,) = reader.feed(chunk)
    assert isinstance(event, PartData)
    assert event.data is chunk


HOSTILE = {
    "CRLFs": b"\r\n" * 500,
    "almost boundaries": b"\r\n--" + b"-" * 69,
    "boundaries of another": b"\r\n--" + b"-" * 70 + b"x",
    "padding without end": b"\r\n--" + b"-" * 70 + b" " * 1000,
    "dashes": b"-" * 1000,
    "carriage returns": b"\r" * 1000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("size", [100, 1 << 16])
def test_time_is_linear_in_the_body(name: str, size: int) -> None:
    reader = RelatedReader("-" * 70)
    body = HOSTILE[name] * (2_000_000 // len(HOSTILE[name]))
    started = time.process_time()
    for chunk in [b"--" + b"-" * 70 + b"\r\n\r\n", *in_pieces(body, size)]:
        reader.feed(chunk)
    assert time.process_time() - started < 3  # quadratic would be minutes
