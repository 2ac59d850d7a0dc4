"""Legal but awkward objects: odd lengths, colour by plane, UN of undefined length, private numbers, video."""

from __future__ import annotations

import json
import struct

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.bulkdata import small_private_number
from conformance.suite.checks.metadata import bytes_of, zoo_elements
from conformance.suite.checks.retrieve import one_file
from conformance.suite.multipart import read_related
from conformance.suite.objects import (
    MULTIFRAME_BYTE,
    Form,
    compressed_image,
    encapsulated_image,
    finish,
    make,
    native_image,
    picture_module,
    rle_frame,
    rle_image,
)
from conformance.suite.part10 import BIG_ENDIAN, IMPLICIT, RLE, Element, attributes
from conformance.suite.reader import read_file
from conformance.suite.samples import SAMPLES, picture
from conformance.suite.session import DICOM, JSON, OCTETS, STORED, Session, first

J2K = SAMPLES["90"].transfer_syntax_uid


@shows("P-05", "W-19")
def un_of_undefined_length_is_an_implicit_sequence(session: Session) -> str:
    inner = struct.pack("<HHI", 0x0008, 0x0104, 6) + b"inside"
    opening = struct.pack("<HH2sHIHHI", 0x3003, 0x0100, b"UN", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    plain = make(session)
    session.studies.add(plain.study)
    answer = session.store_parts([plain.data + opening + inner + closing])
    expect_equal(answer.status, 200, "status")
    element = session.metadata(plain.path)[0].get("30030100", {})
    item = first({"x": element}, "x", {})
    expect(isinstance(item, dict) and first(item, "00080104") == "inside", f"in the metadata: {element}")
    file = one_file(session, plain, STORED)
    expect(file.dataset.endswith(opening + inner + closing), "not the stored bytes")
    one_file(session, plain).elements()
    return f"an item is read, vr {element.get('vr')}"


@shows("W-32")
def frames_of_odd_length_have_no_padding(session: Session) -> str:
    frames = [bytes((n * 7 + index) % 251 for index in range(15)) for n in range(3)]
    module = picture_module("smooth8") | attributes(Rows=3, Columns=5, NumberOfFrames=3)
    native = make(
        session,
        sop_class=MULTIFRAME_BYTE,
        extra=module | {0x7FE00010: Element("OB", b"".join(frames))},
    )
    session.stored(native)
    for number, wanted in enumerate(frames, start=1):
        seen = session.parts(f"{native.path}/frames/{number}", OCTETS)[0].content
        expect_equal(seen, wanted, f"native frame {number}")
    return "15 bytes each"


@shows("W-12", "W-13", "Z-08")
def rle_colour_comes_out_by_pixel(session: Session) -> str:
    wanted = picture("rgb", 0)
    planes = b"".join(wanted[sample::3] for sample in range(3))
    segments = rle_frame(_interleaved_for_segments(planes), 3)
    image = encapsulated_image(session, RLE, [segments], picture_module("rgb"))
    session.stored(image)
    elements = one_file(session, image).elements()
    value, planar = elements[0x7FE00010].value, elements[0x00280006].number
    expect(value == (planes if planar else wanted), f"pixels do not fit PlanarConfiguration {planar}")
    frame = session.parts(image.path + "/frames/1", OCTETS)[0].content
    expect(frame == (planes if planar else wanted), "the frame is another than the instance's pixels")
    ybr = encapsulated_image(session, RLE, [segments], picture_module("rgb", photometric="YBR_FULL"))
    session.stored(ybr)
    elements = one_file(session, ybr).elements()
    expect_equal(elements[0x00280004].text, "YBR_FULL", "PhotometricInterpretation of lossless YBR_FULL")
    expect(elements[0x7FE00010].value == value, "YBR_FULL: other bytes")
    return f"PlanarConfiguration {planar}; YBR_FULL stays YBR_FULL"


def _interleaved_for_segments(planes: bytes) -> bytes:
    """Bytes such that segment k (counted from the last byte of a pixel) is plane k."""
    size = len(planes) // 3
    return b"".join(bytes((planes[2 * size + n], planes[size + n], planes[n])) for n in range(size))


@shows("W-13", "P-09")
def offset_tables_go_when_pixels_are_decoded(session: Session) -> str:
    image = compressed_image(session, "90", frames=2, table="extended")
    session.stored(image)
    elements = one_file(session, image).elements()
    left = [tag for tag in (0x7FE00001, 0x7FE00002, 0x7FE00003) if tag in elements]
    expect(not left, "the Extended Offset Table is still there")
    expect_equal(elements[0x7FE00010].value, picture("gray16", 0) + picture("gray16", 1), "pixels")
    return "no Extended Offset Table in the decoded instance"


@shows("J-07")
def decimal_strings_keep_their_digits(session: Session) -> str:
    digits = ["0.10000000000001", "-1.5", "100", "0.50", "1e3"]
    instance = make(session, ImagePositionPatient=digits)
    session.stored(instance)
    text = session.get(instance.path + "/metadata", accept=JSON).text
    found = json.loads(text, parse_float=str, parse_int=str)[0]["00200032"]["Value"]
    expect_equal(found, digits, "DS as written in the JSON")
    return ", ".join(digits)


@shows("J-10", "J-07", "P-06")
def big_endian_values_mean_the_same(session: Session) -> str:
    plain = make(session, extra=zoo_elements())
    swapped = make(session, extra=zoo_elements(), form=Form(BIG_ENDIAN))
    session.stored(plain, swapped)
    one, two = (session.metadata(instance.path)[0] for instance in (plain, swapped))
    differing = []
    for tag in sorted(set(one) | set(two)):
        if tag in ("00080018", "0020000D", "0020000E"):
            continue
        if "BulkDataURI" in one.get(tag, {}):
            if bytes_of(session, one[tag]) != bytes_of(session, two.get(tag, {"InlineBinary": ""})):
                differing.append(tag)
        elif one.get(tag) != two.get(tag):
            differing.append(tag)
    expect(not differing, f"big-endian differs in {', '.join(differing)}")
    return f"{len(one)} attributes"


@shows("J-17", "J-13")
def private_numbers_of_known_makers_are_numbers(session: Session) -> str:
    for form in (Form(), Form(IMPLICIT)):
        instance = make(session, form=form, extra=small_private_number())
        session.stored(instance)
        attribute = session.metadata(instance.path)[0]["70531000"]
        expect_equal(attribute, {"vr": "DS", "Value": [0.12345]}, f"SUV factor, {form.transfer_syntax_uid}")
    return "the SUV factor (7053,xx00) is DS with a number, explicit and implicit"


@shows("J-18")
def long_text_is_whole_in_either_form(session: Session) -> str:
    text = "A long report. " * 8000
    instance = make(session, extra={0x0040A160: Element("UT", text)})
    session.stored(instance)
    attribute = session.metadata(instance.path)[0]["0040A160"]
    if "BulkDataURI" in attribute:
        content = session.parts(attribute["BulkDataURI"], OCTETS)[0].content
        expect_equal(content.decode().rstrip(), text.rstrip(), "text by URI")
        return "120,000 characters by BulkDataURI"
    expect_equal(str(first({"x": attribute}, "x")).rstrip(), text.rstrip(), "text inline")
    return "120,000 characters inline"


@shows("G-33", "W-61")
def what_cannot_be_decoded(session: Session) -> str:
    stream = bytes([0, 0, 0, 1, 0x40, 1]) + bytes(range(256)) * 4
    uid = "1.2.840.10008.1.2.4.107"
    video = encapsulated_image(session, uid, [stream], picture_module("smooth8"), table="empty")
    session.stored(video)
    response = session.get(video.path, accept=DICOM)
    if response.status_code == 406:
        return "406 without transfer-syntax"
    expect_equal(response.status_code, 200, "status")
    part = read_related(response.headers["content-type"], response.content)[0]
    expect_equal(read_file(part.content).transfer_syntax_uid, uid, "transfer syntax")
    return "lossy video goes as stored"


@shows("W-60", "Z-02", "G-28")
def what_cannot_be_given_is_never_dropped_silently(session: Session) -> str:
    one = compressed_image(session, "90")
    other = rle_image(session, study=one.study)
    session.stored(one, other)
    response = session.get(one.study_path, accept=f"{DICOM}; transfer-syntax={J2K}")
    parts = read_related(response.headers["content-type"], response.content)
    if len(parts) == 2:
        expect_equal(response.status_code, 200, "status with both instances")
        return "200, both in JPEG 2000"
    expect_equal(response.status_code, 206, f"status with {len(parts)} of 2 instances")
    none = session.get(other.path, accept=f"{DICOM}; transfer-syntax={J2K}")
    expect_equal(none.status_code, 406, "status of the other one alone")
    return "206 with the one that can be given"


@shows("M-16", "M-03")
def compressed_pixel_data_by_its_uri(session: Session) -> str:
    image = pictures.compressed_frames(session)
    uri = session.metadata(image.path)[0]["7FE00010"]["BulkDataURI"]
    stored = session.parts(uri, 'multipart/related; type="image/jp2"')
    expect_equal(len(stored), 4, "parts as image/jp2")
    for index, part in enumerate(stored):
        wanted = SAMPLES["90"].frames[index % 2].rstrip(b"\0")
        expect(part.content.rstrip(b"\0") == wanted, f"frame {index + 1}")
    pixels = b"".join(picture("gray16", index % 2) for index in range(4))
    decoded = session.parts(uri, OCTETS)
    expect_equal(len(decoded), 1, "parts as octet-stream")
    expect(decoded[0].content == pixels, "decoded pixels")
    return "a part a frame compressed, one part with all frames decoded"


@shows("H-05")
def ranges_of_a_single_part_instance(session: Session) -> str:
    image = pictures.native(session)
    accept = "application/dicom; transfer-syntax=*"
    whole = session.get(image.path, accept=accept)
    piece = session.get(image.path, accept=accept, headers={"Range": "bytes=128-131"})
    expect_equal((piece.status_code, piece.content), (206, b"DICM"), "bytes 128 to 131")
    expect_equal(whole.headers.get("accept-ranges"), "bytes", "Accept-Ranges")
    return "206 with DICM"


@shows("S-02", "S-43", "W-01")
def a_request_of_three_hundred_parts(session: Session) -> str:
    study, series = session.new_uid(), session.new_uid()
    made = [make(session, study=study, series=series, InstanceNumber=str(n + 1)) for n in range(300)]
    answer = session.store(*made)
    expect_equal(answer.status, 200, "status")
    expect_equal(sorted(answer.stored), sorted(one.sop for one in made), "ReferencedSOPSequence")
    expect_equal(len(session.metadata(f"/studies/{study}")), 300, "objects in the metadata")
    expect_equal(len(session.parts(f"/studies/{study}", DICOM)), 300, "parts retrieved")
    return "300 stored, listed, retrieved"


@shows("P-04")
def group_lengths_and_trailing_padding(session: Session) -> str:
    image = native_image(session)
    elements = dict(image.elements) | {
        0x00080000: Element("UL", 4),
        0x00280000: Element("UL", 0),
        0xFFFCFFFC: Element("OB", bytes(64)),
    }
    padded = finish(elements)
    session.stored(padded)
    metadata = session.metadata(padded.path)[0]
    expect("00080000" not in metadata and "00280000" not in metadata, "group lengths in the metadata")
    frame = session.parts(padded.path + "/frames/1", OCTETS)[0].content
    expect(frame == picture("gray16", 0), "frame 1")
    expect(one_file(session, padded, STORED).dataset == padded.dataset, "not the stored bytes")
    return "group lengths are not shown, Data Set Trailing Padding does no harm"


@shows("V-06")
def pages_of_other_origins_may_embed(session: Session) -> str:
    headers = session.get(pictures.native(session).path + "/frames/1").headers
    policy: str = headers.get("cross-origin-resource-policy", "")
    expect(policy in ("same-site", "cross-origin"), f"Cross-Origin-Resource-Policy {policy or 'absent'}")
    return policy
