"""The job "subtract": a contrast frame without its mask (PS3.3 C.7.6.10, PS3.4 N.2.1.1).

Parameters: those of the job "render", and "subtraction": asdict(masks.Subtraction); buffers: the contrast
frames, the mask frames, then the values of bulk_paths(display). Their difference is drawn as any frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.decoding import native
from dicomweb.pixels.rendering.masks import Subtraction
from dicomweb.pixels.rendering.render import render
from dicomweb.pixels.rendering.samples import stored_bits, stored_values, words_of


def subtract(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """As the head of the module says. Raises DecodeFailed."""
    how = Subtraction(**parameters["subtraction"])
    layout, uid = PixelLayout(**parameters["layout"]), parameters["transfer_syntax_uid"]
    contrasts = len(how.contrast)
    frames, bulk = buffers[: contrasts + len(how.mask)], buffers[contrasts + len(how.mask) :]
    contrast = _mean(frames[:contrasts], layout, uid, logarithmic=how.logarithmic)
    mask = _mean(frames[contrasts:], layout, uid, logarithmic=how.logarithmic)
    if any(how.shift):
        mask = ndimage.shift(mask, how.shift, order=1, mode="nearest")
    difference = (contrast - (1 - how.mask_visibility) * mask).astype("<f4")
    as_floats = replace(
        layout,
        tag="7FE00008",
        encapsulated=False,
        bits_allocated=32,
        bits_stored=32,
        high_bit=31,
        photometric_interpretation="MONOCHROME2",
    )
    drawn = parameters | {"layout": asdict(as_floats), "transfer_syntax_uid": EXPLICIT_LITTLE}
    return render(drawn, [difference.tobytes(), *bulk])


def _mean(
    frames: Sequence[bytes], layout: PixelLayout, uid: str, *, logarithmic: bool
) -> NDArray[np.float64]:
    """The mean of some frames."""
    total = np.zeros((layout.rows, layout.columns))
    for frame in frames:
        decoded, its_layout = native(frame, layout, uid)
        words = words_of(decoded, its_layout)
        if words.shape != total.shape:
            raise DecodeFailed("Only frames of one sample a pixel can be subtracted.")
        values = stored_values(words, its_layout).astype(np.float64)
        total += _logarithm(values, its_layout) if logarithmic else values
    return total / max(len(frames), 1)


def _logarithm(values: NDArray[np.float64], layout: PixelLayout) -> NDArray[np.float64]:
    """Of values in proportion to the beam, over the same range: only so does bone vanish behind a vessel."""
    full = float((1 << stored_bits(layout)) - 1)
    logarithms: NDArray[np.float64] = np.log1p(np.clip(values, 0, None)) * (full / np.log1p(full))
    return logarithms
