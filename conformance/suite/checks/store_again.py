"""What the archive gives as metadata and bulkdata, stored again: the same instance (S-31)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from conformance.suite import drawn
from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.metadata import whole_zoo
from conformance.suite.checks.rendered_values import stored
from conformance.suite.checks.retrieve import one_file
from conformance.suite.checks.store_metadata import (
    SOP,
    XML,
    XML_PARTS,
    RawPart,
    bulk_part,
    expect_stored,
    file_of,
    frame,
    metadata_part,
    path_of,
    post,
    value,
)
from conformance.suite.objects import (
    Instance,
    native_image,
)
from conformance.suite.reader import Read
from conformance.suite.session import JSON, OCTETS, STORED, Attributes, Session
from conformance.suite.xml_model import NAMESPACE


def _originals(session: Session) -> dict[str, Instance]:
    return {
        "every VR": whole_zoo(session)[0],
        "native frames": pictures.native_frames(session),
        "JPEG 2000 frames": pictures.compressed_frames(session),
        "JPEG": pictures.compressed(session, "50"),
        "RLE frames": pictures.rle(session),
        "PDF": pictures.document(session),
        "report": pictures.text_report(session),
        "ECG": session.once("an ECG", lambda run: stored(run, drawn.ecg(run))),
        "video": session.once("a video", lambda run: stored(run, drawn.video(run))),
    }


def _uris(data_set: Attributes) -> Iterator[str]:
    for element in data_set.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        if element.get("vr") == "SQ":
            for item in element.get("Value", []):
                yield from _uris(item or {})


def _bulk_parts(session: Session, uris: Iterable[str]) -> list[RawPart]:
    """Each value as the archive gives it: its parts with their own Content-Type."""
    found: list[RawPart] = []
    for uri in uris:
        accept = f'{OCTETS}; transfer-syntax=*, multipart/related; type="*/*"; q=0.5'
        for part in session.parts(uri, accept):
            found.append(bulk_part(uri, part.content, part.headers["content-type"]))
    return found


def _differences(one: dict[int, Read], other: dict[int, Read]) -> list[str]:
    """What differs beside the SOP Instance UID, the character set's name and the Basic Offset Table."""
    found = []
    for tag in sorted(set(one) | set(other)):
        left, right = one.get(tag), other.get(tag)
        if tag not in (0x00080005, 0x00080018) and not _same(left, right):
            found.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {_short(left)} became {_short(right)}")
    return found


def _same(left: Read | None, right: Read | None) -> bool:
    """Numbers written as text may be written otherwise."""
    if left is None or right is None or left.vr != right.vr:
        return False
    if left.items is not None and right.items is not None:
        pairs = list(zip(left.items, right.items, strict=False))
        return len(left.items) == len(right.items) and not any(_differences(*pair) for pair in pairs)
    if left.fragments is not None and right.fragments is not None:
        return left.fragments[1:] == right.fragments[1:]
    if left.vr in ("DS", "IS"):
        return _numbers(left) == _numbers(right)
    return left.value == right.value


def _numbers(read: Read) -> list[float | str]:
    found: list[float | str] = []
    for text in read.text.split("\\"):
        try:
            found.append(float(text))
        except ValueError:
            found.append(text.strip(" "))
    return found


def _short(read: Read | None) -> str:
    return "nothing" if read is None else f"{read.vr} {read.value[:20]!r}"


def _expect_same(session: Session, original: Instance, path: str) -> None:
    before, after = one_file(session, original, STORED), file_of(session, path)
    expect_equal(after.transfer_syntax_uid, before.transfer_syntax_uid, "transfer syntax")
    expect_equal(after.meta[0x00020002].text, original.sop_class, "Media Storage SOP Class UID")
    found = _differences(before.elements(), after.elements())
    expect(not found, "; ".join(found[:4]))


@shows("S-04", "S-05", "S-06", "S-07", "S-31", "G-64")
def json_and_bulkdata_give_the_same_instance(session: Session) -> str:
    wrong, originals = [], _originals(session)
    for what, original in originals.items():
        try:
            data_set = session.metadata(original.path)[0]
            parts = _bulk_parts(session, _uris(data_set))
            data_set[SOP] = value("UI", session.new_uid())
            expect_stored(post(session, JSON, [metadata_part([data_set]), *parts]), "STOW")
            _expect_same(session, original, path_of(data_set))
        except Failed as failed:
            wrong.append(f"{what}: {failed}")
    expect(not wrong, "; ".join(wrong))
    return ", ".join(originals) + ": equal data sets"


@shows("S-04", "S-05", "S-06", "S-07", "S-31", "X-05", "M-07")
def xml_and_bulkdata_give_the_same_instance(session: Session) -> str:
    wrong, originals = [], _originals(session)
    for what, original in originals.items():
        try:
            (part,) = session.parts(original.path + "/metadata", XML_PARTS)
            sop = session.new_uid()
            document, uris = _renamed(part.content, sop)
            parts = _bulk_parts(session, uris)
            expect_stored(post(session, XML, [({"Content-Type": XML}, document), *parts]), "STOW")
            _expect_same(session, original, f"{original.series_path}/instances/{sop}")
        except Failed as failed:
            wrong.append(f"{what}: {failed}")
    expect(not wrong, "; ".join(wrong))
    return ", ".join(originals) + ": equal data sets"


def _renamed(document: bytes, sop: str) -> tuple[bytes, list[str]]:
    """The document with another SOP Instance UID, and the URIs that it refers to."""
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(document)
    for attribute in root:
        if attribute.get("tag") == SOP:
            attribute[0].text = sop
    uris = [one.get("uri", "") for one in root.iter(f"{{{NAMESPACE}}}BulkData")]
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), uris


@shows("S-31", "J-05")
def text_keeps_its_characters(session: Session) -> str:
    instance = native_image(
        session,
        form=drawn.LATIN,
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Müller^Jörg",
        StudyDescription="Größe",
    )
    session.stored(instance)
    data_set = session.metadata(instance.path)[0]
    parts = _bulk_parts(session, _uris(data_set))
    data_set[SOP] = value("UI", session.new_uid())
    expect_stored(post(session, JSON, [metadata_part([data_set]), *parts]), "STOW")
    again = session.metadata(path_of(data_set))[0]
    for tag in ("00100010", "00081030"):
        expect_equal(again[tag], data_set[tag], tag)
    expect(frame(session, data_set) == native_pixels(session, instance), "other pixels")
    return "Latin-1 text comes back the same"


def native_pixels(session: Session, instance: Instance) -> bytes:
    """The first frame of an instance."""
    return session.parts(instance.path + "/frames/1", OCTETS)[0].content
