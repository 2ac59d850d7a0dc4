"""Blending presentation states: which sets of images they lay over each other, and how (PS3.4 N.2.4, N.2.6).

A Blending Softcopy state (PS3.3 C.11.14) has an underlying and a superimposed set. An Advanced Blending state
(C.11.33, C.11.34) has any number, blended in steps. Both are the same here: inputs with a number, and steps.
Each frame of one input makes a picture, with its geometry; the other inputs are resampled to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dicomweb.pixels.rendering.display import Attributes, Display, is_overlay, items
from dicomweb.pixels.rendering.presentation import (
    GRAYSCALE_TRANSFORMATIONS,
    ICC_PROFILE,
    MODALITY,
    PALETTE,
    SHUTTERS,
    ReferencedImage,
    of_state,
    presentation_of,
    referenced_frames,
    softcopy_voi,
    text_of,
)

_STORAGE = "1.2.840.10008.5.1.4.1.1.11."
BLENDING_STATE, ADVANCED_BLENDING_STATE = f"{_STORAGE}4", f"{_STORAGE}8"
BLENDING_STATES = frozenset({BLENDING_STATE, ADVANCED_BLENDING_STATE})

_SOP_CLASS, _PHOTOMETRIC = "00080016", "00280004"
_STUDY, _SERIES = "0020000D", "0020000E"
_REFERENCED_SERIES, _REFERENCED_IMAGES, _INSTANCE = "00081115", "00081140", "00081155"
_BLENDING, _POSITION, _OPACITY = "00700402", "00700405", "00700403"
_ADVANCED, _NUMBER, _GEOMETRY = "00701B01", "00701B02", "00701B08"
_STEPS, _STEP_INPUTS, _MODE = "00701B04", "00701B03", "00701B06"
_THRESHOLDS, _THRESHOLD_TYPE, _THRESHOLD_VALUES, _THRESHOLD_VALUE = (
    "00701B11",
    "00701B13",
    "00701B12",
    "00701B14",
)
_VOI_LUTS = "00283110"

_MOST_INPUTS = 16
_UNDERLYING, _SUPERIMPOSED = 0, 1
_ON_TOP = {"UNDERLYING": _UNDERLYING, "SUPERIMPOSED": _SUPERIMPOSED}


@dataclass(frozen=True, slots=True)
class Blended:
    """One set of images. references: an empty sop_instance_uid stands for the whole series.

    item: of the state, that says how values become gray or colour. thresholds: (type, values) that modality
    values must meet to be seen.
    """

    number: int
    study_instance_uid: str
    references: tuple[ReferencedImage, ...]
    item: Attributes
    thresholds: tuple[tuple[str, tuple[float, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """inputs, result: numbers of inputs or results; -1 for what is shown.

    opacity: of the first of two inputs (FOREGROUND); None gives all the same weight (EQUAL).
    """

    inputs: tuple[int, ...]
    opacity: float | None
    result: int = -1


@dataclass(frozen=True, slots=True)
class Blend:
    """What a state blends. base: number of the input that pictures have the geometry of."""

    inputs: tuple[Blended, ...]
    base: int
    steps: tuple[Step, ...]


def blend_of(state: Attributes) -> Blend | None:
    """What a state blends, from its DICOM JSON; None where it says too little."""
    blend = _advanced(state) if text_of(state, _SOP_CLASS) == ADVANCED_BLENDING_STATE else _softcopy(state)
    numbers = {one.number for one in blend.inputs}
    usable = blend.base in numbers and len(numbers) == len(blend.inputs) and blend.steps
    return blend if usable and len(numbers) <= _MOST_INPUTS else None


def display_of_input(
    display: Display, state: Attributes, one: Blended, sop_instance_uid: str, *, base: bool
) -> Display:
    """The display of a frame of an input. base: with what is said of the finished picture."""
    advanced = text_of(state, _SOP_CLASS) == ADVANCED_BLENDING_STATE
    palette = one.item if advanced else state if one.number == _SUPERIMPOSED else {}
    said = {tag: value for tag, value in one.item.items() if tag in MODALITY}
    said |= softcopy_voi(one.item, sop_instance_uid, display["frame_index"] + 1)
    said |= {tag: value for tag, value in palette.items() if tag in PALETTE}
    # What an advanced state leaves open is the image's own; a softcopy state speaks for all.
    replaced = _replaced_by(said) if advanced else GRAYSCALE_TRANSFORMATIONS | {ICC_PROFILE}
    kept = {
        tag: value
        for tag, value in display["attributes"].items()
        if tag not in replaced and tag not in SHUTTERS and not is_overlay(tag)
    }
    kept |= {tag: of_state(value) for tag, value in said.items()}
    if not PALETTE.isdisjoint(said):
        kept[_PHOTOMETRIC] = {"vr": "CS", "Value": ["PALETTE COLOR"]}
    elif not advanced:
        kept[_PHOTOMETRIC] = {"vr": "CS", "Value": ["MONOCHROME2"]}
    if not base:
        kept.pop(ICC_PROFILE, None)
        return {"frame_index": display["frame_index"], "attributes": kept}
    if ICC_PROFILE in state:
        kept[ICC_PROFILE] = of_state(state[ICC_PROFILE])
    presentation = presentation_of(state, sop_instance_uid, display["frame_index"] + 1)
    return {"frame_index": display["frame_index"], "attributes": kept, "presentation": presentation}


def _replaced_by(said: Mapping[str, Any]) -> frozenset[str]:
    groups = (MODALITY, GRAYSCALE_TRANSFORMATIONS - MODALITY, PALETTE)
    return frozenset[str]().union(*(group for group in groups if not group.isdisjoint(said)))


# --- Blending Softcopy -------------------------------------------------------------------------------------


def _softcopy(state: Attributes) -> Blend:
    inputs = []
    for item in items(state, _BLENDING):
        number = _ON_TOP.get(text_of(item, _POSITION).upper())
        if number is not None:
            inputs.append(Blended(number, text_of(item, _STUDY), tuple(_in_series(item)), item))
    opacity = min(max(_number(state, _OPACITY, 0.5), 0.0), 1.0)
    return Blend(tuple(inputs), _UNDERLYING, (Step((_SUPERIMPOSED, _UNDERLYING), opacity),))


def _in_series(item: Attributes) -> Iterator[ReferencedImage]:
    for series in items(item, _REFERENCED_SERIES):
        yield from _of_series(series)


def _of_series(series: Attributes) -> Iterator[ReferencedImage]:
    """The images of a series that are referred to; all where none is."""
    uid, images = text_of(series, _SERIES), items(series, _REFERENCED_IMAGES)
    if not images:
        yield ReferencedImage(uid, "", ())
    for image in images:
        yield ReferencedImage(uid, text_of(image, _INSTANCE), referenced_frames(image))


# --- Advanced Blending -------------------------------------------------------------------------------------


def _advanced(state: Attributes) -> Blend:
    inputs: list[Blended] = []
    base = None
    for item in items(state, _ADVANCED):
        number = round(_number(item, _NUMBER, len(inputs) + 1))
        thresholds = tuple(_thresholds(item))
        inputs.append(Blended(number, text_of(item, _STUDY), tuple(_of_series(item)), item, thresholds))
        if base is None and text_of(item, _GEOMETRY).upper() == "YES":
            base = number
    if base is None and inputs:
        base = inputs[0].number
    return Blend(tuple(inputs), -1 if base is None else base, tuple(_steps(state)))


def _steps(state: Attributes) -> Iterator[Step]:
    for item in items(state, _STEPS)[:_MOST_INPUTS]:
        numbers = tuple(round(_number(one, _NUMBER, -1)) for one in items(item, _STEP_INPUTS))
        if not numbers:
            continue
        foreground = text_of(item, _MODE).upper() == "FOREGROUND"
        opacity = min(max(_number(item, _OPACITY, 0.5), 0.0), 1.0) if foreground else None
        yield Step(numbers[: 2 if foreground else _MOST_INPUTS], opacity, round(_number(item, _NUMBER, -1)))


def _thresholds(item: Attributes) -> Iterator[tuple[str, tuple[float, ...]]]:
    for threshold in items(item, _THRESHOLDS):
        values = tuple(_number(one, _THRESHOLD_VALUE, 0) for one in items(threshold, _THRESHOLD_VALUES))
        yield text_of(threshold, _THRESHOLD_TYPE).upper(), values


def _number(attributes: Attributes, tag: str, default: float) -> float:
    """A number; what is none, or no finite one, counts as absent."""
    values = attributes.get(tag, {}).get("Value") or [None]
    number = values[0]
    usable = isinstance(number, int | float) and abs(number) < 1e12
    return float(number) if usable else default
