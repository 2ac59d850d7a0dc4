"""Bulkdata: which values are sent by URI, and what those URIs give (PS3.18 10.4.1.1.5, F.2.6)."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.metadata import bytes_of, whole_zoo, zoo_tags
from conformance.suite.objects import PDF, Form, Instance, make, native_image
from conformance.suite.part10 import BIG_ENDIAN, Element, attributes
from conformance.suite.samples import picture
from conformance.suite.session import Session

LONG = bytes(range(256)) * 64


@shows("J-16", "V-04", "G-02")
def bulk_data_uris_are_absolute_and_answer(session: Session) -> str:
    seen = 0
    for instance in (pictures.native(session), pictures.document(session), bulky(session)):
        for attribute in session.metadata(instance.path)[0].values():
            uri = attribute.get("BulkDataURI")
            if uri:
                expect(uri.startswith(("http://", "https://")), f"{uri} is not absolute")
                expect_equal(session.get(uri).status_code, 200, f"GET {uri}")
                seen += 1
    expect(seen >= 3, f"only {seen} BulkDataURIs")
    return f"{seen} URIs, all answer 200"


def bulky(session: Session) -> Instance:
    """Long values: in the data set, in nested items, in a private element, an icon."""

    def store(run: Session) -> Instance:
        inner = attributes(WaveformData=LONG, WaveformBitsAllocated=16)
        icon = attributes(Rows=2, Columns=2)
        icon[0x7FE00010] = Element("OB", b"icon")
        extra = attributes(
            WaveformSequence=[attributes(WaveformBitsAllocated=8), inner], IconImageSequence=[icon]
        )
        extra[0x00090010] = Element("LO", "CONFORMANCE SUITE")
        extra[0x00091001] = Element("OB", LONG)
        extra[0x00091002] = Element("SQ", [{0x00091003: Element("UN", LONG[::-1])}])
        instance = make(run, extra=extra)
        run.stored(instance)
        return instance

    return session.once("an instance with bulk values", store)


@shows("W-39", "W-04", "W-38")
def nested_and_private_bulkdata_is_addressable(session: Session) -> str:
    metadata = session.metadata(bulky(session).path)[0]
    wave = metadata["54000100"]["Value"][1]["54001010"]
    private = metadata["00091001"]
    nested = metadata["00091002"]["Value"][0]["00091003"]
    for name, attribute, wanted in (
        ("waveform", wave, LONG),
        ("private", private, LONG),
        ("nested", nested, LONG[::-1]),
    ):
        expect("BulkDataURI" in attribute, f"{name}: {sorted(attribute)}")
        expect(bytes_of(session, attribute) == wanted, f"{name}: other bytes")
    return "second item of a sequence, private element, private item"


@shows("J-17")
def small_values_are_inline(session: Session) -> str:
    metadata = session.metadata(bulky(session).path)[0]
    icon = metadata["00880200"]["Value"][0]["7FE00010"]
    expect("BulkDataURI" in icon or "InlineBinary" in icon, f"icon {sorted(icon)}")
    _, zoo = whole_zoo(session)
    by_uri = [vr for vr, tag in zoo_tags().items() if "BulkDataURI" in zoo[tag]]
    expect(set(by_uri) <= {"OF", "OD"}, f"small values by BulkDataURI: {by_uri}")
    small = make(session, extra=small_private_number())
    session.stored(small)
    value = session.metadata(small.path)[0]["70531000"]
    expect("BulkDataURI" not in value, "a private scalar of 8 bytes by BulkDataURI")
    return "values of some bytes inline, Pixel Data by URI"


def small_private_number() -> dict[int, Element]:
    """The factor that a viewer multiplies by to get Standardised Uptake Values."""
    return {0x70530010: Element("LO", "Philips PET Private Group"), 0x70531000: Element("DS", "0.12345 ")}


@shows("W-38", "V-16", "M-03", "G-63", "W-04")
def bulkdata_in_every_form_clients_ask_for(session: Session) -> str:
    document = pictures.document(session)
    uri = session.metadata(document.path)[0]["00420011"]["BulkDataURI"]
    for accept in ("*/*", "application/octet-stream"):
        content = session.get(uri, accept=accept).content
        expect(content in (PDF, PDF + b"\0"), f"Accept {accept}: other bytes")
    for media_type in ("application/octet-stream", "application/pdf"):
        parts = session.parts(uri, f'multipart/related; type="{media_type}"')
        expect(parts[0].content in (PDF, PDF + b"\0"), f"multipart {media_type}: other bytes")
        expect_equal(parts[0].headers.get("content-location"), uri, "Content-Location")
    return "*/*, single part, multipart octet-stream and application/pdf; Content-Location is the URI"


@shows("W-38", "M-17", "M-16")
def pixel_bulkdata_is_little_endian(session: Session) -> str:
    image = native_image(session, frames=2, form=Form(BIG_ENDIAN))
    session.stored(image)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    wanted = picture("gray16", 0) + picture("gray16", 1)
    response = session.get(uri, accept="application/octet-stream")
    expect_equal(response.status_code, 200, "single part")
    expect(response.content == wanted, "other bytes")
    return "both frames in one piece, swapped"


@shows("H-05")
def ranges_of_single_part_bulkdata(session: Session) -> str:
    image = pictures.native_frames(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    accept = "application/octet-stream"
    whole = session.get(uri, accept=accept).content
    cases = {
        "bytes=0-9": whole[:10],
        "bytes=100-": whole[100:],
        "bytes=-7": whole[-7:],
        "bytes=5-5": whole[5:6],
    }
    for header, wanted in cases.items():
        response = session.get(uri, accept=accept, headers={"Range": header})
        expect_equal(response.status_code, 206, header)
        expect(response.content == wanted, f"{header}: other bytes")
        expect(
            response.headers.get("content-range", "").endswith(f"/{len(whole)}"), f"{header}: Content-Range"
        )
    response = session.get(uri, accept=accept, headers={"Range": f"bytes={len(whole)}-"})
    expect_equal(response.status_code, 416, "a range beyond the end")
    expect_equal(response.headers.get("content-range"), f"bytes */{len(whole)}", "Content-Range of the 416")
    stale = session.get(uri, accept=accept, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    expect_equal(stale.status_code, 200, "If-Range that does not match")
    return "206 with Content-Range, 416, If-Range"
