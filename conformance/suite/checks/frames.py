"""Frames, decoded and as stored (PS3.18 10.4.1.1.6, 8.7.3.3)."""

from __future__ import annotations

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.multipart import Part
from conformance.suite.objects import (
    MULTIFRAME_BIT,
    Form,
    Instance,
    compressed_image,
    encapsulated_image,
    make,
    native_image,
    picture_module,
)
from conformance.suite.part10 import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Element, attributes
from conformance.suite.samples import SAMPLES, picture
from conformance.suite.session import OCTETS, Session

ANY_OCTETS = f"{OCTETS}; transfer-syntax=*"
JPEG_LS, J2K = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"


def _frames(session: Session, image: Instance, numbers: str, accept: str = OCTETS) -> list[Part]:
    return session.parts(f"{image.path}/frames/{numbers}", accept)


@shows("W-03", "W-32", "G-66", "M-16")
def native_frames_in_request_order(session: Session) -> str:
    image = pictures.native_frames(session)
    parts = _frames(session, image, "1,3,4")
    expect_equal([part.content for part in parts], [picture("gray16", n) for n in (0, 2, 3)], "frames 1,3,4")
    expect_equal(
        {part.content_type[0] for part in parts}, {"application/octet-stream"}, "Content-Type of parts"
    )
    return "exact bytes, one part a frame"


@shows("G-66")
def frame_parts_have_a_content_location(session: Session) -> str:
    image = pictures.native_frames(session)
    where = [part.headers.get("content-location", "") for part in _frames(session, image, "2,4")]
    ends = [f"{image.path}/frames/{number}" for number in (2, 4)]
    expect(all(one.endswith(end) for one, end in zip(where, ends, strict=True)), f"Content-Location {where}")
    return where[0][-9:]


@shows("W-30")
def malformed_frame_lists_are_400(session: Session) -> str:
    image = pictures.native_frames(session)
    for numbers in ("0", "-1", "x", "1,,2", "1,", "1.5", "0,1", "1,-1", "%31%2Cx"):
        status = session.get(f"{image.path}/frames/{numbers}", accept=OCTETS).status_code
        expect_equal(status, 400, f"frames/{numbers}")
    return "0, negative, no number, empty element: 400"


@shows("W-30", "W-61")
def frames_beyond_the_last_are_404(session: Session) -> str:
    for image, number in ((pictures.native_frames(session), 5), (pictures.native(session), 2)):
        status = session.get(f"{image.path}/frames/{number}", accept=OCTETS).status_code
        expect_equal(status, 404, f"frames/{number}")
    status = session.get(f"{pictures.native_frames(session).path}/frames/1,99", accept=OCTETS).status_code
    expect_equal(status, 404, "frames/1,99")
    return "404"


@shows("W-30")
def unsorted_frame_lists(session: Session) -> str:
    image = pictures.native_frames(session)
    response = session.get(f"{image.path}/frames/3,1,3", accept=OCTETS)
    if response.status_code == 400:
        return "400"
    parts = _frames(session, image, "3,1,3")
    expect_equal([part.content for part in parts], [picture("gray16", n) for n in (2, 0, 2)], "frames 3,1,3")
    return "answered in the order asked for"


@shows("W-31")
def single_frame_and_no_pixels(session: Session) -> str:
    expect_equal(_frames(session, pictures.native(session), "1")[0].content, picture("gray16", 0), "frame 1")
    status = session.get(f"{pictures.text_report(session).path}/frames/1", accept=OCTETS).status_code
    expect_equal(status, 404, "frames/1 of a report")
    return "frame 1 of a single-frame image; 404 without pixels"


@shows("W-32", "G-32", "M-17")
def compressed_frames_are_decoded_by_default(session: Session) -> str:
    for image in (pictures.compressed_frames(session), pictures.rle(session)):
        wanted = [picture("gray16", n % 2 if image.transfer_syntax_uid == J2K else n) for n in (1, 2)]
        for accept in (OCTETS, f"{OCTETS}; transfer-syntax={EXPLICIT}"):
            parts = _frames(session, image, "2,3", accept)
            expect_equal([part.content for part in parts], wanted, f"{image.transfer_syntax_uid} frames 2,3")
    for uid in (BIG_ENDIAN, IMPLICIT, DEFLATED):
        native = native_image(session, frames=3, form=Form(uid))
        session.stored(native)
        seen = [part.content for part in _frames(session, native, "2,3")]
        expect_equal(seen, [picture("gray16", 1), picture("gray16", 2)], f"frames 2,3 from {uid}")
        metadata = session.metadata(native.path)[0]
        expect("7FE00010" in metadata, f"no Pixel Data in the metadata of {uid}")
        uri = metadata["7FE00010"]["BulkDataURI"]
        whole = session.parts(uri, OCTETS)[0].content
        expect(whole == b"".join(picture("gray16", n) for n in range(3)), f"Pixel Data by URI from {uid}")
    return "JPEG 2000, RLE, big-endian, implicit, deflated: exact little-endian frames"


