"""The transfer syntaxes of PS3.6 table A-1 as one table (PS3.5 section 10 and annex A)."""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How the bytes of a data set are encoded.

    encapsulated: top-level Pixel Data, where there is any, lies in fragments (PS3.5 A.4).
    lossy: the syntax allows lossy pixels; False says that every frame is reversible.
    one_fragment: each frame is exactly one fragment (PS3.5 A.4.2, A.4.11, A.4.13).
    media_type: of one frame's bare codestream (PS3.18 table 8.7.3-5), empty where pixels are not files.
    """

    uid: str
    name: str
    explicit: bool = True
    little: bool = True
    deflated: bool = False
    encapsulated: bool = False
    lossy: bool = False
    video: bool = False
    one_fragment: bool = False
    media_type: str = ""
    retired: bool = False


def _jpeg(suffix: str, name: str, *, lossy: bool = False, retired: bool = False) -> TransferSyntax:
    return _compressed(suffix, name, "image/jpeg", lossy=lossy, retired=retired)


def _compressed(
    suffix: str,
    name: str,
    media_type: str,
    *,
    lossy: bool = False,
    video: bool = False,
    retired: bool = False,
) -> TransferSyntax:
    uid = f"1.2.840.10008.1.2.4.{suffix}"
    return TransferSyntax(
        uid, name, encapsulated=True, lossy=lossy, video=video, media_type=media_type, retired=retired
    )


def _video(suffix: str, name: str, media_type: str) -> TransferSyntax:
    return _compressed(suffix, name, media_type, lossy=True, video=True)


_MPEG = "video/mpeg"
_MP4 = "video/mp4"
_H265 = "video/H265"

_ALL = (
    TransferSyntax(
        IMPLICIT_LITTLE, "Implicit VR Little Endian", explicit=False, media_type="application/octet-stream"
    ),
    TransferSyntax(EXPLICIT_LITTLE, "Explicit VR Little Endian", media_type="application/octet-stream"),
    TransferSyntax(
        ENCAPSULATED_UNCOMPRESSED,
        "Encapsulated Uncompressed Explicit VR Little Endian",
        encapsulated=True,
        one_fragment=True,
        media_type="application/octet-stream",
    ),
    TransferSyntax(
        DEFLATED_EXPLICIT_LITTLE,
        "Deflated Explicit VR Little Endian",
        deflated=True,
        media_type="application/octet-stream",
    ),
    TransferSyntax(
        EXPLICIT_BIG,
        "Explicit VR Big Endian",
        little=False,
        media_type="application/octet-stream",
        retired=True,
    ),
    _jpeg("50", "JPEG Baseline (Process 1)", lossy=True),
    _jpeg("51", "JPEG Extended (Process 2 and 4)", lossy=True),
    _jpeg("52", "JPEG Extended (Process 3 and 5)", lossy=True, retired=True),
    _jpeg("53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", lossy=True, retired=True),
    _jpeg("54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)", lossy=True, retired=True),
    _jpeg("55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", lossy=True, retired=True),
    _jpeg("56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)", lossy=True, retired=True),
    _jpeg("57", "JPEG Lossless, Non-Hierarchical (Process 14)"),
    _jpeg("58", "JPEG Lossless, Non-Hierarchical (Process 15)", retired=True),
    _jpeg("59", "JPEG Extended, Hierarchical (Process 16 and 18)", lossy=True, retired=True),
    _jpeg("60", "JPEG Extended, Hierarchical (Process 17 and 19)", lossy=True, retired=True),
    _jpeg("61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)", lossy=True, retired=True),
    _jpeg("62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)", lossy=True, retired=True),
    _jpeg("63", "JPEG Full Progression, Hierarchical (Process 24 and 26)", lossy=True, retired=True),
    _jpeg("64", "JPEG Full Progression, Hierarchical (Process 25 and 27)", lossy=True, retired=True),
    _jpeg("65", "JPEG Lossless, Hierarchical (Process 28)", retired=True),
    _jpeg("66", "JPEG Lossless, Hierarchical (Process 29)", retired=True),
    _jpeg("70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14, Selection Value 1)"),
    _compressed("80", "JPEG-LS Lossless", "image/jls"),
    _compressed("81", "JPEG-LS Lossy (Near-Lossless)", "image/jls", lossy=True),
    _compressed("90", "JPEG 2000 (Lossless Only)", "image/jp2"),
    _compressed("91", "JPEG 2000", "image/jp2", lossy=True),
    _compressed("92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", "image/jpx"),
    _compressed("93", "JPEG 2000 Part 2 Multi-component", "image/jpx", lossy=True),
    TransferSyntax("1.2.840.10008.1.2.4.94", "JPIP Referenced", lossy=True),
    TransferSyntax("1.2.840.10008.1.2.4.95", "JPIP Referenced Deflate", deflated=True, lossy=True),
    _video("100", "MPEG2 Main Profile / Main Level", _MPEG),
    _video("100.1", "Fragmentable MPEG2 Main Profile / Main Level", _MPEG),
    _video("101", "MPEG2 Main Profile / High Level", _MPEG),
    _video("101.1", "Fragmentable MPEG2 Main Profile / High Level", _MPEG),
    _video("102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", _MP4),
    _video("102.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1", _MP4),
    _video("103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", _MP4),
    _video("103.1", "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", _MP4),
    _video("104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", _MP4),
    _video("104.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", _MP4),
    _video("105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", _MP4),
    _video("105.1", "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", _MP4),
    _video("106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", _MP4),
    _video("106.1", "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", _MP4),
    _video("107", "HEVC/H.265 Main Profile / Level 5.1", _H265),
    _video("108", "HEVC/H.265 Main 10 Profile / Level 5.1", _H265),
    _compressed("110", "JPEG XL Lossless", "image/jxl"),
    _compressed("111", "JPEG XL JPEG Recompression", "image/jxl", lossy=True),
    _compressed("112", "JPEG XL", "image/jxl", lossy=True),
    _compressed("201", "High-Throughput JPEG 2000 (Lossless Only)", "image/jphc"),
    _compressed("202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", "image/jphc"),
    _compressed("203", "High-Throughput JPEG 2000", "image/jphc", lossy=True),
    TransferSyntax("1.2.840.10008.1.2.4.204", "JPIP HTJ2K Referenced", lossy=True),
    TransferSyntax("1.2.840.10008.1.2.4.205", "JPIP HTJ2K Referenced Deflate", deflated=True, lossy=True),
    TransferSyntax(
        RLE_LOSSLESS, "RLE Lossless", encapsulated=True, one_fragment=True, media_type="image/dicom-rle"
    ),
    TransferSyntax(
        DEFLATED_FRAMES,
        "Deflated Image Frame Compression",
        encapsulated=True,
        one_fragment=True,
        media_type="application/x-deflate",
    ),
    TransferSyntax(
        "1.2.840.10008.1.20",
        "Papyrus 3 Implicit VR Little Endian",
        explicit=False,
        media_type="application/octet-stream",
        retired=True,
    ),
)
# Not in the table, so refused when stored (0xC122): 1.2.840.10008.1.2.6.1 and 6.2 (MIME and XML wrappers,
# whose data sets are not binary) and 7.1-7.3 (SMPTE ST 2110 streams, never files).

TRANSFER_SYNTAXES = {syntax.uid: syntax for syntax in _ALL}

# The syntax meant by a media type that names none (PS3.18 table 8.7.3-5, column D).
DEFAULT_FOR_MEDIA_TYPE = {
    "application/octet-stream": EXPLICIT_LITTLE,
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/dicom-rle": RLE_LOSSLESS,
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "video/mpeg": "1.2.840.10008.1.2.4.101",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/H265": "1.2.840.10008.1.2.4.107",
}


def lookup(uid: str) -> TransferSyntax | None:
    """The transfer syntax of this UID, None when this archive does not know it."""
    return TRANSFER_SYNTAXES.get(uid)
