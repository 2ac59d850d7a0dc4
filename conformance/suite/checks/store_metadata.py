"""STOW-RS of metadata with bulkdata, in JSON and in XML (PS3.18 10.5.2, 8.6.1.2, Annex F and PS3.19)."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from PIL import Image

from conformance.suite import drawn
from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.metadata import whole_zoo
from conformance.suite.checks.rendered_values import stored
from conformance.suite.checks.retrieve import one_file
from conformance.suite.multipart import BOUNDARY, write_related
from conformance.suite.objects import (
    ENCAPSULATED_PDF,
    MULTIFRAME_COLOR,
    MULTIFRAME_WORD,
    PDF,
    SECONDARY_CAPTURE,
    VIDEO_ENDOSCOPIC,
    Instance,
    native_image,
)
from conformance.suite.part10 import EXPLICIT
from conformance.suite.reader import File, Read, read_file
from conformance.suite.samples import COLUMNS, RGB_JPEG, ROWS, SAMPLES, picture
from conformance.suite.session import JSON, OCTETS, STORED, Attributes, Session, StoreAnswer, first
from conformance.suite.xml_model import NAMESPACE

XML = "application/dicom+xml"
XML_PARTS = f'multipart/related; type="{XML}"'
_SOP = "00080018"
_J2K = "1.2.840.10008.1.2.4.90"
RawPart = tuple[dict[str, str], bytes]  # headers and content


def post(session: Session, root_type: str, parts: Sequence[RawPart], **more: str) -> StoreAnswer:
    """STOW of parts as they are. more: further parameters of the Content-Type."""
    extra = "".join(f'; {name}="{value}"' for name, value in more.items())
    content_type = f'multipart/related; type="{root_type}"; boundary={BOUNDARY}{extra}'
    return session.store_body(write_related(parts), content_type)


def metadata_part(data_sets: Sequence[Attributes]) -> RawPart:
    """The one JSON part of a request."""
    return {"Content-Type": JSON}, json.dumps(data_sets).encode()


def bulk_part(location: str, content: bytes, media_type: str = "application/octet-stream") -> RawPart:
    """One bulkdata part."""
    return {"Content-Type": media_type, "Content-Location": location}, content


def value(vr: str, *values: Any) -> dict[str, Any]:
    """An attribute in DICOM JSON."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def new_data_set(session: Session, sop_class: str, **more: dict[str, Any]) -> Attributes:
    """The least that an instance has. more: x00280010=... ."""
    study = session.new_uid()
    session.studies.add(study)
    data_set = {
        "00080016": value("UI", sop_class),
        _SOP: value("UI", session.new_uid()),
        "00080060": value("CS", "OT"),
        "00100010": value("PN", {"Alphabetic": "Conformance^Suite"}),
        "00100020": value("LO", session.token),
        "0020000D": value("UI", study),
        "0020000E": value("UI", session.new_uid()),
    }
    return data_set | {name.removeprefix("x"): one for name, one in more.items()}


def path_of(data_set: Attributes) -> str:
    study, series, sop = (first(data_set, tag) for tag in ("0020000D", "0020000E", _SOP))
    return f"/studies/{study}/series/{series}/instances/{sop}"


def file_of(session: Session, path: str) -> File:
    """The instance as stored."""
    return read_file(session.parts(path, STORED)[0].content)


def frame(session: Session, data_set: Attributes, number: int = 1) -> bytes:
    return session.parts(f"{path_of(data_set)}/frames/{number}", OCTETS)[0].content


def _expect_stored(answer: StoreAnswer, what: str) -> None:
    expect(
        answer.status == 200 or (answer.status == 202 and not answer.failed),
        f"{what}: {answer.status}, failures {sorted(set(answer.failed.values()))}",
    )


# --- the same instance by two ways ------------------------------------------------------------------


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
            data_set[_SOP] = value("UI", session.new_uid())
            _expect_stored(post(session, JSON, [metadata_part([data_set]), *parts]), "STOW")
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
            _expect_stored(post(session, XML, [({"Content-Type": XML}, document), *parts]), "STOW")
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
        if attribute.get("tag") == _SOP:
            attribute[0].text = sop
    uris = [one.get("uri", "") for one in root.iter(f"{{{NAMESPACE}}}BulkData")]
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), uris


