"""What of an instance's metadata the picture of one frame needs: small, and the same for every frame kind.

A display is JSON-able: {"frame_index": from 0, "attributes": DICOM JSON}, in which the functional groups of
the frame (PS3.3 C.7.6.16) stand beside the attributes of the whole image, and BulkDataURI holds a bare path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dicomweb.pixels.rendering.timing import CINE_RATE, DISPLAY_RATE, FRAME_TIME, own_frame_time

Attributes = Mapping[str, Any]
Display = dict[str, Any]

_SHARED_GROUPS, _PER_FRAME_GROUPS = "52009229", "52009230"
_SEGMENTS, _SEGMENT_NUMBER, _REFERENCED_SEGMENT = "00620002", "00620004", "0062000B"
_OPTICAL_PATHS, _OPTICAL_PATH_IDENTIFIER, _ICC_PROFILE = "00480105", "00480106", "00282000"

# Functional group macros whose attributes stand in the image itself where there are no functional groups.
_FRAME_MACROS = (
    "00289110",  # Pixel Measures
    "00289132",  # Frame VOI LUT
    "00289145",  # Pixel Value Transformation
    "00189472",  # Frame Display Shutter
    "0062000A",  # Segment Identification
    "00480207",  # Optical Path Identification
)
_KEPT = frozenset(
    {
        "00080016",  # SOP Class UID
        "00080060",  # Modality
        "00089205",  # Pixel Presentation
        "00181164",  # Imager Pixel Spacing
        *(f"0018{element:04X}" for element in range(0x1600, 0x1625)),  # Display Shutter
        "00186011",  # Sequence of Ultrasound Regions
        "00182010",  # Nominal Scanned Pixel Spacing
        "00280030",  # Pixel Spacing
        "00280034",  # Pixel Aspect Ratio
        "00280120",  # Pixel Padding Value
        "00280121",  # Pixel Padding Range Limit
        "00282110",  # Lossy Image Compression
        "00281050",  # Window Center
        "00281051",  # Window Width
        "00281052",  # Rescale Intercept
        "00281053",  # Rescale Slope
        "00281056",  # VOI LUT Function
        *(f"0028{element:04X}" for element in range(0x1101, 0x1104)),  # Palette descriptors
        *(f"0028{element:04X}" for element in range(0x1201, 0x1204)),  # Palette data
        *(f"0028{element:04X}" for element in range(0x1221, 0x1224)),  # Segmented palette data
        CINE_RATE,
        DISPLAY_RATE,
        FRAME_TIME,
        _ICC_PROFILE,
        "00283000",  # Modality LUT Sequence
        "00283010",  # VOI LUT Sequence
        "20500010",  # Presentation LUT Sequence
        "20500020",  # Presentation LUT Shape
        "3004000E",  # Dose Grid Scaling
        _REFERENCED_SEGMENT,
        _OPTICAL_PATH_IDENTIFIER,
        "00620001",  # Segmentation Type
        "0062000E",  # Maximum Fractional Value
    }
)


def display_of(attributes: Attributes, frame_index: int, *, with_profile: bool = True) -> Display:
    """What the picture of one frame needs of the DICOM JSON of its instance.

    attributes: as stored or as sent; bulkdata may be given by path or by URL. frame_index: from 0.
    with_profile: the ICC profile may be asked for; that of a slide is large, and each tile would carry it.
    """
    kept = {tag: element for tag, element in attributes.items() if tag in _KEPT or is_overlay(tag)}
    for group in _functional_groups(attributes, frame_index):
        for macro in _FRAME_MACROS:
            for item in items(group, macro)[:1]:
                kept.update({tag: element for tag, element in item.items() if tag in _KEPT})
    own_time = own_frame_time(attributes, frame_index)
    if own_time:
        kept[FRAME_TIME] = {"vr": "DS", "Value": [own_time]}
    _add_segments(kept, attributes)
    if with_profile:
        _add_optical_path(kept, attributes)
    else:
        kept.pop(_ICC_PROFILE, None)
    return {
        "frame_index": frame_index,
        "attributes": {tag: located(element) for tag, element in kept.items()},
    }


def bulk_paths(display: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the bulkdata values that a display or presentation needs, in the order of a job's buffers."""
    return (*_paths(display["attributes"]), *_paths(display.get("presentation", {})))


def is_overlay(tag: str) -> bool:
    """An attribute of an overlay plane: even groups from 6000 to 601E (PS3.3 C.9.2)."""
    return tag.startswith("60") and tag[2] in "01" and tag[3] in "02468ACE"


def items(attributes: Attributes, tag: str) -> list[Attributes]:
    """Items of a sequence; empty where it is none."""
    values = attributes.get(tag, {}).get("Value")
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _functional_groups(attributes: Attributes, frame_index: int) -> Iterator[Attributes]:
    yield from items(attributes, _SHARED_GROUPS)[:1]
    yield from items(attributes, _PER_FRAME_GROUPS)[frame_index : frame_index + 1]


def _first(attributes: Attributes, tag: str) -> Any:
    values = attributes.get(tag, {}).get("Value")
    return values[0] if isinstance(values, list) and values else None


# Of a segment, only what gives it a colour: a labelmap may have thousands of segments.
_SEGMENT_KEPT = (_SEGMENT_NUMBER, "0062000D")


def _add_segments(kept: dict[str, Any], attributes: Attributes) -> None:
    """The segment that the frame shows, or all where a frame holds labels (PS3.3 C.8.20)."""
    segments = items(attributes, _SEGMENTS)
    number = _first(kept, _REFERENCED_SEGMENT)
    if number is not None:
        segments = [segment for segment in segments if _first(segment, _SEGMENT_NUMBER) == number]
    if segments:
        slim = [{tag: segment[tag] for tag in _SEGMENT_KEPT if tag in segment} for segment in segments]
        kept[_SEGMENTS] = {"vr": "SQ", "Value": slim}


def _add_optical_path(kept: dict[str, Any], attributes: Attributes) -> None:
    """The ICC profile of a slide's optical path, when the image has none of its own (C.8.12.5)."""
    paths = items(attributes, _OPTICAL_PATHS)
    identifier = _first(kept, _OPTICAL_PATH_IDENTIFIER)
    matching = [path for path in paths if _first(path, _OPTICAL_PATH_IDENTIFIER) == identifier]
    for path in (matching or paths)[:1]:
        if _ICC_PROFILE in path:
            kept.setdefault(_ICC_PROFILE, path[_ICC_PROFILE])


def located(element: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The element with bare bulkdata paths behind a prefix, also in the items of a sequence."""
    if "BulkDataURI" in element:
        path = str(element["BulkDataURI"]).rpartition("/bulkdata/")[2]
        return {**element, "BulkDataURI": prefix + path}
    if element.get("vr") == "SQ" and "Value" in element:
        items = [
            {tag: located(value, prefix) for tag, value in item.items()} for item in element["Value"] if item
        ]
        return {"vr": "SQ", "Value": items}
    return dict(element)


def _paths(attributes: Attributes) -> Iterator[str]:
    for element in attributes.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        elif element.get("vr") == "SQ":
            for item in element.get("Value", ()):
                yield from _paths(item)
