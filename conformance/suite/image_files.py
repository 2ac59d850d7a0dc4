"""Picture files as the suite reads them: PNG and the outlines of others by hand, pixels of JPEG by Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from conformance.suite.check import Failed, expect

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type of PNG
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels of 8 bits a channel, rows from the top, channels interleaved."""

    width: int
    height: int
    channels: int
    samples: bytes

    def at(self, x: int, y: int) -> tuple[int, ...]:
        """The channels of one pixel."""
        start = (y * self.width + x) * self.channels
        return tuple(self.samples[start : start + self.channels])

    def grey(self) -> bytes:
        """One channel. Fails the check where the channels differ."""
        planes = [self.samples[channel :: self.channels] for channel in range(min(self.channels, 3))]
        expect(all(plane == planes[0] for plane in planes), "a grayscale image came out coloured")
        return planes[0]


@dataclass(frozen=True, slots=True)
class JpegOutline:
    """What the markers of a JPEG say. frame: 0xC0 for baseline. icc: whether it holds a profile."""

    frame: int
    precision: int
    width: int
    height: int
    components: int
    icc: bool


# --- PNG -------------------------------------------------------------------------------------------


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk. Fails the check on a wrong checksum or an end that is missing."""
    expect(data.startswith(_PNG), "no PNG signature")
    position = len(_PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        body = data[position + 4 : position + 8 + length]
        checksum = int.from_bytes(data[position + 8 + length : position + 12 + length], "big")
        expect(zlib.crc32(body) == checksum, f"checksum of PNG chunk {body[:4]!r}")
        yield body[:4], body[4:]
        if body[:4] == b"IEND":
            return
        position += 12 + length
    raise Failed("the PNG is cut off")


def read_png(data: bytes) -> Picture:
    """A PNG of 8 bits that is not interlaced; palettes are resolved (ISO/IEC 15948)."""
    chunks = list(png_chunks(data))
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    expect(depth == 8 and not interlaced, f"a PNG of {depth} bits, interlaced {interlaced}")
    rows = zlib.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    channels = _CHANNELS[kind]
    samples = _unfilter(rows, width * channels, height, channels)
    if kind != 3:
        return Picture(width, height, channels, samples)
    palette = next(content for name, content in chunks if name == b"PLTE")
    return Picture(width, height, 3, b"".join(palette[3 * one : 3 * one + 3] for one in samples))


def _unfilter(rows: bytes, stride: int, height: int, channels: int) -> bytes:
    expect(len(rows) == (stride + 1) * height, f"{len(rows)} bytes in a PNG of {height} rows of {stride}")
    above = bytearray(stride)
    found = bytearray()
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(rows[start + 1 : start + 1 + stride])
        for index in range(stride):
            left = line[index - channels] if index >= channels else 0
            corner = above[index - channels] if index >= channels else 0
            line[index] = (line[index] + _predicted(rows[start], left, above[index], corner)) & 0xFF
        found += line
        above = line
    return bytes(found)


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 4:
        guess = left + above - corner
        distances = abs(guess - left), abs(guess - above), abs(guess - corner)
        return (left, above, corner)[distances.index(min(distances))]
    return (0, left, above, (left + above) // 2)[kind]


# --- JPEG, GIF and the JPEG 2000 and XL families ---------------------------------------------------


def jpeg_outline(data: bytes) -> JpegOutline:
    """Walk the markers before the first scan. Fails the check where it is no JPEG."""
    expect(data.startswith(b"\xff\xd8\xff"), f"no JPEG: {data[:4].hex()}")
    position, icc = 2, False
    while position + 4 <= len(data):
        marker, length = struct.unpack(">xBH", data[position : position + 4])
        body = data[position + 4 : position + 2 + length]
        icc = icc or (marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"))
        if marker in _FRAME_MARKERS:
            precision, height, width, components = struct.unpack(">BHHB", body[:6])
            return JpegOutline(marker, precision, width, height, components, icc)
        position += 2 + length
    raise Failed("a JPEG without a frame header")


def gif_outline(data: bytes) -> tuple[int, int, int]:
    """Width, height and number of pictures of a GIF."""
    expect(data[:6] in (b"GIF87a", b"GIF89a"), f"no GIF: {data[:6]!r}")
    expect(data.endswith(b";"), "the GIF has no trailer")
    width, height = struct.unpack("<HH", data[6:10])
    with Image.open(io.BytesIO(data)) as image:
        return width, height, getattr(image, "n_frames", 1)


def read_picture(data: bytes) -> Picture:
    """Pixels of any picture that Pillow reads, as grayscale or RGB."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            flat = image.convert("L" if image.mode in ("L", "1") else "RGB")
            return Picture(flat.width, flat.height, len(flat.getbands()), flat.tobytes())
    except (OSError, ValueError) as error:
        raise Failed(f"the picture cannot be read: {type(error).__name__}") from error


_SIGNATURES = {
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (_PNG,),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/jp2": (b"\0\0\0\x0cjP  \r\n\x87\n",),
    "image/jph": (b"\0\0\0\x0cjP  \r\n\x87\n",),  # the same box as of JP2 (ISO/IEC 15444-15 D)
    "image/jxl": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
}


def expect_file_of(media_type: str, data: bytes) -> None:
    """Fail unless the bytes begin as files of that type do."""
    expect(data.startswith(_SIGNATURES[media_type]), f"{media_type} begins with {data[:12].hex()}")