@shows("S-04", "S-43", "G-64")
def several_data_sets_in_one_request(session: Session) -> str:
    one = _described(session, ROWS, COLUMNS, 16, 12)
    two = _described(session, ROWS, COLUMNS, 16, 12) | {
        "0020000D": one["0020000D"],
        "0020000E": one["0020000E"],
    }
    one["7FE00010"] = {"vr": "OW", "BulkDataURI": "one"}
    two["7FE00010"] = {"vr": "OW", "BulkDataURI": "two"}
    parts = [bulk_part("two", picture("gray16", 1)), bulk_part("one", picture("gray16", 0))]
    answer = post(session, JSON, [metadata_part([one, two]), *parts])
    _expect_stored(answer, "two data sets of one JSON part")
    expect_equal(sorted(answer.stored), sorted([first(one, _SOP), first(two, _SOP)]), "stored instances")
    expect(frame(session, one) == picture("gray16", 0), "pixels of the first")
    expect(frame(session, two) == picture("gray16", 1), "pixels of the second")
    return "each with its own bulkdata, whatever their order"


def _described(
    session: Session, rows: int, columns: int, allocated: int, bits: int, samples: int = 1
) -> Attributes:
    return new_data_set(
        session,
        SECONDARY_CAPTURE,
        x00280002=value("US", samples),
        x00280004=value("CS", "MONOCHROME2" if samples == 1 else "RGB"),
        x00280010=value("US", rows),
        x00280011=value("US", columns),
        x00280100=value("US", allocated),
        x00280101=value("US", bits),
        x00280102=value("US", bits - 1),
        x00280103=value("US", 0),
    )