@shows("W-33", "M-11", "M-15", "M-16", "W-34", "M-13")
def compressed_frames_are_given_by_their_media_type(session: Session) -> str:
    types = {"70": "image/jpeg", "80": "image/jls", "90": "image/jp2", "201": "image/jphc"}
    types |= {
        "50": "image/jpeg",
        "81": "image/jls",
        "91": "image/jp2",
        "203": "image/jphc",
        "110": "image/jxl",
    }
    for key, media_type in types.items():
        image = pictures.compressed(session, key)
        sample = SAMPLES[key]
        for accept in (
            f'multipart/related; type="{media_type}"',
            f'multipart/related; type="{media_type}"; transfer-syntax={sample.transfer_syntax_uid}',
            f'multipart/related; type="{media_type}"; transfer-syntax=*',
        ):
            part = _frames(session, image, "1", accept)[0]
            _check_codestream(part, sample.frames[0], media_type, sample.transfer_syntax_uid, accept)
    return f"bare codestreams as {', '.join(sorted(set(types.values())))}, stored wins"


def _check_codestream(part: Part, stored: bytes, media_type: str, uid: str, accept: str) -> None:
    expect_equal(part.content_type[0], media_type, f"Content-Type of the part for {accept}")
    expect_equal(
        part.content_type[1].get("transfer-syntax"), uid, f"transfer-syntax of the part for {accept}"
    )
    padded = stored + bytes(len(stored) % 2)
    expect(part.content in (stored, padded), f"{accept}: not the stored codestream")


@shows("M-11", "G-38")
def rle_frames_and_legacy_names(session: Session) -> str:
    image = pictures.rle(session)
    for media_type in ("image/dicom-rle", "image/x-dicom-rle", "image/dicom+rle"):
        response = session.get(f"{image.path}/frames/1", accept=f'multipart/related; type="{media_type}"')
        if media_type != "image/dicom+rle":
            expect_equal(response.status_code, 200, media_type)
    image = pictures.compressed(session, "80")
    expect_equal(len(_frames(session, image, "1", 'multipart/related; type="image/x-jls"')), 1, "image/x-jls")
    image = pictures.compressed(session, "90")
    expect_equal(
        len(_frames(session, image, "1", 'multipart/related; type="image/dicom+jp2"')), 1, "dicom+jp2"
    )
    return "image/dicom-rle, image/x-dicom-rle, image/x-jls, image/dicom+jp2"


@shows("Z-05", "V-01", "W-33", "V-12", "G-24")
def frames_as_stored(session: Session) -> str:
    accepts = (
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
        'multipart/related; type="*/*"',
        'multipart/related; type="*/*"; transfer-syntax=*',
    )
    media_types = {"90": "image/jp2", "80": "image/jls", "201": "image/jphc"}
    for key, media_type in media_types.items():
        image = pictures.compressed(session, key)
        for accept in accepts:
            part = _frames(session, image, "1", accept)[0]
            _check_codestream(part, SAMPLES[key].frames[0], media_type, image.transfer_syntax_uid, accept)
    native = _frames(session, pictures.native(session), "1", accepts[0])[0]
    expect_equal(native.content, picture("gray16", 0), "native frame as stored")
    expect_equal(native.content_type[1].get("transfer-syntax", EXPLICIT), EXPLICIT, "its transfer-syntax")
    return "stored codestream, labelled with its true type and syntax"


@shows("V-18", "G-23")
def whole_slide_viewers_ask_for_eight_alternatives(session: Session) -> str:
    asked = [("image/jls", "80"), ("image/jls", "81"), ("image/jp2", "90"), ("image/jp2", "91")]
    asked += [("image/jpx", "92"), ("image/jpx", "93")]
    accept = ", ".join(
        f"multipart/related; type={name}; transfer-syntax=1.2.840.10008.1.2.4.{tail}" for name, tail in asked
    )
    accept += ", multipart/related; type=application/octet-stream; transfer-syntax=*"
    accept += ", multipart/related; type=image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"
    for key in ("80", "91", "50"):
        image = pictures.compressed(session, key)
        part = _frames(session, image, "1", accept)[0]
        named = part.content_type[1].get("transfer-syntax")
        expect_equal(named, image.transfer_syntax_uid, "transfer-syntax of the part")
    return "the stored encoding wins"


