"""Pixel data from its stored transfer syntax to another: the frames, and what changes around them.

Only transcode_frame runs codecs, in a worker; the rest is tables.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from dicomweb.dicom.codestream import syntax_of
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import (
    EXPLICIT_LITTLE,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_ANY,
    JPEG_LS,
    JPEG_LS_LOSSLESS,
    JPEG_RECOMPRESSED,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    RLE_LOSSLESS,
    TRANSFER_SYNTAXES,
    Family,
    of_families,
)
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import DECODABLE, NATIVE_FRAMES, decode_frame
from dicomweb.pixels.codestream import CodestreamHeader, probe
from dicomweb.pixels.encodable import LOSSY_JPEG, WAVELET, can_encode, coded_bits, is_lossy
from dicomweb.pixels.encoders import encode_frame
from dicomweb.pixels.frame_bytes import FrameJoiner, frame_window, join_fragments, native_frame, swap_words

__all__ = [
    "LONGEST_NATIVE",
    "FrameJoiner",
    "can_transcode",
    "decoded_attributes",
    "decoded_layout",
    "decoded_photometric",
    "encoded_attributes",
    "encoded_layout",
    "frame_window",
    "join_fragments",
    "native_frame",
    "native_length",
    "swap_words",
    "transcode_frame",
    "transcode_job",
]

# Native pixel data has a 32-bit length, and an even one (P-11).
LONGEST_NATIVE = 0xFFFF_FFFE

_JPEG_THAT_LOST = frozenset(uid for uid in of_families(Family.JPEG) if TRANSFER_SYNTAXES[uid].lossy)
# Their codecs give RGB for whatever colour went in.
_DECODED_TO_RGB = _JPEG_THAT_LOST | of_families(Family.JPEG_XL)
_MAY_BE_TRANSFORMED = WAVELET | of_families(Family.JPEG_2000_PART_2)
_SUBSAMPLED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"})
_EXTENDED_OFFSET_TABLE = ("7FE00001", "7FE00002", "7FE00003")


# --- what decoding changes (W-13) --------------------------------------------------------------------------


def decoded_photometric(
    layout: PixelLayout, transfer_syntax_uid: str, header: CodestreamHeader | None = None
) -> str:
    """Photometric Interpretation of the decoded frames (Z-08); native data has no YBR_RCT or ICT (P-13).

    header: of a frame's codestream (codestream.probe). It only matters where the attributes do not tell
    that a JPEG 2000 codestream goes through a component transform.
    """
    stored = layout.photometric_interpretation
    if layout.samples_per_pixel != 3 or transfer_syntax_uid in NATIVE_FRAMES:
        return stored
    transformed = header is not None and header.colour in ("RCT", "ICT", "HP")
    labelled = stored in ("YBR_RCT", "YBR_ICT") and transfer_syntax_uid in _MAY_BE_TRANSFORMED
    if transfer_syntax_uid in _DECODED_TO_RGB or transformed or labelled:
        return "RGB"
    return "YBR_FULL" if stored in _SUBSAMPLED else stored


def decoded_attributes(
    layout: PixelLayout, transfer_syntax_uid: str, header: CodestreamHeader | None = None
) -> dict[str, bytes | None]:
    """Elements around the decoded pixel data that differ from the stored ones, for explicit_elements.

    Planar Configuration stays (decode_frame follows it) and is put in where it is missing; what says that
    pixels were once lossy stays, and is put in for a syntax or codestream that always is.
    """
    changes: dict[str, bytes | None] = dict.fromkeys(_EXTENDED_OFFSET_TABLE)
    if layout.samples_per_pixel > 1:
        photometric = decoded_photometric(layout, transfer_syntax_uid, header)
        changes["00280004"] = photometric.encode("ascii", "replace")
        changes["00280006"] = struct.pack("<H", layout.planar_configuration)
    if transfer_syntax_uid in _JPEG_THAT_LOST or (header is not None and not header.reversible):
        changes["00282110"] = b"01"
    return changes


def decoded_layout(
    layout: PixelLayout, transfer_syntax_uid: str, header: CodestreamHeader | None = None
) -> PixelLayout:
    """The layout of the native pixel data; its offsets are those of the value itself, from 0."""
    native = replace(
        layout,
        vr="OW" if layout.bits_allocated > 8 else "OB",
        element_offset=0,
        element_end=0,
        value_offset=0,
        encapsulated=False,
        photometric_interpretation=decoded_photometric(layout, transfer_syntax_uid, header),
    )
    return replace(native, value_length=native_length(native))


def native_length(layout: PixelLayout) -> int:
    """Bytes of all frames of a native layout, without a pad byte (M-16, M-18)."""
    return (layout.frames * layout.frame_bits + 7) // 8


# --- from one syntax to another ----------------------------------------------------------------------------

# Every codestream of the first syntax is one of the second.
_ALSO = frozenset(
    {
        (JPEG_BASELINE, JPEG_EXTENDED),
        (JPEG_LOSSLESS, JPEG_LOSSLESS_ANY),
        (JPEG_LS_LOSSLESS, JPEG_LS),
        (JPEG_2000_LOSSLESS, JPEG_2000),
        (JPEG_XL_LOSSLESS, JPEG_XL),
        (HTJ2K_LOSSLESS, HTJ2K),
        (HTJ2K_RPCL, HTJ2K_LOSSLESS),
        (HTJ2K_RPCL, HTJ2K),
    }
)
# A codestream of the first syntax is one of the second when it loses nothing.
_ALSO_REVERSIBLE = frozenset(
    {(JPEG_LS, JPEG_LS_LOSSLESS), (JPEG_2000, JPEG_2000_LOSSLESS), (HTJ2K, HTJ2K_LOSSLESS)}
)


def can_transcode(layout: PixelLayout, source_uid: str, target_uid: str) -> bool:
    """Whether frames stored so can be given in the target syntax, from attributes alone (W-15).

    The size of the whole in Explicit VR Little Endian is not looked at (native_length, LONGEST_NATIVE).
    """
    if source_uid == target_uid or (source_uid, target_uid) in _ALSO:
        return True
    if target_uid == JPEG_RECOMPRESSED:
        return layout.encapsulated and source_uid in LOSSY_JPEG and layout.bits_allocated == 8
    if layout.encapsulated and source_uid not in DECODABLE:
        return False
    if target_uid not in TRANSFER_SYNTAXES or not TRANSFER_SYNTAXES[target_uid].encapsulated:
        return target_uid == EXPLICIT_LITTLE
    return can_encode(_native(layout, source_uid), target_uid)


def transcode_frame(
    codestream: bytes,
    layout: PixelLayout,
    source_uid: str,
    target_uid: str,
    quality: int | None = None,
) -> bytes:
    """One frame in another syntax: its bare codestream; native, for Explicit VR Little Endian.

    codestream: the bare one as stored; of native pixel data the frame, little endian, from bit 0.
    layout: as stored. quality: encoders.encode_frame. Stored bytes that fit the target go out as they are.
    Raises DecodeFailed.
    """
    if source_uid == target_uid:
        return codestream
    header = probe(codestream, source_uid) if layout.encapsulated else None
    if _fits(source_uid, target_uid, header) and quality is None:
        return codestream
    if target_uid == JPEG_RECOMPRESSED:
        return _recompressed(codestream, layout, source_uid, header)
    if source_uid == JPEG_RECOMPRESSED and target_uid in LOSSY_JPEG:
        return _given_back(codestream, target_uid)
    native = decode_frame(codestream, layout, source_uid) if layout.encapsulated else codestream
    if target_uid == EXPLICIT_LITTLE:
        return native
    return encode_frame(native, _native(layout, source_uid, header), target_uid, quality=quality)


def transcode_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """The job of transcode_frame. parameters: layout, source_uid, target_uid, quality; buffers: the frame."""
    return transcode_frame(
        buffers[0],
        PixelLayout(**parameters["layout"]),
        parameters["source_uid"],
        parameters["target_uid"],
        parameters.get("quality"),
    )


def _native(layout: PixelLayout, source_uid: str, header: CodestreamHeader | None = None) -> PixelLayout:
    return decoded_layout(layout, source_uid, header) if layout.encapsulated else layout


def _fits(source_uid: str, target_uid: str, header: CodestreamHeader | None) -> bool:
    """Whether a stored codestream is one of the target syntax, coded as encode_frame would."""
    if (source_uid, target_uid) in _ALSO:
        return True
    if (source_uid, target_uid) not in _ALSO_REVERSIBLE or header is None or not header.reversible:
        return False
    return header.samples == 1 or (header.colour == "RCT" and target_uid in WAVELET)


def _recompressed(
    codestream: bytes, layout: PixelLayout, source_uid: str, header: CodestreamHeader | None
) -> bytes:
    import imagecodecs

    if source_uid not in LOSSY_JPEG or header is None:
        raise DecodeFailed("Only frames stored as lossy JPEG can be recompressed as JPEG XL.")
    if header.samples == 3 and not header.colour and layout.photometric_interpretation == "RGB":
        # Readers of JPEG XL never see the attributes, and take colour for YBR when no marker says RGB.
        raise DecodeFailed("Only the attributes say that this JPEG frame is RGB, which JPEG XL cannot keep.")
    try:
        return bytes(imagecodecs.jpegxl_encode_jpeg(codestream, usecontainer=True, numthreads=1))
    except Exception as error:  # codecs raise what they like over bytes that they do not like
        raise DecodeFailed("The codec refused to recompress a JPEG frame.") from error


def _given_back(codestream: bytes, target_uid: str) -> bytes:
    """The JPEG codestream in a JPEG XL one."""
    import imagecodecs

    try:
        jpeg = bytes(imagecodecs.jpegxl_decode_jpeg(codestream, numthreads=1))
    except Exception as error:  # as above
        raise DecodeFailed("A JPEG XL frame holds no JPEG codestream that can be given back.") from error
    if syntax_of(jpeg) not in {target_uid, JPEG_BASELINE}:
        raise DecodeFailed("The JPEG codestream in a JPEG XL frame is not one of this transfer syntax.")
    return jpeg


# --- what encoding changes (W-13) --------------------------------------------------------------------------

_METHODS = {
    JPEG_BASELINE: "ISO_10918_1",
    JPEG_EXTENDED: "ISO_10918_1",
    JPEG_LS: "ISO_14495_1",
    JPEG_2000: "ISO_15444_1",
    JPEG_XL: "ISO_18181_1",
    HTJ2K: "ISO_15444_15",
}
"""Lossy Image Compression Method (0028,2114), PS3.3 C.7.6.1.1.5.1."""


def encoded_layout(
    layout: PixelLayout,
    source_uid: str,
    target_uid: str,
    header: CodestreamHeader | None = None,
    *,
    quality: int | None = None,
) -> PixelLayout:
    """The layout of pixel data that transcode_frame made; its offsets are unset.

    header: of a frame's stored codestream (codestream.probe).
    """
    if _keeps_attributes(source_uid, target_uid, header, quality):
        encoded = replace(layout, encapsulated=True, vr="OB")
    elif target_uid == EXPLICIT_LITTLE:
        return _native(layout, source_uid, header)
    else:
        encoded = _encoded(_native(layout, source_uid, header), target_uid, quality)
    return replace(encoded, element_offset=0, element_end=0, value_offset=0, value_length=0)


def _keeps_attributes(
    source_uid: str, target_uid: str, header: CodestreamHeader | None, quality: int | None
) -> bool:
    """Whether frames go out as stored, or as the same JPEG in or out of JPEG XL."""
    pair = {source_uid, target_uid}
    recompressed = JPEG_RECOMPRESSED in pair and pair <= LOSSY_JPEG | {JPEG_RECOMPRESSED}
    return len(pair) == 1 or recompressed or (quality is None and _fits(source_uid, target_uid, header))


def _encoded(native: PixelLayout, target_uid: str, quality: int | None) -> PixelLayout:
    as_it_is = target_uid in NATIVE_FRAMES
    bits = coded_bits(native, target_uid)
    return replace(
        native,
        vr="OB",
        encapsulated=True,
        photometric_interpretation=_encoded_photometric(native, target_uid, quality),
        # RLE codes planes whatever it says; other codecs write pixel by pixel (PS3.5 8.2).
        planar_configuration=native.planar_configuration if as_it_is or target_uid == RLE_LOSSLESS else 0,
        bits_stored=bits,
        high_bit=native.high_bit if bits == native.bits_stored else bits - 1,
    )


def _encoded_photometric(native: PixelLayout, target_uid: str, quality: int | None) -> str:
    stored = native.photometric_interpretation
    if native.samples_per_pixel != 3 or target_uid in NATIVE_FRAMES:
        return stored
    if target_uid in LOSSY_JPEG:
        return "YBR_FULL_422"
    lossy = is_lossy(target_uid, native, quality)
    if target_uid in WAVELET and stored == "RGB":
        return "YBR_ICT" if lossy else "YBR_RCT"
    if target_uid == JPEG_XL and lossy:
        return "XYB"
    return "YBR_FULL" if stored in _SUBSAMPLED else stored


def encoded_attributes(
    layout: PixelLayout,
    source_uid: str,
    target_uid: str,
    header: CodestreamHeader | None = None,
    *,
    quality: int | None = None,
    ratio: float | None = None,
    stored_ratio: str = "",
    stored_method: str = "",
) -> dict[str, bytes | None]:
    """Elements around transcoded pixel data that differ from the stored ones, for explicit_elements.

    ratio: bytes of the native frames to those that were made, where known. stored_ratio, stored_method:
    values of (0028,2112) and (0028,2114), to which those of this compression are appended.
    The offset tables of the stored frames go; whoever writes the new ones puts them in.
    """
    if _keeps_attributes(source_uid, target_uid, header, quality):
        return dict.fromkeys(_EXTENDED_OFFSET_TABLE)
    changes: dict[str, bytes | None] = dict.fromkeys(_EXTENDED_OFFSET_TABLE)
    if layout.encapsulated:
        changes = decoded_attributes(layout, source_uid, header)
    if target_uid == EXPLICIT_LITTLE:
        return changes
    encoded = encoded_layout(layout, source_uid, target_uid, header, quality=quality)
    if layout.samples_per_pixel > 1:
        changes["00280004"] = encoded.photometric_interpretation.encode("ascii", "replace")
        changes["00280006"] = struct.pack("<H", encoded.planar_configuration)
    if encoded.bits_stored != layout.bits_stored:
        changes["00280101"] = struct.pack("<H", encoded.bits_stored)
        changes["00280102"] = struct.pack("<H", encoded.high_bit)
    if is_lossy(target_uid, _native(layout, source_uid, header), quality):
        changes["00282110"] = b"01"
        changes["00282114"] = _appended(stored_method, _METHODS[target_uid])
        if ratio is not None:
            changes["00282112"] = _appended(stored_ratio, f"{ratio:.2f}")
    return changes


def _appended(stored: str, value: str) -> bytes:
    """One more value behind those that earlier compressions left."""
    return "\\".join([stored, value] if stored.strip() else [value]).encode("ascii", "replace")