@shows("S-05", "G-65")
def bulkdata_is_found_by_its_location(session: Session) -> str:
    cases = {
        "relative": ("bulk/1", "bulk/1"),
        "absolute": (session.base_url + "/x/1", session.base_url + "/x/1"),
        "absolute path": ("/x/y", "/x/y"),
        "urn": ("urn:uuid:6b2f1c", "urn:uuid:6b2f1c"),
    }
    for what, (uri, location) in cases.items():
        data_set = _described(session, ROWS, COLUMNS, 16, 12)
        data_set["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
        parts = [metadata_part([data_set]), bulk_part(location, picture("gray16", 0))]
        _expect_stored(post(session, JSON, parts), what)
        expect(frame(session, data_set) == picture("gray16", 0), f"{what}: other pixels")
    data_set = _described(session, ROWS, COLUMNS, 16, 12)
    data_set["7FE00010"] = {"vr": "OW", "BulkDataURI": "p"}
    head, body = metadata_part([data_set])
    parts = [({**head, "Content-ID": "<root@suite>"}, body), bulk_part("p", picture("gray16", 0))]
    _expect_stored(post(session, JSON, parts, start="<root@suite>"), "start parameter")
    return ", ".join(cases) + "; start names the root part"


@shows("S-07", "S-06")
def compressed_frames_come_one_a_part(session: Session) -> str:
    sample = SAMPLES["90"]
    data_set = _described(session, ROWS, COLUMNS, 16, 12) | {
        "00080016": value("UI", MULTIFRAME_WORD),
        "00280008": value("IS", 3),
        "7FE00010": {"vr": "OB", "BulkDataURI": "px"},
    }
    codestreams = [sample.frames[0], sample.frames[1], sample.frames[0]]
    media_type = f"image/jp2; transfer-syntax={_J2K}"
    parts = [metadata_part([data_set]), *(bulk_part("px", one, media_type) for one in codestreams)]
    _expect_stored(post(session, JSON, parts), "three parts of one Content-Location")
    file = file_of(session, path_of(data_set))
    expect_equal(file.transfer_syntax_uid, _J2K, "transfer syntax")
    fragments = file.elements()[0x7FE00010].fragments or ()
    kept = [one.rstrip(b"\0") for one in fragments[1:]]
    expect_equal(kept, [one.rstrip(b"\0") for one in codestreams], "codestreams")
    for number in (1, 2, 3):
        expect(frame(session, data_set, number) == picture("gray16", (number - 1) % 2), f"frame {number}")
    video = _described(session, 480, 640, 8, 8, 3) | {
        "00080016": value("UI", VIDEO_ENDOSCOPIC),
        "00280004": value("CS", "YBR_PARTIAL_420"),
        "00280006": value("US", 0),
        "00280008": value("IS", 30),
        "7FE00010": {"vr": "OB", "BulkDataURI": "film"},
    }
    media_type = f"video/mp4; transfer-syntax={drawn.MPEG4}"
    _expect_stored(
        post(session, JSON, [metadata_part([video]), bulk_part("film", drawn.VIDEO, media_type)]), "video"
    )
    fragments = file_of(session, path_of(video)).elements()[0x7FE00010].fragments or ()
    expect(b"".join(fragments[1:]).rstrip(b"\0") == drawn.VIDEO.rstrip(b"\0"), "the video is another")
    return "three JPEG 2000 frames, a video in one part"


@shows("S-08")
def descriptions_of_pixels_are_derived(session: Session) -> str:
    colour = RGB_JPEG.frames[0]
    cases: dict[str, tuple[bytes, str, tuple[int, int, int, int]]] = {
        "JPEG": (SAMPLES["50"].frames[0], "image/jpeg", (ROWS, COLUMNS, 1, 8)),
        "colour JPEG": (colour, "image/jpeg", (ROWS, COLUMNS, 3, 8)),
        "JPEG 2000": (SAMPLES["90"].frames[0], "image/jp2", (ROWS, COLUMNS, 1, 16)),
        "HTJ2K": (SAMPLES["201"].frames[0], "image/jphc", (ROWS, COLUMNS, 1, 16)),
    }
    for what, (codestream, media_type, wanted) in cases.items():
        data_set = new_data_set(session, SECONDARY_CAPTURE, x7FE00010={"vr": "OB", "BulkDataURI": "px"})
        parts = [metadata_part([data_set]), bulk_part("px", codestream, media_type)]
        _expect_stored(post(session, JSON, parts), what)
        seen = session.metadata(path_of(data_set))[0]
        numbers = tuple(first(seen, tag) for tag in ("00280010", "00280011", "00280002", "00280100"))
        expect_equal(numbers, wanted, f"{what}: Rows, Columns, Samples per Pixel, Bits Allocated")
        fragments = file_of(session, path_of(data_set)).elements()[0x7FE00010].fragments or ()
        expect(fragments[-1].rstrip(b"\0") == codestream.rstrip(b"\0"), f"{what}: the codestream was changed")
        expect_equal(len(frame(session, data_set)), ROWS * COLUMNS * wanted[2] * wanted[3] // 8, what)
    return ", ".join(cases) + ": kept as they are"


def _png(width: int, rows: Sequence[bytes], kind: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    head = struct.pack(">IIBBBBB", width, len(rows), 8, kind, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@shows("S-09", "S-08")
def png_and_gif_become_native_pixels(session: Session) -> str:
    grey = bytes(range(0, 240, 2))
    colour = bytes((index * 7) & 0xFF for index in range(360))
    grey_png = _png(12, [grey[start : start + 12] for start in range(0, 120, 12)], 0)
    colour_png = _png(12, [colour[start : start + 36] for start in range(0, 360, 36)], 2)
    for what, content, pixels, samples in (("grey", grey_png, grey, 1), ("colour", colour_png, colour, 3)):
        data_set = new_data_set(session, SECONDARY_CAPTURE, x7FE00010={"vr": "OB", "BulkDataURI": "px"})
        parts = [metadata_part([data_set]), bulk_part("px", content, "image/png")]
        _expect_stored(post(session, JSON, parts), f"{what} PNG")
        seen = session.metadata(path_of(data_set))[0]
        expect_equal(first(seen, "00280002"), samples, f"{what}: Samples per Pixel")
        expect(frame(session, data_set) == pixels, f"{what} PNG: other pixels")
    pictures_ = [Image.frombytes("L", (16, 8), bytes([index * 90]) * 128) for index in range(3)]
    film = io.BytesIO()
    pictures_[0].save(film, "GIF", save_all=True, append_images=pictures_[1:], duration=100)
    data_set = new_data_set(session, MULTIFRAME_COLOR, x7FE00010={"vr": "OB", "BulkDataURI": "g"})
    parts = [metadata_part([data_set]), bulk_part("g", film.getvalue(), "image/gif")]
    _expect_stored(post(session, JSON, parts), "animated GIF")
    seen = session.metadata(path_of(data_set))[0]
    expect_equal(int(first(seen, "00280008")), 3, "Number of Frames of the GIF")
    greys = [frame(session, data_set, number)[0] for number in (1, 2, 3)]
    expect_equal(greys, [0, 90, 180], "greys of its frames")
    return "grey and colour PNG bit for bit, an animated GIF as three frames"


@shows("S-10", "W-41")
def documents_are_wrapped(session: Session) -> str:
    data_set = new_data_set(
        session,
        ENCAPSULATED_PDF,
        x00420012=value("LO", "application/pdf"),
        x00420011={"vr": "OB", "BulkDataURI": "doc"},
    )
    parts = [metadata_part([data_set]), bulk_part("doc", PDF, "application/pdf")]
    _expect_stored(post(session, JSON, parts), "PDF")
    elements = file_of(session, path_of(data_set)).elements()
    expect(elements[0x00420011].value == PDF + bytes(len(PDF) % 2), "the document is another")
    expect(0x00420015 in elements, "no Encapsulated Document Length")
    expect_equal(elements[0x00420015].number, len(PDF), "Encapsulated Document Length")
    expect_equal(elements[0x00420012].text, "application/pdf", "its MIME type")
    response = session.get(path_of(data_set) + "/rendered", accept="application/pdf")
    expect(response.content == PDF, "rendered gives another document")
    return f"{len(PDF)} bytes of odd length"


@shows("S-15", "S-05", "S-41")
def a_missing_bulkdata_part_fails_its_instance_only(session: Session) -> str:
    good = _described(session, ROWS, COLUMNS, 16, 12)
    bad = _described(session, ROWS, COLUMNS, 16, 12)
    good["7FE00010"] = {"vr": "OW", "BulkDataURI": "there"}
    bad["7FE00010"] = {"vr": "OW", "BulkDataURI": "not-there"}
    answer = post(session, JSON, [metadata_part([bad, good]), bulk_part("there", picture("gray16", 0))])
    expect_equal(answer.status, 202, "status")
    expect_equal(answer.stored, [first(good, _SOP)], "stored")
    expect_equal(list(answer.failed), [first(bad, _SOP)], "failed")
    expect(
        session.get(path_of(bad) + "/metadata", accept=JSON).status_code in (404, 410),
        "it is there all the same",
    )
    return "one stored, one failed"


@shows("S-06", "S-30", "P-01")
def file_meta_information_is_made(session: Session) -> str:
    data_set = new_data_set(session, drawn.RAW_DATA)
    _expect_stored(post(session, JSON, [metadata_part([data_set])]), "metadata without bulkdata")
    file = file_of(session, path_of(data_set))
    expect_equal(file.transfer_syntax_uid, EXPLICIT, "transfer syntax")
    expect_equal(file.meta[0x00020003].text, first(data_set, _SOP), "Media Storage SOP Instance UID")
    expect(not [tag for tag in file.elements() if tag >> 16 == 2], "group 2 in the data set")
    return "from the parts' media types"


@shows("S-04", "S-28", "B-03", bad_input=True)
def malformed_metadata_are_refused(session: Session) -> str:
    sound = new_data_set(session, drawn.RAW_DATA)
    bodies: dict[str, bytes] = {
        "no JSON": b"{",
        "empty": b"",
        "a number": b"7",
        "not UTF-8": b'[{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "\xff\xfe"}]}}]',
        "no UIDs": b"[{}]",
        "nested 2,000 deep": _nested(2000),
        "a wrong tag": json.dumps([sound | {"0010001G": value("LO", "x")}]).encode(),
        "a value for a number": json.dumps([sound | {"00280010": value("US", "many")}]).encode(),
        "group 2": json.dumps([sound | {"00020010": value("UI", "1.2.3")}]).encode(),
    }
    accepted = {"group 2", "a wrong tag", "a value for a number"}
    for what, body in bodies.items():
        answer = post(session, JSON, [({"Content-Type": JSON}, body)])
        expect(400 <= answer.status < 500 or what in accepted, f"{what}: {answer.status}")
    last = new_data_set(session, drawn.RAW_DATA)
    _expect_stored(post(session, JSON, [metadata_part([last])]), "the request after them")
    return ", ".join(bodies) + ": 4xx or stored without it, the next request works"


def _nested(depth: int) -> bytes:
    return b"[" + b'{"00081140":{"vr":"SQ","Value":[' * depth + b"{}" + b"]}}" * depth + b"]"


@shows("S-03", "S-04")
def metadata_alone_as_a_single_body(session: Session) -> str:
    data_set = new_data_set(session, drawn.RAW_DATA)
    answer = session.store_body(json.dumps([data_set]).encode(), JSON)
    if answer.status == 415:
        return "415"
    _expect_stored(answer, "application/dicom+json as the body")
    expect_equal(len(session.metadata(path_of(data_set))), 1, "metadata")
    return "stored"


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
    data_set[_SOP] = value("UI", session.new_uid())
    _expect_stored(post(session, JSON, [metadata_part([data_set]), *parts]), "STOW")
    again = session.metadata(path_of(data_set))[0]
    for tag in ("00100010", "00081030"):
        expect_equal(again[tag], data_set[tag], tag)
    expect(frame(session, data_set) == native_pixels(session, instance), "other pixels")
    return "Latin-1 text comes back the same"


def native_pixels(session: Session, instance: Instance) -> bytes:
    """The first frame of an instance."""
    return session.parts(instance.path + "/frames/1", OCTETS)[0].content
