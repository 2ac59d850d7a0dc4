"""Long metadata read in a worker: of thousands of frames, the little that one picture needs.

The objects that Python makes of JSON take ten times its bytes, which the server must not hold for every
request of a frame.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson

from dicomweb.errors import DecodeFailed
from dicomweb.pixels.metadata_text import read_metadata
from dicomweb.pixels.rendering.display import display_of
from dicomweb.pixels.rendering.frame_places import place_of
from dicomweb.pixels.volume.slices import slices_of

_PER_FRAME_GROUPS = "52009230"


def displays_job(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """The displays of frames first to last, a JSON array. The one buffer: zstd of the instance's DICOM JSON.

    first, last: indices from 0, the last one not included.
    """
    attributes = read_metadata(buffers[0])
    frames = range(parameters["first"], parameters["last"])
    return orjson.dumps([display_of(attributes, index) for index in frames])


def outline_job(_parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """The DICOM JSON without what each frame has of its own. The one buffer: zstd of it."""
    attributes = read_metadata(buffers[0])
    attributes.pop(_PER_FRAME_GROUPS, None)
    return orjson.dumps(attributes)


def places_job(_parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """Where the frames of each instance lie, JSON arrays of frame_places.place_of. Buffers: zstd of them."""
    return orjson.dumps([_places(read_metadata(compressed)) for compressed in buffers])


def _places(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """None of an instance of more frames than any volume: such lie nowhere."""
    with suppress(DecodeFailed):
        return [place_of(attributes, index, one) for index, one in enumerate(slices_of(attributes))]
    return []
