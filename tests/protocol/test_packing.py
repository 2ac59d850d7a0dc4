"""Data sets packed into one answer: a JSON array, XML parts."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.native_xml_reader import read_native_model
from dicomweb.protocol import negotiate
from dicomweb.protocol.multipart import PartBegin, PartData, RelatedReader, related_body
from dicomweb.protocol.packing import JsonArray, Packing, XmlParts, packing_of

_LISTS = st.lists(st.text(max_size=30).filter(str.strip), max_size=6)


def data_set(text: str) -> dict[str, object]:
    return {"00104000": {"vr": "LT", "Value": [text]}}


def packed(packing: Packing, texts: list[bytes], size: int) -> bytes:
    """The whole answer, packed `size` data sets at a time."""
    pieces: list[bytes] = []
    for start in range(0, len(texts), size):
        pieces += packing.packed(texts[start : start + size], first=start == 0)
    return b"".join(pieces) + packing.end(empty=not texts)


@given(texts=_LISTS, size=st.integers(1, 4))
def test_json_is_one_array(texts: list[str], size: int) -> None:
    sets = [data_set(text) for text in texts]
    assert orjson.loads(packed(JsonArray(), list(map(orjson.dumps, sets)), size)) == sets


@given(texts=_LISTS.filter(len), size=st.integers(1, 4))
def test_xml_is_a_document_a_part(texts: list[str], size: int) -> None:
    packing = XmlParts("dicomweb-1")
    body = packed(packing, [orjson.dumps(data_set(text)) for text in texts], size)
    reader = RelatedReader(related_body(packing.content_type).boundary)
    documents: list[bytes] = []
    lengths: list[str] = []
    for event in reader.feed(body):
        if isinstance(event, PartBegin):
            assert event.headers["content-type"] == "application/dicom+xml"
            lengths.append(event.headers["content-length"])
            documents.append(b"")
        elif isinstance(event, PartData):
            documents[-1] += event.data
    reader.close()
    assert lengths == [str(len(document)) for document in documents]
    assert len(documents) == len(texts)
    for document, text in zip(documents, texts, strict=True):
        if text.isprintable():
            assert read_native_model([document]) == data_set(text)


def test_an_answer_of_nothing_is_still_well_formed() -> None:
    assert packed(JsonArray(), [], 1) == b"[]"
    assert packed(XmlParts("b"), [], 1) == b"--b--\r\n"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/dicom+json"),
        ("application/json", "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', "application/dicom+xml"),
        (
            "multipart/related; type=application/dicom+xml, application/dicom+json;q=0.5",
            "application/dicom+xml",
        ),
    ],
)
def test_negotiation_chooses(accept: str, media_type: str) -> None:
    for resource in (negotiate.Resource.METADATA, negotiate.Resource.SEARCH):
        answer = negotiate.document(negotiate.acceptable([accept], [], resource))
        assert packing_of(answer, "seed").media_type == media_type
