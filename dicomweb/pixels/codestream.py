"""What the header of a compressed frame says, read without decoding and without allocating by it.

A codestream comes from anywhere: its sizes are compared with the data set's before a codec sees it (P-16).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dicomweb.dicom.transfer_syntax import Family, of_families
from dicomweb.errors import DecodeFailed


@dataclass(frozen=True, slots=True)
class CodestreamHeader:
    """Geometry and colour of one compressed frame, as its own header gives them.

    samples: 0 when the header does not tell plainly (JPEG XL).
    precision: bits of a sample. signed: samples are two's complement.
    colour: what the coded components are or go through: 'RGB', 'YBR', 'RCT', 'ICT', 'HP' (a JPEG-LS colour
    transform), 'XYB', or '' when nothing is said.
    reversible: the coding itself loses nothing.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False
    colour: str = ""
    reversible: bool = True


def probe(codestream: bytes, transfer_syntax_uid: str) -> CodestreamHeader | None:
    """Read the header of a frame's codestream; None for syntaxes whose frames have none.

    codestream: the whole frame, or as much of it as holds the header. Raises DecodeFailed when it is not
    what the transfer syntax says.
    """
    reader = _READERS.get(transfer_syntax_uid)
    if reader is None:
        return None
    try:
        return reader(codestream)
    except (struct.error, IndexError, EOFError):
        raise DecodeFailed("The header of a compressed frame is cut off or malformed.") from None


# --- JPEG and JPEG-LS (ISO/IEC 10918-1 annex B, 14495-1 annex C) -------------------------------------------

