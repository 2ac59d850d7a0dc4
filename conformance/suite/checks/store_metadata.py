"""STOW-RS of metadata with bulkdata, in JSON and in XML (PS3.18 10.5.2, 8.6.1.2, Annex F and PS3.19)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.multipart import BOUNDARY, write_related
from conformance.suite.objects import (
    ENCAPSULATED_PDF,
    PDF,
    SECONDARY_CAPTURE,
)
from conformance.suite.part10 import EXPLICIT
from conformance.suite.reader import File, read_file
from conformance.suite.samples import COLUMNS, ROWS, picture
from conformance.suite.session import JSON, OCTETS, STORED, Attributes, Session, StoreAnswer, first

XML = "application/dicom+xml"
XML_PARTS = f'multipart/related; type="{XML}"'
SOP = "00080018"
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
        SOP: value("UI", session.new_uid()),
        "00080060": value("CS", "OT"),
        "00100010": value("PN", {"Alphabetic": "Conformance^Suite"}),
        "00100020": value("LO", session.token),
        "0020000D": value("UI", study),
        "0020000E": value("UI", session.new_uid()),
    }
    return data_set | {name.removeprefix("x"): one for name, one in more.items()}


def path_of(data_set: Attributes) -> str:
    study, series, sop = (first(data_set, tag) for tag in ("0020000D", "0020000E", SOP))
    return f"/studies/{study}/series/{series}/instances/{sop}"


def file_of(session: Session, path: str) -> File:
    """The instance as stored."""
    return read_file(session.parts(path, STORED)[0].content)


def frame(session: Session, data_set: Attributes, number: int = 1) -> bytes:
    return session.parts(f"{path_of(data_set)}/frames/{number}", OCTETS)[0].content


def expect_stored(answer: StoreAnswer, what: str) -> None:
    expect(
        answer.status == 200 or (answer.status == 202 and not answer.failed),
        f"{what}: {answer.status}, failures {sorted(set(answer.failed.values()))}",
    )


@shows("S-04", "S-43", "G-64")
def several_data_sets_in_one_request(session: Session) -> str:
    one = described(session, ROWS, COLUMNS, 16, 12)
    two = described(session, ROWS, COLUMNS, 16, 12) | {
        "0020000D": one["0020000D"],
        "0020000E": one["0020000E"],
    }
    one["7FE00010"] = {"vr": "OW", "BulkDataURI": "one"}
    two["7FE00010"] = {"vr": "OW", "BulkDataURI": "two"}
    parts = [bulk_part("two", picture("gray16", 1)), bulk_part("one", picture("gray16", 0))]
    answer = post(session, JSON, [metadata_part([one, two]), *parts])
    expect_stored(answer, "two data sets of one JSON part")
    expect_equal(sorted(answer.stored), sorted([first(one, SOP), first(two, SOP)]), "stored instances")
    expect(frame(session, one) == picture("gray16", 0), "pixels of the first")
    expect(frame(session, two) == picture("gray16", 1), "pixels of the second")
    return "each with its own bulkdata, whatever their order"


def described(
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
        data_set = described(session, ROWS, COLUMNS, 16, 12)
        data_set["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
        parts = [metadata_part([data_set]), bulk_part(location, picture("gray16", 0))]
        expect_stored(post(session, JSON, parts), what)
        expect(frame(session, data_set) == picture("gray16", 0), f"{what}: other pixels")
    data_set = described(session, ROWS, COLUMNS, 16, 12)
    data_set["7FE00010"] = {"vr": "OW", "BulkDataURI": "p"}
    head, body = metadata_part([data_set])
    parts = [({**head, "Content-ID": "<root@suite>"}, body), bulk_part("p", picture("gray16", 0))]
    expect_stored(post(session, JSON, parts, start="<root@suite>"), "start parameter")
    return ", ".join(cases) + "; start names the root part"


@shows("S-10", "W-41")
def documents_are_wrapped(session: Session) -> str:
    data_set = new_data_set(
        session,
        ENCAPSULATED_PDF,
        x00420012=value("LO", "application/pdf"),
        x00420011={"vr": "OB", "BulkDataURI": "doc"},
    )
    parts = [metadata_part([data_set]), bulk_part("doc", PDF, "application/pdf")]
    expect_stored(post(session, JSON, parts), "PDF")
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
    good = described(session, ROWS, COLUMNS, 16, 12)
    bad = described(session, ROWS, COLUMNS, 16, 12)
    good["7FE00010"] = {"vr": "OW", "BulkDataURI": "there"}
    bad["7FE00010"] = {"vr": "OW", "BulkDataURI": "not-there"}
    answer = post(session, JSON, [metadata_part([bad, good]), bulk_part("there", picture("gray16", 0))])
    expect_equal(answer.status, 202, "status")
    expect_equal(answer.stored, [first(good, SOP)], "stored")
    expect_equal(list(answer.failed), [first(bad, SOP)], "failed")
    expect(
        session.get(path_of(bad) + "/metadata", accept=JSON).status_code in (404, 410),
        "it is there all the same",
    )
    return "one stored, one failed"


@shows("S-06", "S-30", "P-01")
def file_meta_information_is_made(session: Session) -> str:
    data_set = new_data_set(session, drawn.RAW_DATA)
    expect_stored(post(session, JSON, [metadata_part([data_set])]), "metadata without bulkdata")
    file = file_of(session, path_of(data_set))
    expect_equal(file.transfer_syntax_uid, EXPLICIT, "transfer syntax")
    expect_equal(file.meta[0x00020003].text, first(data_set, SOP), "Media Storage SOP Instance UID")
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
    expect_stored(post(session, JSON, [metadata_part([last])]), "the request after them")
    return ", ".join(bodies) + ": 4xx or stored without it, the next request works"


def _nested(depth: int) -> bytes:
    return b"[" + b'{"00081140":{"vr":"SQ","Value":[' * depth + b"{}" + b"]}}" * depth + b"]"


@shows("S-03", "S-04")
def metadata_alone_as_a_single_body(session: Session) -> str:
    data_set = new_data_set(session, drawn.RAW_DATA)
    answer = session.store_body(json.dumps([data_set]).encode(), JSON)
    if answer.status == 415:
        return "415"
    expect_stored(answer, "application/dicom+json as the body")
    expect_equal(len(session.metadata(path_of(data_set))), 1, "metadata")
    return "stored"


@shows("J-19", bad_input=True)
def json_is_read_leniently_but_not_twice(session: Session) -> str:
    data_set = new_data_set(
        session,
        drawn.RAW_DATA,
        x00081030=value("LO", "Description") | {"comment": "not of the model"},
        x00091001={"vr": "ZZ", "InlineBinary": "AQI="},
        x00090010=value("LO", "CONFORMANCE"),
    )
    expect_stored(post(session, JSON, [metadata_part([data_set])]), "an unknown VR and an extra property")
    found = session.metadata(path_of(data_set))[0]
    expect_equal(found["00081030"], value("LO", "Description"), "beside an extra property")
    expect_equal(found["00091001"], {"vr": "UN", "InlineBinary": "AQI="}, "an unknown VR")
    twice = new_data_set(session, drawn.RAW_DATA, x00091001=value("LO", "a") | {"InlineBinary": "YSA="})
    answer = post(session, JSON, [metadata_part([twice])])
    expect(400 <= answer.status < 500, f"a value in two forms: {answer.status}")
    return "unknown VR as UN, an extra property ignored, a value in two forms refused"
