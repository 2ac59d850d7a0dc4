"""What the first bytes of a compressed frame tell: where frames begin, and which syntax wrote them (P-10)."""

from __future__ import annotations

import struct

from dicomweb.dicom.transfer_syntax import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_HIERARCHICAL,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_ANY,
    JPEG_LS,
    JPEG_LS_LOSSLESS,
    JPEG_PROGRESSIVE,
    JPEG_XL,
    RLE_LOSSLESS,
)

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_J2K = b"\xff\x4f\xff\x51"
_JXL = b"\xff\x0a"
_JXL_BOX = b"\x00\x00\x00\x0cJXL "
_JP2_BOX = b"\x00\x00\x00\x0cjP  "
_STARTS = (_SOI, _J2K, _JXL, _JXL_BOX, _JP2_BOX)

# Enough of a codestream for `syntax_of` to find the frame header behind application segments.
HEAD_SIZE = 4096


def starts_frame(head: bytes) -> bool:
    """Whether a fragment that begins so begins a frame of JPEG, JPEG-LS, JPEG 2000 or JPEG XL."""
    return head.startswith(_STARTS)


def ends_frame(tail: bytes) -> bool:
    """Whether a fragment that ends so (3 bytes or more) ends one: EOI or EOC, and pads after it."""
    return tail.rstrip(b"\0").endswith(_EOI)


# SOFn -> transfer syntax; SOF3 and JPEG-LS look further.
_SOF = {
    0xC0: JPEG_BASELINE,
    0xC1: JPEG_EXTENDED,
    0xC2: JPEG_PROGRESSIVE,
    **dict(zip((0xC5, 0xC6, 0xC7), JPEG_HIERARCHICAL, strict=True)),
}


def syntax_of(head: bytes) -> str:
    """The transfer syntax of a frame that begins so, empty when it is none that tells."""
    if head.startswith(_SOI):
        return _jpeg_syntax(head)
    if head.startswith(_J2K):
        return _j2k_syntax(head)
    if head.startswith((_JXL, _JXL_BOX)):
        return JPEG_XL
    return RLE_LOSSLESS if _is_rle(head) else ""


def _jpeg_syntax(head: bytes) -> str:
    position, lossless = 2, False
    while position + 4 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker in _SOF:
            return _SOF[marker]
        if marker == 0xDA:
            return _scan_syntax(head[position + 4 :], lossless)
        lossless = lossless or marker == 0xC3
        position += 2 + int.from_bytes(head[position + 2 : position + 4], "big")
    return ""


def _scan_syntax(scan: bytes, lossless: bool) -> str:
    """JPEG lossless and JPEG-LS: the scan header's first byte after the components tells the variant."""
    parameter = 1 + 2 * scan[0] if scan else 0
    if parameter >= len(scan):
        return ""
    if lossless:
        return JPEG_LOSSLESS if scan[parameter] == 1 else JPEG_LOSSLESS_ANY
    return JPEG_LS_LOSSLESS if scan[parameter] == 0 else JPEG_LS


def _j2k_syntax(head: bytes) -> str:
    """By the COD marker: the 5-3 wavelet is the reversible one. A CAP marker says HTJ2K."""
    position, high_throughput = 2, False
    while position + 4 <= len(head) and head[position] == 0xFF:
        marker, length = head[position + 1], int.from_bytes(head[position + 2 : position + 4], "big")
        if marker == 0x50:
            high_throughput = True
        if marker == 0x52 and position + 13 < len(head):
            reversible = head[position + 13] == 1
            if high_throughput:
                return HTJ2K_LOSSLESS if reversible else HTJ2K
            return JPEG_2000_LOSSLESS if reversible else JPEG_2000
        position += 2 + length
    return ""


def _is_rle(head: bytes) -> bool:
    """PS3.5 G.5: a count of 1 to 15 segments, the first at byte 64, unused offsets zero."""
    if len(head) < 64:
        return False
    count, first, *others = struct.unpack("<16I", head[:64])
    used, unused = [first, *others[: count - 1]], others[count - 1 :]
    return 1 <= count <= 15 and first == 64 and sorted(used) == used and not any(unused)
