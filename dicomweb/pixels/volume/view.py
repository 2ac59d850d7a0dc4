"""The jobs "volume_window" and "volume_view": pictures of a volume file, in a worker.

A volume is {"path", "shape": (stored slices, rows, columns), "grid": asdict(Grid)}; its file holds 32-bit
floats.
"volume_window": parameters {"volume": null where only a stored window is wanted, "display": of the middle
slice, null where no stored window is wanted} -> {"center", "width", "function"}, or null.
"volume_view": parameters {"volume", "raster": Raster.to_parameters(), "method", "window": null for the
colours of CT, "inverted", "request": RenderRequest.to_parameters()} -> an encoded picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from PIL import Image

from dicomweb.dicom.picture import LINEAR_EXACT, Window
from dicomweb.errors import DecodeFailed, InvalidRequest
from dicomweb.pixels.rendering.annotation import burn_in
from dicomweb.pixels.rendering.colour_space import with_profile
from dicomweb.pixels.rendering.encode import PROFILED_MEDIA_TYPES, encode
from dicomweb.pixels.rendering.geometry import picture_size, placed, region_of
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.rendering.values import Values
from dicomweb.pixels.rendering.window import stored_window, windowed
from dicomweb.pixels.volume.camera import Raster
from dicomweb.pixels.volume.compositing import composed, transfer_of
from dicomweb.pixels.volume.grid import Grid
from dicomweb.pixels.volume.projection import projected, rays_of
from dicomweb.pixels.volume.samples import Voxels, open_volume
from dicomweb.pixels.volume.vectors import length, vector

# Percentiles: single voxels of metal or noise do not make all else dark.
_DARKEST, _BRIGHTEST = 0.5, 99.9
# Voxels that are looked at for the default window.
_SAMPLED = 1 << 20


def window_job(parameters: dict[str, Any], _buffers: list[bytes]) -> bytes:
    """The window of the middle slice, else from the darkest to the brightest values of the volume."""
    display, window = parameters["display"], None
    if display:
        window = stored_window(Values(display["attributes"], {}))
    if window is None and parameters["volume"]:
        window = _default_window(_volume(parameters["volume"]))
    if window is None:
        return b"null"
    return orjson.dumps({"center": window.center, "width": window.width, "function": window.function})


def view_job(parameters: dict[str, Any], _buffers: list[bytes]) -> bytes:
    """As the head of the module says. Raises DecodeFailed."""
    request = RenderRequest.from_parameters(parameters["request"])
    picture = Image.fromarray(_levels(parameters))
    try:
        region = region_of(request.viewport, picture.height, picture.width)
    except InvalidRequest as error:
        raise DecodeFailed(error.message) from None
    size = picture_size(region, 1.0, request.viewport)
    picture = placed(picture, region, size, request.viewport)
    asked = request.icc_profile if request.media_type in PROFILED_MEDIA_TYPES else None
    picture, profile = with_profile(picture, asked, b"")
    return encode(burn_in(picture, request.annotation), request.media_type, request.quality, profile)


def _levels(parameters: Mapping[str, Any]) -> Any:
    grid, raster = _grid(parameters["volume"]["grid"]), Raster(**parameters["raster"])
    volume, rays = _volume(parameters["volume"]), rays_of(raster, grid)
    window = Window(**parameters["window"]) if parameters["window"] else None
    if parameters["method"] == "VOLUME_RENDERED":
        transfer = transfer_of(window, inverted=parameters["inverted"])
        pixel, plane = length(vector(raster.row_vector)), length(vector(raster.plane_vector))
        return np.rint(composed(volume, rays, transfer, pixel=pixel, plane=plane) * 255).astype(np.uint8)
    assert window is not None, "only volume rendering goes without a window"
    values, met = projected(volume, rays, parameters["method"])
    shown = windowed(np.where(met, values, 0), window)
    levels = np.rint(np.where(met, 1 - shown if parameters["inverted"] else shown, 0) * 255)
    return levels.astype(np.uint8)


def _volume(parameters: Mapping[str, Any]) -> Voxels:
    grid = _grid(parameters["grid"])
    return open_volume(parameters["path"], parameters["shape"], grid.places, grid.slices)


def _grid(parameters: Mapping[str, Any]) -> Grid:
    vectors = ("origin", "slice_vector", "row_vector", "column_vector")
    return Grid(**{**parameters, **{name: vector(parameters[name]) for name in vectors}})


def _default_window(volume: Voxels) -> Window:
    flat = volume.reshape(-1)
    sampled = flat[:: flat.size // _SAMPLED | 1]  # an odd stride does not keep to some columns
    low, high = (float(edge) for edge in np.percentile(sampled, (_DARKEST, _BRIGHTEST)))
    if high <= low:  # nearly all of one value
        low, high = min(0.0, float(sampled.min())), float(sampled.max())
    high = high if high > low else low + 1
    return Window((low + high) / 2, high - low, LINEAR_EXACT)
