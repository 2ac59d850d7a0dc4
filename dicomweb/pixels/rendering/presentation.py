"""Presentation states: what they say about the picture of one frame (PS3.4 N.2, PS3.3 A.33, C.10, C.11).

A state replaces the grayscale transformations, shutters and overlays of the images it refers to, chooses the
displayed area, turns it, and draws graphics upon it. display_with_presentation_state puts all that into the
display of a frame; its bulk values come from two instances then: paths that begin with STATE_PATH are the
state's, after that prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dicomweb.pixels.rendering.display import Attributes, Display, is_overlay, items, located

STATE_PATH = "presentation:"

_STORAGE = "1.2.840.10008.5.1.4.1.1.11."
GRAYSCALE_STATES = frozenset({f"{_STORAGE}1", f"{_STORAGE}5"})
"""Grayscale Softcopy and XA/XRF Grayscale Softcopy Presentation State Storage."""
COLOUR_STATE, PSEUDO_COLOUR_STATE = f"{_STORAGE}2", f"{_STORAGE}3"
PRESENTATION_STATES = GRAYSCALE_STATES | {COLOUR_STATE, PSEUDO_COLOUR_STATE}
"""SOP classes whose referenced images can be drawn as they say."""

_SOP_CLASS = "00080016"
_REFERENCED_SERIES, _REFERENCED_IMAGES = "00081115", "00081140"
_SERIES, _REFERENCED_INSTANCE, _REFERENCED_FRAMES = "0020000E", "00081155", "00081160"
_SOFTCOPY_VOI_LUTS, _DISPLAYED_AREAS, _GRAPHICS = "00283110", "0070005A", "00700001"
_LAYER, _LAYERS = "00700002", "00700060"
_TURN = ("00700041", "00700042")  # Image Horizontal Flip, Image Rotation
_PHOTOMETRIC = "00280004"
_ACTIVATION_LAYER = "1001"

MODALITY = frozenset({"00281052", "00281053", "00283000"})
VOI = frozenset({"00281050", "00281051", "00281056", "00283010"})
_PRESENTATION_LUTS = frozenset({"20500010", "20500020"})
SHUTTERS = frozenset(f"0018{element:04X}" for element in range(0x1600, 0x1625))
_PADDING = frozenset({"00280120", "00280121"})
PALETTE = frozenset(
    f"0028{element:04X}" for start in (0x1101, 0x1201, 0x1221) for element in range(start, start + 3)
)
ICC_PROFILE = "00282000"
GRAYSCALE_TRANSFORMATIONS = MODALITY | VOI | _PRESENTATION_LUTS | _PADDING


@dataclass(frozen=True, slots=True)
class ReferencedImage:
    """An image that a state refers to. frames: numbers from 1; empty for all."""

    series_instance_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...]


def referenced_images(state: Attributes) -> tuple[ReferencedImage, ...]:
    """The images of a presentation state, in the order of its references, each once.

    state: DICOM JSON of the instance.
    """
    return tuple(dict.fromkeys(_references(state)))


def _references(state: Attributes) -> Iterator[ReferencedImage]:
    for series in items(state, _REFERENCED_SERIES):
        for image in items(series, _REFERENCED_IMAGES):
            yield ReferencedImage(
                text_of(series, _SERIES), text_of(image, _REFERENCED_INSTANCE), referenced_frames(image)
            )


def display_with_presentation_state(display: Display, state: Attributes, sop_instance_uid: str) -> Display:
    """The display of a frame as a presentation state wants it shown.

    display: of the frame, by display_of. state: DICOM JSON of the state. sop_instance_uid: the image's.
    """
    frame_number = display["frame_index"] + 1
    sop_class = text_of(state, _SOP_CLASS)
    attributes = {
        tag: value for tag, value in display["attributes"].items() if not _is_replaced(tag, sop_class)
    }
    attributes |= _own_overlays(display["attributes"], state)
    attributes |= {tag: of_state(value) for tag, value in state.items() if _is_replaced(tag, sop_class)}
    if sop_class != COLOUR_STATE:
        attributes |= softcopy_voi(state, sop_instance_uid, frame_number)
        # What comes out of the VOI LUT: gray, or an index of the state's palette. Which end is white only
        # the state says; the image's MONOCHROME1 no longer does (PS3.4 N.2.1.4).
        photometric = "PALETTE COLOR" if sop_class == PSEUDO_COLOUR_STATE else "MONOCHROME2"
        attributes[_PHOTOMETRIC] = {"vr": "CS", "Value": [photometric]}
    presentation = presentation_of(state, sop_instance_uid, frame_number)
    return {**display, "attributes": attributes, "presentation": presentation}


def presentation_of(state: Attributes, sop_instance_uid: str, frame_number: int) -> dict[str, Any]:
    """What a state says of the finished picture of a frame: displayed area, turn, graphics."""
    presentation = {tag: of_state(state[tag]) for tag in (*_TURN, _LAYERS) if tag in state}
    for tag in (_DISPLAYED_AREAS, _GRAPHICS):
        chosen = [item for item in items(state, tag) if applies(item, sop_instance_uid, frame_number)]
        presentation[tag] = of_state({"vr": "SQ", "Value": chosen})
    return presentation


def _is_replaced(tag: str, sop_class: str) -> bool:
    """Whether a state of this class speaks for the attribute, if only by leaving it out."""
    if sop_class == COLOUR_STATE:
        return tag in SHUTTERS or tag == ICC_PROFILE or is_overlay(tag)
    palette = sop_class == PSEUDO_COLOUR_STATE and (tag in PALETTE or tag == ICC_PROFILE)
    return palette or tag in GRAYSCALE_TRANSFORMATIONS or tag in SHUTTERS or is_overlay(tag)


def _own_overlays(attributes: Attributes, state: Attributes) -> dict[str, Any]:
    """Overlays of the image that the state puts on one of its layers (C.11.7)."""
    active = {
        tag[:4] for tag, value in state.items() if tag.endswith(_ACTIVATION_LAYER) and value.get("Value")
    }
    return {tag: value for tag, value in attributes.items() if is_overlay(tag) and tag[:4] in active}


def softcopy_voi(state: Attributes, sop_instance_uid: str, frame_number: int) -> dict[str, Any]:
    """The VOI LUT or window of the state for a frame (C.11.8)."""
    for item in items(state, _SOFTCOPY_VOI_LUTS):
        if applies(item, sop_instance_uid, frame_number):
            return {tag: of_state(value) for tag, value in item.items() if tag in VOI}
    return {}


def applies(item: Attributes, sop_instance_uid: str, frame_number: int) -> bool:
    """Whether an item is for this frame: it refers to it, or to nothing."""
    images = items(item, _REFERENCED_IMAGES)
    return not images or any(
        text_of(image, _REFERENCED_INSTANCE) == sop_instance_uid
        and (not referenced_frames(image) or frame_number in referenced_frames(image))
        for image in images
    )


def referenced_frames(image: Attributes) -> tuple[int, ...]:
    """Numbers of the frames that a reference names; empty for all."""
    values = image.get(_REFERENCED_FRAMES, {}).get("Value") or ()
    return tuple(value for value in values if isinstance(value, int))


def text_of(attributes: Attributes, tag: str) -> str:
    """The first text of an attribute, without blanks around it."""
    values = attributes.get(tag, {}).get("Value")
    return str(values[0]).strip() if values and values[0] is not None else ""


def of_state(element: Mapping[str, Any]) -> dict[str, Any]:
    """An element of the state, its bulkdata paths marked as the state's."""
    return located(element, STATE_PATH)
