"""Pixels of metadata uploads: codestreams, video, PNG and GIF (PS3.18 10.5.2)."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

from PIL import Image

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.store_metadata import (
    bulk_part,
    described,
    expect_stored,
    file_of,
    frame,
    metadata_part,
    new_data_set,
    path_of,
    post,
    value,
)
from conformance.suite.objects import (
    MULTIFRAME_COLOR,
    MULTIFRAME_WORD,
    SECONDARY_CAPTURE,
    VIDEO_ENDOSCOPIC,
)
from conformance.suite.samples import COLUMNS, RGB_JPEG, ROWS, SAMPLES, picture
from conformance.suite.session import JSON, Session, first

_J2K = "1.2.840.10008.1.2.4.90"


@shows("S-07", "S-06")
def compressed_frames_come_one_a_part(session: Session) -> str:
    sample = SAMPLES["90"]
    data_set = described(session, ROWS, COLUMNS, 16, 12) | {
        "00080016": value("UI", MULTIFRAME_WORD),
        "00280008": value("IS", 3),
        "7FE00010": {"vr": "OB", "BulkDataURI": "px"},
    }
    codestreams = [sample.frames[0], sample.frames[1], sample.frames[0]]
    media_type = f"image/jp2; transfer-syntax={_J2K}"
    parts = [metadata_part([data_set]), *(bulk_part("px", one, media_type) for one in codestreams)]
    expect_stored(post(session, JSON, parts), "three parts of one Content-Location")
    file = file_of(session, path_of(data_set))
    expect_equal(file.transfer_syntax_uid, _J2K, "transfer syntax")
    fragments = file.elements()[0x7FE00010].fragments or ()
    kept = [one.rstrip(b"\0") for one in fragments[1:]]
    expect_equal(kept, [one.rstrip(b"\0") for one in codestreams], "codestreams")
    for number in (1, 2, 3):
        expect(frame(session, data_set, number) == picture("gray16", (number - 1) % 2), f"frame {number}")
    video = described(session, 480, 640, 8, 8, 3) | {
        "00080016": value("UI", VIDEO_ENDOSCOPIC),
        "00280004": value("CS", "YBR_PARTIAL_420"),
        "00280006": value("US", 0),
        "00280008": value("IS", 30),
        "7FE00010": {"vr": "OB", "BulkDataURI": "film"},
    }
    media_type = f"video/mp4; transfer-syntax={drawn.MPEG4}"
    expect_stored(
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
        "JPEG-LS": (SAMPLES["80"].frames[0], "image/jls", (ROWS, COLUMNS, 1, 16)),
        "JPEG XL": (SAMPLES["112"].frames[0], "image/jxl", (ROWS, COLUMNS, 1, 8)),
    }
    for what, (codestream, media_type, wanted) in cases.items():
        data_set = new_data_set(session, SECONDARY_CAPTURE, x7FE00010={"vr": "OB", "BulkDataURI": "px"})
        parts = [metadata_part([data_set]), bulk_part("px", codestream, media_type)]
        expect_stored(post(session, JSON, parts), what)
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
    veiled = b"".join(colour[start : start + 3] + b"\x40" for start in range(0, 360, 3))
    alpha_png = _png(12, [veiled[start : start + 48] for start in range(0, 480, 48)], 6)
    grey_png = _png(12, [grey[start : start + 12] for start in range(0, 120, 12)], 0)
    colour_png = _png(12, [colour[start : start + 36] for start in range(0, 360, 36)], 2)
    cases = (("grey", grey_png, grey, 1), ("colour", colour_png, colour, 3), ("alpha", alpha_png, colour, 3))
    for what, content, pixels, samples in cases:
        data_set = new_data_set(session, SECONDARY_CAPTURE, x7FE00010={"vr": "OB", "BulkDataURI": "px"})
        parts = [metadata_part([data_set]), bulk_part("px", content, "image/png")]
        expect_stored(post(session, JSON, parts), f"{what} PNG")
        seen = session.metadata(path_of(data_set))[0]
        expect_equal(first(seen, "00280002"), samples, f"{what}: Samples per Pixel")
        expect(frame(session, data_set) == pixels, f"{what} PNG: other pixels")
    pictures_ = [Image.frombytes("L", (16, 8), bytes([index * 90]) * 128) for index in range(3)]
    film = io.BytesIO()
    pictures_[0].save(film, "GIF", save_all=True, append_images=pictures_[1:], duration=100)
    data_set = new_data_set(session, MULTIFRAME_COLOR, x7FE00010={"vr": "OB", "BulkDataURI": "g"})
    parts = [metadata_part([data_set]), bulk_part("g", film.getvalue(), "image/gif")]
    expect_stored(post(session, JSON, parts), "animated GIF")
    seen = session.metadata(path_of(data_set))[0]
    expect_equal(int(first(seen, "00280008")), 3, "Number of Frames of the GIF")
    greys = [frame(session, data_set, number)[0] for number in (1, 2, 3)]
    expect_equal(greys, [0, 90, 180], "greys of its frames")
    return "grey and colour PNG bit for bit, alpha dropped, an animated GIF as three frames"