_EOI, _SOS = 0xD9, 0xDA
_APP0, _APP8, _APP14 = 0xE0, 0xE8, 0xEE
_SOF55 = 0xF7  # JPEG-LS
_LOSSLESS_FRAMES = frozenset({0xC3, 0xCB, _SOF55})
_FRAMES = frozenset({*range(0xC0, 0xD0), _SOF55}) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def _segments(codestream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker segments up to the first scan, as (marker, payload)."""
    if codestream[:2] != b"\xff\xd8":
        raise DecodeFailed("A compressed frame is not a JPEG codestream.")
    position = 2
    while True:
        if codestream[position] != 0xFF:
            raise DecodeFailed("The header of a JPEG frame is malformed.")
        marker = codestream[position + 1]
        if marker == 0xFF:  # fill byte before a marker (B.1.1.2)
            position += 1
            continue
        position += 2
        if marker in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", codestream, position)
        yield marker, codestream[position + 2 : position + length]
        if marker in (_SOS, _EOI):
            return
        position += max(length, 2)


def _jpeg(codestream: bytes) -> CodestreamHeader:
    frame: tuple[int, bytes] | None = None
    jfif = transformed = False
    adobe = -1
    near = 0
    for marker, payload in _segments(codestream):
        if marker in _FRAMES:
            frame = marker, payload
        elif marker == _APP0:
            jfif |= payload.startswith(b"JFIF")
        elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
            adobe = payload[11]
        elif marker == _APP8 and payload.startswith(b"mrfx"):
            transformed = payload[4] != 0
        elif marker == _SOS:
            near = payload[1 + 2 * payload[0]]
    if frame is None:
        raise DecodeFailed("A JPEG frame has no frame header.")
    sof, payload = frame
    precision, rows, columns, samples = struct.unpack_from(">BHHB", payload)
    colour = _jpeg_colour(payload[6:], samples, jfif=jfif, adobe=adobe)
    jpeg_ls = sof == _SOF55
    return CodestreamHeader(
        rows,
        columns,
        samples,
        precision,
        colour=("HP" if transformed else "") if jpeg_ls else colour,
        reversible=near == 0 if jpeg_ls else sof in _LOSSLESS_FRAMES,
    )


def _jpeg_colour(components: bytes, samples: int, *, jfif: bool, adobe: int) -> str:
    """Colour space of the coded components; the markers win, then component names, then subsampling.

    Empty when the codestream leaves it open: then the data set's Photometric Interpretation decides.
    """
    if samples != 3:
        return ""
    if adobe in (0, 1):
        return "YBR" if adobe else "RGB"
    if components[0:9:3] == b"RGB":
        return "RGB"
    subsampled = len(set(components[1:9:3])) > 1
    return "YBR" if jfif or subsampled else ""


# --- JPEG 2000 and HTJ2K (ISO/IEC 15444-1 annex A; 15444-15) ----------------------------------------------

_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_SIZ = 0xFF51
_COD = 0xFF52
_SOT = 0xFF90


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Boxes of a JP2 or JPEG XL file, as (type, content)."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if length == 0 else position + length
        if end < start:
            raise DecodeFailed("A box of a compressed frame is malformed.")
        yield kind, data[start:end]
        position = end


def bare_codestream(codestream: bytes) -> bytes:
    """The JPEG 2000 codestream, taken out of the JP2 file that some writers encapsulate (PS3.5 A.4.4)."""
    if codestream.startswith(_JP2_SIGNATURE):
        return next((content for kind, content in _boxes(codestream) if kind == b"jp2c"), codestream)
    return codestream


def _jpeg2000(codestream: bytes) -> CodestreamHeader:
    codestream = bare_codestream(codestream)
    if codestream[:4] != b"\xff\x4f\xff\x51":
        raise DecodeFailed("A compressed frame is not a JPEG 2000 codestream.")
    right, bottom, left, top = struct.unpack_from(">4I", codestream, 8)
    (samples,) = struct.unpack_from(">H", codestream, 40)
    depths = codestream[42 : 42 + 3 * samples : 3]
    colour, reversible = _coding_style(codestream)
    return CodestreamHeader(
        max(bottom - top, 0),
        max(right - left, 0),
        samples,
        max((depth & 0x7F) + 1 for depth in depths) if depths else 0,
        signed=bool(depths) and bool(depths[0] & 0x80),
        colour=colour,
        reversible=reversible,
    )


def _coding_style(codestream: bytes) -> tuple[str, bool]:
    """(component transform, whether the wavelet is reversible) from the COD segment (A.6.1)."""
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", codestream, position)
        if marker == _COD:
            several, wavelet = codestream[position + 8], codestream[position + 13]
            reversible = wavelet == 1
            return ("RCT" if reversible else "ICT") if several else "", reversible
        if marker == _SOT or marker < 0xFF00:
            raise DecodeFailed("A JPEG 2000 frame has no coding style.")
        position += 2 + length


# --- JPEG XL (ISO/IEC 18181-1 annex D) --------------------------------------------------------------------

_JXL_CONTAINER = b"\x00\x00\x00\x0cJXL "
_SIZE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


class _Bits:
    """Little-endian bit reader of a JPEG XL header."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise EOFError
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value


def _jpeg_xl(codestream: bytes) -> CodestreamHeader:
    if codestream.startswith(_JXL_CONTAINER):
        codestream = _jxl_codestream(codestream)
    if codestream[:2] != b"\xff\x0a":
        raise DecodeFailed("A compressed frame is not a JPEG XL codestream.")
    bits = _Bits(codestream[2:66])
    eighths = bool(bits.take(1))
    rows = _jxl_size(bits, eighths)
    ratio = bits.take(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        columns = rows * numerator // denominator
    else:
        columns = _jxl_size(bits, eighths)
    return CodestreamHeader(rows, columns, 0, _jxl_precision(bits))


def _jxl_codestream(data: bytes) -> bytes:
    for kind, content in _boxes(data):
        if kind == b"jxlc":
            return content
        if kind == b"jxlp":
            return content[4:]  # the part's sequence number
    return b""


def _jxl_size(bits: _Bits, eighths: bool) -> int:
    if eighths:
        return (bits.take(5) + 1) * 8
    return bits.take(_SIZE_BITS[bits.take(2)]) + 1


def _jxl_precision(bits: _Bits) -> int:
    """Bits of a sample, 0 where the metadata comes in a longer form than writers of DICOM use."""
    if bits.take(1):  # all defaults
        return 8
    if bits.take(1) or bits.take(1):  # orientation, preview or animation; floating point
        return 0
    choice = bits.take(2)
    return (8, 10, 12)[choice] if choice < 3 else bits.take(6) + 1


_Reader = Callable[[bytes], CodestreamHeader]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(of_families(Family.JPEG, Family.JPEG_OTHER, Family.JPEG_LS), _jpeg),
    **dict.fromkeys(of_families(Family.JPEG_2000, Family.JPEG_2000_PART_2, Family.HTJ2K), _jpeg2000),
    **dict.fromkeys(of_families(Family.JPEG_XL), _jpeg_xl),
}