@shows("M-13", "W-15", "Z-11")
def compressed_types_that_cannot_be_given_are_406(session: Session) -> str:
    image = pictures.compressed(session, "90")
    wrong = ("image/jls; transfer-syntax=1.2.840.10008.1.2.4.50", "image/png", "video/mpeg")
    for media_type in wrong:
        name, _, rest = media_type.partition(";")
        accept = f'multipart/related; type="{name}"{";" + rest if rest else ""}'
        status = session.get(f"{image.path}/frames/1", accept=accept).status_code
        expect(status in (400, 406), f"{media_type}: {status}")
    return "syntax outside its media type, rendered type, video: 406"


@shows("W-35", "M-03", "G-36")
def one_frame_as_a_single_part(session: Session) -> str:
    image = pictures.compressed(session, "90")
    cases = {
        "application/octet-stream": picture("gray16", 0),
        "image/jp2": SAMPLES["90"].frames[0],
        "application/octet-stream; transfer-syntax=*": SAMPLES["90"].frames[0],
    }
    for accept, wanted in cases.items():
        response = session.get(f"{image.path}/frames/1", accept=accept)
        expect_equal(response.status_code, 200, accept)
        expect(response.content in (wanted, wanted + b"\0"), f"{accept}: other bytes")
    several = f"{pictures.compressed_frames(session).path}/frames/1,2"
    status = session.get(several, accept="application/octet-stream").status_code
    expect_equal(status, 406, "two frames as a single part")
    return "octet-stream, image/jp2; two frames as a single part 406"


@shows("W-37", "P-08", "P-09", "P-10")
def frames_are_found_whatever_the_offset_tables(session: Session) -> str:
    wrong = []
    for table in ("full", "empty", "extended"):
        for fragments in (1, 3):
            if table == "extended" and fragments > 1:
                continue
            image = compressed_image(session, "90", frames=3, fragments=fragments, table=table)
            session.stored(image)
            parts = _frames(session, image, "2,3")
            if [part.content for part in parts] != [picture("gray16", 1), picture("gray16", 0)]:
                wrong.append(f"{table} table, {fragments} fragment(s) a frame")
    expect(not wrong, f"wrong frames with {', '.join(wrong)}")
    return "basic, empty, extended tables; 1 and 3 fragments a frame"


@shows("W-37", "P-10")
def a_single_frame_of_many_fragments_is_joined(session: Session) -> str:
    image = compressed_image(session, "80", fragments=5, table="empty")
    session.stored(image)
    expect_equal(_frames(session, image, "1")[0].content, picture("gray16", 0), "decoded frame")
    stored = _frames(session, image, "1", 'multipart/related; type="image/jls"')[0].content
    expect(stored.rstrip(b"\0") == SAMPLES["80"].frames[0].rstrip(b"\0"), "the codestream is not whole")
    return "5 fragments"


@shows("W-37")
def frames_of_video_are_refused(session: Session) -> str:
    stream = bytes([0, 0, 1, 0xB3]) + bytes(range(256)) * 4
    module = picture_module("smooth8") | attributes(NumberOfFrames=30)
    uid = "1.2.840.10008.1.2.4.102"
    video = encapsulated_image(session, uid, [stream], module, table="empty")
    session.stored(video)
    status = session.get(f"{video.path}/frames/1", accept=OCTETS).status_code
    expect(status in (404, 406), f"status {status}")
    return str(status)


def _bits(session: Session) -> Instance:
    """Three frames of 3 rows by 5 columns of one bit each: 15 bits a frame, no padding between frames."""
    pattern = [(n * 7 + n // 3) % 3 == 0 for n in range(45)]
    packed = bytearray(6)
    for index, bit in enumerate(pattern):
        packed[index // 8] |= bit << (index % 8)
    module = attributes(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=3,
        Columns=5,
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelRepresentation=0,
        NumberOfFrames=3,
    )
    module[0x7FE00010] = Element("OB", bytes(packed))
    return make(session, sop_class=MULTIFRAME_BIT, extra=module)


@shows("M-18")
def one_bit_frames_are_cut_bit_by_bit(session: Session) -> str:
    image = _bits(session)
    session.stored(image)
    value = image.elements[0x7FE00010].value
    assert isinstance(value, bytes)
    whole = int.from_bytes(value, "little")
    for number in (1, 2, 3):
        wanted = (whole >> 15 * (number - 1) & 0x7FFF).to_bytes(2, "little")
        seen = _frames(session, image, str(number))[0].content
        expect_equal(seen, wanted, f"frame {number}")
    return "15-bit frames start at bit 0 of their part"
