"""Encoding to other transfer syntaxes, both ways, by instances and by frames (PS3.18 8.7.3, PS3.5 A.4)."""

from __future__ import annotations

import struct
import zlib

from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.retrieve import one_file
from conformance.suite.image_files import jpeg_outline
from conformance.suite.objects import Instance, encapsulated_image, make, native_image, picture_module
from conformance.suite.part10 import (
    DEFLATED,
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT,
    RLE,
    Element,
    attributes,
)
from conformance.suite.reader import File, Read
from conformance.suite.samples import SAMPLES, greatest_error, picture
from conformance.suite.session import OCTETS, Session

_JPEG = "1.2.840.10008.1.2.4."

# What a server may encode, by transfer syntax: the media type of one frame, how it begins.
LOSSLESS: dict[str, tuple[str, bytes]] = {
    RLE: ("image/dicom-rle", struct.pack("<I", 2)),
    _JPEG + "70": ("image/jpeg", b"\xff\xd8\xff"),
    _JPEG + "80": ("image/jls", b"\xff\xd8\xff"),
    _JPEG + "90": ("image/jp2", b"\xff\x4f\xff\x51"),
    _JPEG + "201": ("image/jphc", b"\xff\x4f\xff\x51"),
    _JPEG + "202": ("image/jphc", b"\xff\x4f\xff\x51"),
    _JPEG + "110": ("image/jxl", b"\xff\x0a"),
}
_SOURCES = ("native", "70", "80", "90", "201", "RLE", "110")


def asked(media_type: str, uid: str) -> str:
    """Accept of one transfer syntax in multipart/related."""
    return f'multipart/related; type="{media_type}"; transfer-syntax={uid}'


def _as(session: Session, image: Instance, uid: str) -> File:
    file = one_file(session, image, asked("application/dicom", uid))
    expect_equal(file.transfer_syntax_uid, uid, "transfer syntax of the file")
    return file


def _source(session: Session, key: str) -> Instance:
    if key == "native":
        return pictures.native_frames(session)
    return pictures.rle(session) if key == "RLE" else pictures.compressed_frames(session, key)


def _frame(session: Session, image: Instance, number: int, accept: str = OCTETS) -> bytes:
    return session.parts(f"{image.path}/frames/{number}", accept)[0].content


def _again(session: Session, file: File) -> Instance:
    """The instance of an answer, stored anew under another UID so that the server's own decoder reads it."""
    elements = file.elements()
    body = _renamed(session, file, elements[0x00080018].value)
    elements[0x00080018] = Read("UI", body[1])
    uids = {tag: elements[tag].text for tag in (0x0020000D, 0x0020000E, 0x00080018, 0x00080016)}
    answer = session.store_parts([body[0]])
    expect(not answer.failed and answer.status in (200, 202), f"storing it again answered {answer.status}")
    return Instance(
        uids[0x0020000D], uids[0x0020000E], uids[0x00080018], uids[0x00080016],
        file.transfer_syntax_uid, body[0], b"", {},
    )  # fmt: skip


def _renamed(session: Session, file: File, old: bytes) -> tuple[bytes, bytes]:
    """The file with another SOP Instance UID of the same length, and that UID."""
    text = old.rstrip(b"\0").decode()
    digits = len(text) - len(session.root) - 1
    number = 2 * 10 ** (digits - 1) + int(session.new_uid().rpartition(".")[2])
    uid = f"{session.root}.{number}".encode().ljust(len(old), b"\0")
    expect(len(uid) == len(old), "no UID of that length is left")
    meta = file.meta[0x00020003].value
    head = _part10_head(file).replace(meta, uid)
    if file.transfer_syntax_uid != DEFLATED:
        return head + file.dataset.replace(old, uid, 1), uid
    plain = zlib.decompressobj(-15).decompress(file.dataset).replace(old, uid, 1)
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(plain) + packer.flush()
    return head + packed + bytes(len(packed) % 2), uid


def _part10_head(file: File) -> bytes:
    pieces = []
    for tag, read in sorted(file.meta.items()):
        header = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + read.vr.encode()
        if read.vr == "OB":
            header += bytes(2) + struct.pack("<I", len(read.value))
        else:
            header += struct.pack("<H", len(read.value))
        pieces.append(header + read.value)
    return bytes(128) + b"DICM" + b"".join(pieces)


