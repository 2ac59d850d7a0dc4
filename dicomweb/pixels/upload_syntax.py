"""The transfer syntax of pixel data that comes in parts of a store request (PS3.18 10.5.2; S-07)."""

from __future__ import annotations

import struct

from dicomweb.dicom.codestream import syntax_of
from dicomweb.dicom.fragments import ITEM_TAG
from dicomweb.dicom.transfer_syntax import (
    DEFAULT_FOR_MEDIA_TYPE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    TransferSyntax,
    lookup,
)
from dicomweb.dicom.video_header import VideoHeader
from dicomweb.errors import InvalidDicom

# Enough of a frame for its header behind colour profiles and other application data.
HEAD_BYTES = 1 << 20
OCTET_STREAM = "application/octet-stream"
_UNSUPPORTED = 0xC122
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
_DEFAULTS = DEFAULT_FOR_MEDIA_TYPE | {
    "image/jph": DEFAULT_FOR_MEDIA_TYPE["image/jphc"],
    "image/j2c": DEFAULT_FOR_MEDIA_TYPE["image/jp2"],
    "image/x-j2c": DEFAULT_FOR_MEDIA_TYPE["image/jp2"],
    "image/jpg": DEFAULT_FOR_MEDIA_TYPE["image/jpeg"],
}


def upload_syntax(
    media_type: str, stated_uid: str, head: bytes, video: VideoHeader | None = None, *, native: bool = True
) -> TransferSyntax:
    """The transfer syntax of pixel data that comes in parts.

    media_type: of the parts, in lower case. stated_uid: what the sender says, or empty; of an image it is
    believed only where it is one of images. head: HEAD_BYTES of the first part. video: its header, if it is
    one that tells. native: the parts have the length of uncompressed pixels. A plain image/jpeg is what its
    codestream says, not the default of table 8.7.3-5: cameras and browsers write baseline.
    Raises InvalidDicom.
    """
    stated = _stated(stated_uid)
    if stated is not None and stated.encapsulated:
        return stated
    if media_type.startswith("video/"):
        if video is None:
            raise _unsupported("A video that does not tell what it is needs a transfer syntax.")
        return _known(video.transfer_syntax_uid)
    if media_type == OCTET_STREAM:
        return _known(_syntax_of_bytes(head, native=native) or EXPLICIT_LITTLE)
    seen = syntax_of(head[codestream_range(head, len(head))[0] :])
    return _known(seen or _default(media_type))


def _stated(uid: str) -> TransferSyntax | None:
    stated = lookup(uid)
    if uid and (stated is None or stated.uid == EXPLICIT_BIG):
        raise _unsupported("The transfer syntax of the pixel data is not supported.")
    return stated


def _syntax_of_bytes(head: bytes, *, native: bool) -> str:
    """Of plain bytes: none for native pixels; an encapsulated value and a frame may tell their codec."""
    if native:
        return ""
    return syntax_of(_first_fragment(head) if head.startswith(ITEM_TAG) else head)


def _default(media_type: str) -> str:
    uid = _DEFAULTS.get(media_type)
    if uid is None:
        raise _unsupported("Pixel data of this media type cannot be stored.")
    return uid


def _known(uid: str) -> TransferSyntax:
    syntax = lookup(uid)
    assert syntax is not None
    return syntax


def _unsupported(message: str) -> InvalidDicom:
    return InvalidDicom(message, failure_reason=_UNSUPPORTED)


def _first_fragment(items: bytes) -> bytes:
    """The bytes after the Basic Offset Table and the first fragment's header."""
    (table,) = struct.unpack_from("<I", items.ljust(8, b"\0"), 4)
    return items[8 + table + 8 :]


def codestream_range(head: bytes, length: int) -> tuple[int, int]:
    """Offset and length of the codestream in a part: a JP2 or JPH file holds it in a box (PS3.5 A.4.4)."""
    if not head.startswith(_JP2_SIGNATURE):
        return 0, length
    position = 0
    while position + 16 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, position)
        start = position + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, start)
            start = min(start + 8, length)
        if kind == b"jp2c":
            end = position + size if size else length
            return start, max(min(end, length) - start, 0)
        if size < 8:
            break
        position += size
    raise InvalidDicom("A JPEG 2000 file holds no codestream.")
