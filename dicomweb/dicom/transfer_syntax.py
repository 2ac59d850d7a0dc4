"""The transfer syntaxes of PS3.6 table A-1 as one table (PS3.5 section 10 and annex A)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
_FOUR = "1.2.840.10008.1.2.4."
JPEG_BASELINE = f"{_FOUR}50"
JPEG_EXTENDED = f"{_FOUR}51"
JPEG_PROGRESSIVE = f"{_FOUR}55"
JPEG_LOSSLESS_ANY = f"{_FOUR}57"
JPEG_HIERARCHICAL = tuple(f"{_FOUR}{n}" for n in (59, 61, 65))
"""Extended, progressive and lossless with Huffman coding."""
JPEG_LOSSLESS = f"{_FOUR}70"
JPEG_LS_LOSSLESS = f"{_FOUR}80"
JPEG_LS = f"{_FOUR}81"
JPEG_2000_LOSSLESS = f"{_FOUR}90"
JPEG_2000 = f"{_FOUR}91"
JPEG_XL_LOSSLESS = f"{_FOUR}110"
JPEG_RECOMPRESSED = f"{_FOUR}111"
"""JPEG XL that holds a JPEG codestream, which comes out of it byte for byte."""
JPEG_XL = f"{_FOUR}112"
HTJ2K_LOSSLESS = f"{_FOUR}201"
HTJ2K_RPCL = f"{_FOUR}202"
HTJ2K = f"{_FOUR}203"


class Family(Enum):
    """Syntaxes whose codestreams one codec reads.

    JPEG: Huffman coding, not hierarchical. JPEG_OTHER: arithmetic coding and hierarchical JPEG, which no
    codec of today reads. JPEG_2000_PART_2: with transforms across components.
    """

    OTHER = auto()
    JPEG = auto()
    JPEG_OTHER = auto()
    JPEG_LS = auto()
    JPEG_2000 = auto()
    JPEG_2000_PART_2 = auto()
    HTJ2K = auto()
    JPEG_XL = auto()
    VIDEO = auto()


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How the bytes of a data set are encoded.

    family: whose codec its pixels need.
    encapsulated: top-level Pixel Data, where there is any, lies in fragments (PS3.5 A.4).
    lossy: the syntax allows lossy pixels; False says that every frame is reversible.
    one_fragment: each frame is exactly one fragment (PS3.5 A.4.2, A.4.11, A.4.13).
    media_type: of one frame's bare codestream (PS3.18 table 8.7.3-5), empty where pixels are not files.
    """

    uid: str
    name: str
    family: Family = Family.OTHER
    explicit: bool = True
    little: bool = True
    deflated: bool = False
    encapsulated: bool = False
    lossy: bool = False
    video: bool = False
    one_fragment: bool = False
    media_type: str = ""
    retired: bool = False


_MPEG, _MP4, _H265 = "video/mpeg", "video/mp4", "video/H265"
_MEDIA_TYPES = {
    Family.JPEG: "image/jpeg",
    Family.JPEG_OTHER: "image/jpeg",
    Family.JPEG_LS: "image/jls",
    Family.JPEG_2000: "image/jp2",
    Family.JPEG_2000_PART_2: "image/jpx",
    Family.HTJ2K: "image/jphc",
    Family.JPEG_XL: "image/jxl",
}


def _compressed(
    suffix: str, name: str, family: Family, *, lossy: bool = False, retired: bool = False
) -> TransferSyntax:
    return TransferSyntax(
        f"{_FOUR}{suffix}",
        name,
        family,
        encapsulated=True,
        lossy=lossy,
        media_type=_MEDIA_TYPES[family],
        retired=retired,
    )


def _jpeg(suffix: str, name: str, *, lossy: bool = False, retired: bool = False) -> TransferSyntax:
    return _compressed(suffix, name, Family.JPEG, lossy=lossy, retired=retired)


def _retired_jpeg(suffix: str, name: str, *, lossy: bool = False) -> TransferSyntax:
    return _compressed(suffix, name, Family.JPEG_OTHER, lossy=lossy, retired=True)