# --- instances --------------------------------------------------------------------------------------


@shows("W-43", "M-10", "W-11", "W-13", "G-29")
def instances_in_every_lossless_syntax(session: Session) -> str:
    image = native_image(session, frames=3)
    session.stored(image)
    wrong = []
    for uid, (_, start) in LOSSLESS.items():
        try:
            file = _as(session, image, uid)
            fragments = file.elements()[0x7FE00010].fragments
            expect(
                fragments is not None and len(fragments) == 4, "not an offset table and a fragment a frame"
            )
            assert fragments is not None
            _check_offsets(fragments)
            expect(
                all(one.startswith(start) for one in fragments[1:]),
                f"a frame begins {fragments[1][:4].hex()}",
            )
            again = _again(session, file)
            for number in (1, 2, 3):
                expect(
                    _frame(session, again, number) == picture("gray16", number - 1),
                    f"frame {number} is another when decoded",
                )
        except Failed as failed:
            wrong.append(f"{uid}: {failed}")
    expect(not wrong, "; ".join(wrong))
    return f"{len(LOSSLESS)} syntaxes; stored again and decoded: bit for bit"


def _check_offsets(fragments: tuple[bytes, ...]) -> None:
    """The Basic Offset Table is empty or right (PS3.5 A.4)."""
    if not fragments[0]:
        return
    offsets = struct.unpack(f"<{len(fragments[0]) // 4}I", fragments[0])
    position, right = 0, []
    for fragment in fragments[1:]:
        right.append(position)
        position += 8 + len(fragment)
    expect_equal(list(offsets), right, "Basic Offset Table")


@shows("W-43", "M-10", "W-12")
def instances_from_any_syntax_to_any(session: Session) -> str:
    wrong, count = [], 0
    for key in _SOURCES:
        image = _source(session, key)
        first = picture("gray16", 0)
        for uid in (*LOSSLESS, DEFLATED, ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES, EXPLICIT):
            try:
                file = _as(session, image, uid)
                found = file.elements()[0x7FE00010]
                if uid in (DEFLATED, EXPLICIT):
                    expect(found.value.startswith(first), "the first frame is another")
                elif uid == ENCAPSULATED_UNCOMPRESSED and found.fragments:
                    expect(found.fragments[1] == first, "the first fragment is another")
                elif uid == DEFLATED_FRAMES and found.fragments:
                    inflated = zlib.decompressobj(-15).decompress(found.fragments[1])
                    expect(inflated == first, "the first fragment inflates to another frame")
                else:
                    expect(found.fragments, "no fragments")
                count += 1
            except Failed as failed:
                wrong.append(f"{key} to {uid}: {failed}")
    expect(not wrong, "; ".join(wrong))
    return f"{count} pairs of syntaxes"


@shows("W-43", "W-13")
def lossy_syntaxes_say_so(session: Session) -> str:
    image = session.once("a smooth image", lambda run: _stored(run, native_image(run, name="smooth8")))
    seen = []
    for key in ("50", "81", "91", "112", "203"):
        uid = _JPEG + key
        file = _as(session, image, uid)
        error = greatest_error(_frame(session, _again(session, file), 1), "smooth8", 0)
        expect(error <= 16, f".{key}: an error of {error} levels")
        named = [file.elements().get(tag, Read("")).text for tag in (0x00282110, 0x00282112, 0x00282114)]
        expect(
            not error or named[0] == "01", f".{key}: errors, Lossy Image Compression {named[0] or 'absent'}"
        )
        expect(named[0] != "01" or all(named), f".{key}: ratio and method are {named[1:]}")
        seen.append(f".{key} {'/'.join(named) if any(named) else 'without loss'}")
    expect("/" in seen[0], "JPEG Baseline is not called lossy")
    metadata = session.metadata(image.path)[0]
    expect("00282110" not in metadata, "metadata of the stored object say that it is lossy")
    return "; ".join(seen)


def _stored(session: Session, image: Instance) -> Instance:
    session.stored(image)
    return image


