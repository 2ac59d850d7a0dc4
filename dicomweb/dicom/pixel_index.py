"""The pixels of a scanned data set: their layout, their true transfer syntax, and where each frame lies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dicomweb.dicom import codestream, frame_index
from dicomweb.dicom.dataset_reader import (
    DOUBLE_PIXEL_DATA,
    EXTENDED_LENGTHS,
    EXTENDED_OFFSETS,
    FLOAT_PIXEL_DATA,
    DatasetReader,
    PixelElement,
)
from dicomweb.dicom.frame_index import ENTRY_SIZE, unpack
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.scope import Encoding
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TransferSyntax,
    lookup,
)
from dicomweb.errors import InvalidDicom

_UNSUPPORTED_SYNTAX = 0xC122
_FLOAT_BITS = {FLOAT_PIXEL_DATA: 32, DOUBLE_PIXEL_DATA: 64}
BARE_SYNTAX = {
    Encoding(explicit=True, little=True): EXPLICIT_LITTLE,
    Encoding(explicit=False, little=True): IMPLICIT_LITTLE,
    Encoding(explicit=True, little=False): EXPLICIT_BIG,
}
_LIE = "The pixel data is not encoded in the transfer syntax that the object states."


def true_syntax(reader: DatasetReader, claimed: TransferSyntax, encoding: Encoding) -> TransferSyntax:
    """The claimed transfer syntax, corrected where the pixel data is plainly of another.

    Raises InvalidDicom for compressed pixel data under a native syntax when no codec's marks tell which.
    """
    pixels = reader.pixels
    if pixels is None:
        return claimed
    if pixels.fragments is None:
        if not claimed.encapsulated:
            return claimed
        reader.warn(_LIE)
        return _known(BARE_SYNTAX[encoding])
    seen = lookup(codestream.syntax_of(pixels.fragments.head))
    if claimed.encapsulated:
        if seen is None or not _contradicts(claimed, seen):
            return claimed
    elif seen is None:
        raise InvalidDicom(
            "The pixel data is compressed, in a way that neither the transfer syntax nor the data tells.",
            failure_reason=_UNSUPPORTED_SYNTAX,
        )
    reader.warn(_LIE)
    return seen


def _known(uid: str) -> TransferSyntax:
    syntax = lookup(uid)
    assert syntax is not None
    return syntax


def _contradicts(claimed: TransferSyntax, seen: TransferSyntax) -> bool:
    """Whether another codec wrote the frames. Within a family the claim stands: .91 may hold reversible
    frames, .57 those of .70."""
    if claimed.video or claimed.uid in (ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES):
        return False
    if claimed.media_type != seen.media_type:
        return True
    return claimed.media_type == "image/jpeg" and claimed.lossy != seen.lossy


def pixel_layout(
    reader: DatasetReader, attributes: dict[str, Any], syntax: TransferSyntax
) -> tuple[PixelLayout | None, bytes]:
    """The layout, and the frame entries of encapsulated pixel data (b"" for native)."""
    pixels = reader.pixels
    if pixels is None:
        return None, b""
    layout = _described(pixels, attributes)
    frames = _count(attributes, "00280008", 1) or 1
    if pixels.fragments is None:
        return _native(reader, layout, frames), b""
    if syntax.video:
        return layout, b""
    extended = None
    if EXTENDED_OFFSETS in reader.extended and EXTENDED_LENGTHS in reader.extended:
        extended = reader.extended[EXTENDED_OFFSETS], reader.extended[EXTENDED_LENGTHS]
    entries = frame_index.frame_entries(pixels.fragments, frames=frames, extended=extended)
    found = len(entries) // ENTRY_SIZE
    if found != frames:
        reader.warn("Number of Frames does not agree with the frames that the pixel data holds.")
    if found == 1:
        entries = _without_padding(entries, attributes)
    return replace(layout, frames=found), entries


def _without_padding(entry: bytes, attributes: dict[str, Any]) -> bytes:
    """Encapsulated Pixel Data Value Total Length says where the last fragment's pad byte is (P-09)."""
    (frame,) = unpack(entry)
    if frame.length - _count(attributes, "7FE00003", 0) == 1:
        return replace(frame, span=frame.span - 1).pack()
    return entry


def _described(pixels: PixelElement, attributes: dict[str, Any]) -> PixelLayout:
    """Image Pixel Description Macro (PS3.3 C.7.6.3), what is absent taken as its most common value."""
    allocated = _count(attributes, "00280100", _FLOAT_BITS.get(pixels.tag, 8))
    stored = _count(attributes, "00280101", allocated)
    photometric = _value(attributes, "00280004")
    return PixelLayout(
        tag=f"{pixels.tag:08X}",
        vr=pixels.vr,
        element_offset=pixels.element_offset,
        element_end=pixels.element_end,
        value_offset=pixels.value_offset,
        value_length=pixels.value_length,
        encapsulated=pixels.fragments is not None,
        frames=0,
        rows=_count(attributes, "00280010", 0),
        columns=_count(attributes, "00280011", 0),
        samples_per_pixel=_count(attributes, "00280002", 1),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=_count(attributes, "00280102", max(stored - 1, 0)),
        pixel_representation=_count(attributes, "00280103", 0),
        photometric_interpretation=photometric if isinstance(photometric, str) else "",
        planar_configuration=_count(attributes, "00280006", 0),
    )


def _native(reader: DatasetReader, layout: PixelLayout, frames: int) -> PixelLayout:
    """The frames that native pixel data really holds, however many or large the header says they are."""
    bits = 8 * layout.value_length
    full = layout.rows * layout.columns * layout.samples_per_pixel * layout.bits_allocated
    if layout.frame_bits != full and frames * full <= bits:
        # Labelled as sub-sampled, but every pixel has all its samples.
        layout = replace(layout, photometric_interpretation="YBR_FULL")
        reader.warn("Native pixel data is not sub-sampled as its photometric interpretation says.")
    if full == 0:
        return layout
    there = bits // layout.frame_bits
    if there < frames:
        reader.warn("The pixel data is shorter than its rows, columns and frames ask for.")
    return replace(layout, frames=min(frames, there))


def _value(attributes: dict[str, Any], tag: str) -> Any:
    values = attributes.get(tag, {}).get("Value")
    return values[0] if values else None


def _count(attributes: dict[str, Any], tag: str, absent: int) -> int:
    """First value of a number that counts something; `absent` for what is none."""
    value = _value(attributes, tag)
    return value if isinstance(value, int) and 0 <= value < 1 << 32 else absent