def _video(suffix: str, name: str, media_type: str) -> TransferSyntax:
    return TransferSyntax(
        f"{_FOUR}{suffix}",
        name,
        Family.VIDEO,
        encapsulated=True,
        lossy=True,
        video=True,
        media_type=media_type,
    )


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
    _retired_jpeg("52", "JPEG Extended (Process 3 and 5)", lossy=True),
    _jpeg("53", "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)", lossy=True, retired=True),
    _retired_jpeg("54", "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)", lossy=True),
    _jpeg("55", "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)", lossy=True, retired=True),
    _retired_jpeg("56", "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)", lossy=True),
    _jpeg("57", "JPEG Lossless, Non-Hierarchical (Process 14)"),
    _retired_jpeg("58", "JPEG Lossless, Non-Hierarchical (Process 15)"),
    _retired_jpeg("59", "JPEG Extended, Hierarchical (Process 16 and 18)", lossy=True),
    _retired_jpeg("60", "JPEG Extended, Hierarchical (Process 17 and 19)", lossy=True),
    _retired_jpeg("61", "JPEG Spectral Selection, Hierarchical (Process 20 and 22)", lossy=True),
    _retired_jpeg("62", "JPEG Spectral Selection, Hierarchical (Process 21 and 23)", lossy=True),
    _retired_jpeg("63", "JPEG Full Progression, Hierarchical (Process 24 and 26)", lossy=True),
    _retired_jpeg("64", "JPEG Full Progression, Hierarchical (Process 25 and 27)", lossy=True),
    _retired_jpeg("65", "JPEG Lossless, Hierarchical (Process 28)"),
    _retired_jpeg("66", "JPEG Lossless, Hierarchical (Process 29)"),
    _jpeg("70", "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14, Selection Value 1)"),
    _compressed("80", "JPEG-LS Lossless", Family.JPEG_LS),
    _compressed("81", "JPEG-LS Lossy (Near-Lossless)", Family.JPEG_LS, lossy=True),
    _compressed("90", "JPEG 2000 (Lossless Only)", Family.JPEG_2000),
    _compressed("91", "JPEG 2000", Family.JPEG_2000, lossy=True),
    _compressed("92", "JPEG 2000 Part 2 Multi-component (Lossless Only)", Family.JPEG_2000_PART_2),
    _compressed("93", "JPEG 2000 Part 2 Multi-component", Family.JPEG_2000_PART_2, lossy=True),
    TransferSyntax(f"{_FOUR}94", "JPIP Referenced", lossy=True),
    TransferSyntax(f"{_FOUR}95", "JPIP Referenced Deflate", deflated=True, lossy=True),
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
    _compressed("110", "JPEG XL Lossless", Family.JPEG_XL),
    _compressed("111", "JPEG XL JPEG Recompression", Family.JPEG_XL, lossy=True),
    _compressed("112", "JPEG XL", Family.JPEG_XL, lossy=True),
    _compressed("201", "High-Throughput JPEG 2000 (Lossless Only)", Family.HTJ2K),
    _compressed("202", "High-Throughput JPEG 2000 with RPCL Options (Lossless Only)", Family.HTJ2K),
    _compressed("203", "High-Throughput JPEG 2000", Family.HTJ2K, lossy=True),
    TransferSyntax(f"{_FOUR}204", "JPIP HTJ2K Referenced", lossy=True),
    TransferSyntax(f"{_FOUR}205", "JPIP HTJ2K Referenced Deflate", deflated=True, lossy=True),
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


def of_families(*families: Family) -> frozenset[str]:
    """The UIDs of all syntaxes of some families."""
    return frozenset(syntax.uid for syntax in _ALL if syntax.family in families)


# The syntax meant by a media type that names none (PS3.18 table 8.7.3-5, column D).
DEFAULT_FOR_MEDIA_TYPE = {
    "application/octet-stream": EXPLICIT_LITTLE,
    "image/jpeg": JPEG_LOSSLESS,
    "image/dicom-rle": RLE_LOSSLESS,
    "image/jls": JPEG_LS_LOSSLESS,
    "image/jp2": JPEG_2000_LOSSLESS,
    "image/jpx": f"{_FOUR}92",
    "image/jphc": HTJ2K_LOSSLESS,
    "image/jxl": JPEG_XL_LOSSLESS,
    "video/mpeg": f"{_FOUR}101",
    "video/mp4": f"{_FOUR}102",
    "video/H265": f"{_FOUR}107",
}


def lookup(uid: str) -> TransferSyntax | None:
    """The transfer syntax of this UID, None when this archive does not know it."""
    return TRANSFER_SYNTAXES.get(uid)