@shows("W-43", "M-10")
def stored_jpeg_is_recompressed_and_comes_back(session: Session) -> str:
    image = pictures.compressed(session, "50")
    packed = _as(session, image, _JPEG + "111")
    again = _again(session, packed)
    back = _as(session, again, _JPEG + "50").elements()[0x7FE00010].fragments
    assert back is not None
    original = SAMPLES["50"].frames[0]
    expect(back[1].rstrip(b"\0") == original.rstrip(b"\0"), "the JPEG that comes back is another")
    return f"JPEG of {len(original)} bytes, as JPEG XL, the same JPEG again"


@shows("W-13", "W-43", "Z-08")
def colour_descriptions_follow_the_encoding(session: Session) -> str:
    image = session.once("a colour image", lambda run: _stored(run, native_image(run, name="rgb")))
    seen = []
    for key, allowed in {
        "50": {"YBR_FULL_422", "YBR_FULL", "RGB"},
        "70": {"RGB"},
        "80": {"RGB"},
        "90": {"YBR_RCT", "RGB"},
        "201": {"YBR_RCT", "RGB"},
    }.items():
        file = _as(session, image, _JPEG + key)
        elements = file.elements()
        named = elements[0x00280004].text
        expect(named in allowed, f".{key}: {named}")
        expect_equal(elements[0x00280006].number, 0, f".{key}: Planar Configuration")
        error = greatest_error(_frame(session, _again(session, file), 1), "rgb", 0)
        expect(error <= (60 if key == "50" else 0), f".{key}: an error of {error} levels")
        seen.append(f".{key} {named}")
    return ", ".join(seen)


@shows("W-15", "W-16", "G-37", "W-61")
def syntaxes_that_cannot_be_made_are_406(session: Session) -> str:
    image = pictures.native(session)
    for key in ("50", "100", "102", "94", "57"):
        response = session.send("GET", image.path, accept=asked("application/dicom", _JPEG + key))
        expect_equal(response.status_code, 406, f"16-bit pixels as .{key}")
        expect("1.2.840.10008.1.2.1" in response.text, f".{key}: the 406 does not name what there is")
    for uid in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.3.4"):
        response = session.send("GET", image.path, accept=asked("application/dicom", uid))
        expect_equal(response.status_code, 406, uid)
    text = one_file(session, pictures.text_report(session), asked("application/dicom", _JPEG + "90"))
    expect_equal(text.transfer_syntax_uid, EXPLICIT, "a report asked for as JPEG 2000")
    return "8-bit JPEG of 16 bits, video, JPIP, unknown: 406 with a list; a report as Explicit VR"


@shows("W-60", "W-15")
def what_cannot_be_encoded_is_left_out_with_206(session: Session) -> str:
    wide = native_image(session)
    narrow = native_image(session, name="smooth8", study=wide.study, series=wide.series)
    session.stored(wide, narrow)
    response = session.get(wide.series_path, accept=asked("application/dicom", _JPEG + "50"))
    expect_equal(response.status_code, 206, "a series of 8-bit and 16-bit images as JPEG Baseline")
    expect(narrow.sop.encode() in response.content, "the 8-bit image is not there")
    expect(wide.sop.encode() not in response.content, "the 16-bit image is there")
    both = f"{asked('application/dicom', _JPEG + '50')}, {asked('application/dicom', _JPEG + '90')};q=0.5"
    expect_equal(len(session.parts(wide.series_path, both)), 2, "parts with another syntax as a way out")
    return "206 with the one that can be; 200 where a second syntax is acceptable"


# --- frames ------------------------------------------------------------------------------------------


@shows("W-33", "W-43", "M-11", "M-15", "M-13")
def frames_in_every_lossless_syntax(session: Session) -> str:
    image = pictures.native_frames(session)
    seen = []
    for uid, (media_type, start) in LOSSLESS.items():
        part = session.parts(image.path + "/frames/2", asked(media_type, uid))[0]
        expect_equal(part.content_type[0], media_type, f"{uid}: Content-Type")
        expect_equal(part.content_type[1].get("transfer-syntax"), uid, "transfer-syntax")
        expect(part.content.startswith(start), f"{uid} begins with {part.content[:6].hex()}")
        again = _wrapped(session, uid, part.content)
        expect(_frame(session, again, 1) == picture("gray16", 1), f"{uid}: another frame when decoded")
        seen.append(uid.rpartition(".")[2])
    return "bare codestreams, decoded bit for bit: " + ", ".join(seen)


