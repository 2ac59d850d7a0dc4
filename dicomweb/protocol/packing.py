"""How the data sets of one answer follow each other: a JSON array, or multipart/related with an XML document
each (PS3.18 8.7.3, 10.4.4, 10.6.3; M-02, M-06)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dicomweb.dicom.native_xml import native_xml_of
from dicomweb.protocol import multipart
from dicomweb.protocol.media_types import DICOM_JSON, DICOM_XML
from dicomweb.protocol.negotiate import Answer

# Documents up to here are written before their part begins, so that its length is known.
_WHOLE = 1 << 20


class Packing(Protocol):
    """Writes an answer of data sets, one after another."""

    @property
    def media_type(self) -> str:
        """Of each data set."""

    @property
    def content_type(self) -> str:
        """Of the whole answer."""

    def packed(self, texts: Iterable[bytes], *, first: bool) -> Iterator[bytes]:
        """Some of the data sets in pieces. texts: DICOM JSON. first: nothing came before."""

    def end(self, *, empty: bool) -> bytes:
        """What follows the last one. empty: there was none."""


@dataclass(frozen=True, slots=True)
class JsonArray:
    """One DICOM JSON array (PS3.18 F.2.1)."""

    media_type = DICOM_JSON
    content_type = DICOM_JSON

    def before(self, *, first: bool) -> bytes:
        """What stands before a data set."""
        return b"[" if first else b",\n"

    def packed(self, texts: Iterable[bytes], *, first: bool) -> Iterator[bytes]:
        for text in texts:
            yield self.before(first=first)
            yield text
            first = False

    def end(self, *, empty: bool) -> bytes:
        return b"[]" if empty else b"]"


@dataclass(frozen=True, slots=True)
class XmlParts:
    """A part for each data set, a document of the Native DICOM Model (PS3.19 A.1)."""

    boundary: str
    media_type = DICOM_XML

    @property
    def content_type(self) -> str:
        return multipart.related_content_type(DICOM_XML, self.boundary)

    def packed(self, texts: Iterable[bytes], *, first: bool) -> Iterator[bytes]:
        for text in texts:
            document = native_xml_of(text)
            headers = [("Content-Type", DICOM_XML)]
            if len(text) <= _WHOLE:
                whole = b"".join(document)
                document = iter([whole])
                headers.append(("Content-Length", str(len(whole))))
            yield multipart.part_header(self.boundary, headers, first=first)
            yield from document
            first = False

    def end(self, *, empty: bool) -> bytes:
        ending = multipart.closing(self.boundary)
        return ending.removeprefix(b"\r\n") if empty else ending


def packing_of(answer: Answer, seed: str) -> Packing:
    """The packing that negotiation chose.

    seed: tells the answer from others of the same resource, so that its boundary is its own.
    """
    if answer.root_type == DICOM_XML:
        return XmlParts(multipart.boundary_for(seed.encode()))
    return JsonArray()
