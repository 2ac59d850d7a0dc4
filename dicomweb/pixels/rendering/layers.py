"""The job "blend": frames of several sets of images laid over each other (PS3.4 N.2.4.3, N.2.6).

Parameters {"layers": asdict(Layer) each, the first one being the base, "steps": asdict(Step) each, "request":
RenderRequest.to_parameters()}; buffers: for each frame of each layer the frame, then the values of
bulk_paths(display). The display of the base holds the presentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.colour import palette_of, pseudo_coloured
from dicomweb.pixels.rendering.decoding import native
from dicomweb.pixels.rendering.display import bulk_paths
from dicomweb.pixels.rendering.grayscale import Grayscale, grayscale, padding_of
from dicomweb.pixels.rendering.render import encoded, frame_levels, presented
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.rendering.resampling import Mask, Stack
from dicomweb.pixels.rendering.samples import stored_values, words_of
from dicomweb.pixels.rendering.values import Values
from dicomweb.pixels.volume.grid import Slice

_PHOTOMETRIC, _ICC_PROFILE = "00280004", "00282000"
_SHOWN = -1
# Pixels of a band.
_BAND = 1 << 19


@dataclass(frozen=True, slots=True)
class Sheet:
    """An input as it lies under or over the others: RGB from 0 to 255, and where there is any of it."""

    colours: NDArray[Any]
    visible: Mask


@dataclass(frozen=True, slots=True)
class _Frame:
    """values: modality values (rows, columns), or RGB levels (rows, columns, 3). padding: no picture."""

    values: NDArray[np.float32]
    padding: Mask
    plane: Slice | None
    shown: Callable[[NDArray[np.float32]], NDArray[np.uint8]]
    modality: bool


def blend(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """As the head of the module says. Raises DecodeFailed."""
    request = RenderRequest.from_parameters(parameters["request"])
    left = iter(buffers)
    layers = parameters["layers"]
    base, *others = ([_frame(one, left, request) for one in layer["frames"]] for layer in layers)
    sheets = {layers[0]["number"]: _sheet(base[0].values, base[0].padding, base[0], layers[0])}
    for layer, frames in zip(layers[1:], others, strict=True):
        sheets[layer["number"]] = _laid_over(base[0], frames, layer)
    levels = _blended(sheets, parameters["steps"])
    display = layers[0]["frames"][0]["display"]
    bulk = dict(zip(bulk_paths(display), buffers[1:], strict=False))
    values = Values(display["attributes"], bulk)
    picture = presented(Image.fromarray(levels), Values(display["presentation"], bulk), values, request)
    return encoded(picture, request, values.data(_ICC_PROFILE))


# --- inputs ------------------------------------------------------------------------------------------------


def _frame(found: Mapping[str, Any], buffers: Iterator[bytes], request: RenderRequest) -> _Frame:
    """A frame of an input, with its bytes and bulk values from the buffers."""
    display = found["display"]
    layout, uid = PixelLayout(**found["layout"]), found["transfer_syntax_uid"]
    frame, layout = native(next(buffers), layout, uid)
    values = Values(display["attributes"], {path: next(buffers) for path in bulk_paths(display)})
    plane = Slice(**found["plane"]) if found["plane"] else None
    if layout.samples_per_pixel != 1 or layout.photometric_interpretation == "PALETTE COLOR":
        levels = frame_levels(frame, layout, display["frame_index"], values, request)
        nothing = np.zeros(levels.shape[:2], np.bool_)
        return _Frame(levels.astype(np.float32), nothing, plane, _rounded, modality=False)
    words = words_of(frame, layout)
    steps, stored = grayscale(words, layout, values), stored_values(words, layout)
    modality = np.asarray(steps.modality(stored), np.float32)
    padding = padding_of(values, layout, words)
    nothing = ~np.isfinite(modality) | (padding(stored) if padding else False)
    return _Frame(modality, nothing, plane, _colouring(steps, values, layout), modality=True)


def _rounded(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(colours).astype(np.uint8)


def _colouring(
    steps: Grayscale, values: Values, layout: PixelLayout
) -> Callable[[NDArray[np.float32]], NDArray[np.uint8]]:
    """Modality values to RGB: by the window, then the palette where there is one."""
    palette = palette_of(values, layout) if values.text(_PHOTOMETRIC) == "PALETTE COLOR" else None

    def shown(modality: NDArray[np.float32]) -> NDArray[np.uint8]:
        gray = steps.shown(modality)
        return pseudo_coloured(gray, palette) if palette else np.repeat(gray[..., None], 3, axis=-1)

    return shown


def _sheet(values: NDArray[np.float32], nothing: Mask, frame: _Frame, layer: Mapping[str, Any]) -> Sheet:
    """values, in the geometry of the base, as the first frame of their layer shows them."""
    nothing = nothing.copy()
    if frame.modality:
        for kind, limits in layer["thresholds"]:
            nothing |= ~_meets(values, kind, limits)
    colours = np.where(nothing, np.float32(0), values) if frame.modality else values
    return Sheet(frame.shown(colours), ~nothing)


_THRESHOLDS: dict[str, tuple[int, Callable[..., Mask]]] = {
    "RANGE_INCL": (2, lambda values, low, high: (values >= low) & (values <= high)),
    "RANGE_EXCL": (2, lambda values, low, high: (values < low) | (values > high)),
    "GREATER_OR_EQUAL": (1, lambda values, limit: values >= limit),
    "LESS_OR_EQUAL": (1, lambda values, limit: values <= limit),
    "GREATER_THAN": (1, lambda values, limit: values > limit),
    "LESS_THAN": (1, lambda values, limit: values < limit),
}


def _meets(values: NDArray[np.float32], kind: str, limits: Sequence[float]) -> Mask:
    """Which values are to be seen. Raises DecodeFailed for a threshold that means nothing."""
    count, test = _THRESHOLDS.get(kind, (0, None))
    if test is None or len(limits) != count:
        raise DecodeFailed("The presentation state has a threshold that cannot be applied.")
    return test(values, *sorted(limits))


# --- geometry ----------------------------------------------------------------------------------------------


def _laid_over(base: _Frame, frames: Sequence[_Frame], layer: Mapping[str, Any]) -> Sheet:
    """Frames of another input in the pixels of the base; nothing where they do not reach."""
    rows, columns = base.values.shape[:2]
    if not frames:
        return Sheet(np.zeros((rows, columns, 3), np.uint8), np.zeros((rows, columns), np.bool_))
    first = frames[0]
    if any(frame.values.shape != first.values.shape for frame in frames):
        raise DecodeFailed("The images to be blended are not of one size.")
    planes = [frame.plane for frame in frames if frame.plane is not None]
    if base.plane is None or len(planes) < len(frames):
        if first.values.shape[:2] != (rows, columns):
            raise DecodeFailed("Images to be blended are not of one size, and do not say where they lie.")
        return _sheet(first.values, first.padding, first, layer)
    values = np.empty((rows, columns, *first.values.shape[2:]), np.float32)
    nothing = np.empty((rows, columns), np.bool_)
    stack = Stack(
        [frame.values for frame in frames], [frame.padding for frame in frames], planes, layer["reach"]
    )
    for band in _bands(rows, columns):
        values[band], nothing[band] = stack.sampled(base.plane, np.arange(rows)[band], columns)
    return _sheet(values, nothing, first, layer)


# --- blending ----------------------------------------------------------------------------------------------


def _bands(rows: int, columns: int) -> Iterator[slice]:
    """Rows of a picture that are worked on together, so that their floats are never all in memory."""
    step = max(_BAND // columns, 1)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _blended(sheets: dict[int, Sheet], steps: Sequence[Mapping[str, Any]]) -> NDArray[np.uint8]:
    """What is shown after all steps."""
    levels = np.empty_like(next(iter(sheets.values())).colours, np.uint8)
    for band in _bands(*levels.shape[:2]):
        parts = {number: Sheet(sheet.colours[band], sheet.visible[band]) for number, sheet in sheets.items()}
        levels[band] = _after_steps(parts, steps)
    return levels


def _after_steps(sheets: dict[int, Sheet], steps: Sequence[Mapping[str, Any]]) -> NDArray[np.uint8]:
    """Of some rows, in whatever order the steps are listed; black where there is nothing."""
    waiting = list(steps)
    while waiting:
        ready = [step for step in waiting if all(number in sheets for number in step["inputs"])]
        if not ready:
            raise DecodeFailed("The presentation state blends what it does not define.")
        for step in ready:
            waiting.remove(step)
            sheets[step["result"]] = _mixed([sheets[number] for number in step["inputs"]], step["opacity"])
    if _SHOWN not in sheets:
        raise DecodeFailed("The presentation state does not say what it shows.")
    shown = sheets[_SHOWN]
    return np.rint(np.where(shown.visible[..., None], shown.colours, 0)).astype(np.uint8)


def _mixed(sheets: Sequence[Sheet], opacity: float | None) -> Sheet:
    """FOREGROUND where there is an opacity, which is of the first of two, else EQUAL."""
    weights = [1.0] * len(sheets)
    if opacity is not None and len(sheets) == 2:
        weights = [opacity, 1 - opacity]
    # Alone, a picture is seen as it is, however transparent: what is beside it is nothing at all.
    seen = np.sum([sheet.visible for sheet in sheets], axis=0)
    total = np.zeros(seen.shape, np.float32)
    colours = np.zeros((*seen.shape, 3), np.float32)
    for sheet, weight in zip(sheets, weights, strict=True):
        share = np.where(seen == 1, np.float32(1), np.float32(weight)) * sheet.visible
        total += share
        colours += share[..., None] * sheet.colours
    total[total == 0] = 1
    colours /= total[..., None]
    return Sheet(colours, seen > 0)