def _wrapped(session: Session, uid: str, codestream: bytes) -> Instance:
    """A 16-bit image of one codestream, stored."""
    image = encapsulated_image(session, uid, [codestream], picture_module("gray16"))
    session.stored(image)
    return image


@shows("M-13", "M-11")
def media_types_alone_mean_their_default_syntax(session: Session) -> str:
    image = pictures.native_frames(session)
    defaults = {
        "image/jpeg": _JPEG + "70",
        "image/dicom-rle": RLE,
        "image/jls": _JPEG + "80",
        "image/jp2": _JPEG + "90",
        "image/jphc": _JPEG + "201",
        "image/jxl": _JPEG + "110",
    }
    for media_type, uid in defaults.items():
        part = session.parts(image.path + "/frames/1", f'multipart/related; type="{media_type}"')[0]
        expect_equal(part.content_type[1].get("transfer-syntax"), uid, media_type)
        single = session.get(image.path + "/frames/1", accept=media_type)
        expect_equal((single.status_code, single.content), (200, part.content), f"{media_type} alone")
    jpeg = session.get(image.path + "/frames/1", accept="image/jpeg").content
    expect_equal(jpeg_outline(jpeg).frame, 0xC3, "image/jpeg of frames (SOF3: lossless)")
    stored = pictures.compressed(session, "81")
    part = session.parts(stored.path + "/frames/1", 'multipart/related; type="image/jls"')[0]
    expect_equal(
        part.content_type[1].get("transfer-syntax"), _JPEG + "81", "stored near-lossless as image/jls"
    )
    return "the D column of Table 8.7.3-5; what is stored wins within its media type"


@shows("M-19")
def what_search_offers_can_be_retrieved(session: Session) -> str:
    count = 0
    for image in (
        pictures.native(session),
        pictures.compressed(session, "90"),
        pictures.text_report(session),
    ):
        query = f"SOPInstanceUID={image.sop}&includefield=AvailableTransferSyntaxUID"
        (found,) = session.search("/instances", query)
        offered = found["00083002"]["Value"]
        expect(EXPLICIT in offered or image.transfer_syntax_uid in offered, f"only {offered}")
        for uid in offered:
            _as(session, image, uid)
            count += 1
    return f"{count} syntaxes named in (0008,3002), each retrieved"


@shows("H-04", "W-43")
def encoded_forms_are_conditional_and_stable(session: Session) -> str:
    image = pictures.native_frames(session)
    tags = set()
    for uid, (media_type, _) in LOSSLESS.items():
        for path, accept in (
            (image.path, asked("application/dicom", uid)),
            (image.path + "/frames/1", asked(media_type, uid)),
        ):
            first, second = (session.get(path, accept=accept) for _ in range(2))
            expect(first.content == second.content, f"{uid}: two answers differ")
            tag = first.headers.get("etag", "")
            expect(tag.startswith('"'), f"{uid}: ETag {tag or 'absent'}")
            tags.add(tag)
            status = session.get(path, accept=accept, headers={"If-None-Match": tag}).status_code
            expect_equal(status, 304, f"{uid}: If-None-Match")
    expect_equal(len(tags), 2 * len(LOSSLESS), "different ETags")
    return f"{len(tags)} strong ETags, equal bytes each time"


@shows("W-12", "W-13")
def one_row_and_odd_sizes_survive(session: Session) -> str:
    cells = 7
    module = attributes(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=1,
        Columns=cells,
        BitsAllocated=16,
        BitsStored=10,
        HighBit=9,
        PixelRepresentation=1,
    )
    pixels = struct.pack(f"<{cells}h", -512, -1, 0, 1, 255, 256, 511)
    module[0x7FE00010] = Element("OW", pixels)
    image = _stored(session, make(session, extra=module))
    for uid in LOSSLESS:
        again = _again(session, _as(session, image, uid))
        expect(_frame(session, again, 1) == pixels, f"{uid}: other pixels")
    return "1 by 7 signed pixels of 10 bits through every lossless syntax"
