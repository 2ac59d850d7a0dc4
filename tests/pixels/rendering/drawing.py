"""Frames of data sets drawn as the jobs draw them: what the archive does between its catalog and a worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from dicomweb.dicom.frame_index import unpack
from dicomweb.dicom.part10 import Scan, scan
from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES
from dicomweb.pixels.frame_bytes import frame_window, join_fragments, native_frame, swap_words
from dicomweb.pixels.rendering.animation import animate
from dicomweb.pixels.rendering.display import Display, bulk_paths, display_of
from dicomweb.pixels.rendering.render import render
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.rendering.timing import frame_milliseconds
from tests.builders import make_instance


@dataclass(frozen=True, slots=True)
class Drawable:
    """A scanned object: its metadata as a client gets it, and the bytes that its offsets count from."""

    scanned: Scan
    indexed: bytes

    @property
    def attributes(self) -> dict[str, Any]:
        """DICOM JSON, with the URLs that the stored form has."""
        text = orjson.dumps(self.scanned.attributes).replace(
            b'"BulkDataURI":"', b'"BulkDataURI":"/studies/1/series/2/instances/3/bulkdata/'
        )
        attributes: dict[str, Any] = orjson.loads(text)
        return attributes

    def frame(self, index: int) -> bytes:
        """The codestream or native frame."""
        layout = self.scanned.pixel_layout
        assert layout is not None
        if layout.encapsulated:
            entry = list(unpack(self.scanned.frame_entries))[index]
            return join_fragments(self.indexed[entry.offset - 8 : entry.offset + entry.span], entry)
        little = TRANSFER_SYNTAXES[self.scanned.transfer_syntax_uid].little
        start, stop = (layout.value_offset + edge for edge in frame_window(layout, index, little=little))
        return native_frame(self.indexed[start:stop], layout, index, little=little)

    def bulk(self, path: str) -> bytes:
        """A bulkdata value in little endian."""
        for value in self.scanned.bulkdata:
            if value.path == path:
                data = self.indexed[value.offset : value.offset + value.length]
                little = TRANSFER_SYNTAXES[self.scanned.transfer_syntax_uid].little
                return data if little or value.vr == "OB" else swap_words(data, 16)
        return b""

    def draw(
        self, index: int = 0, *, display: Display | None = None, most_pixels: int = 0, **request: Any
    ) -> bytes:
        """The encoded picture of a frame, its parameters sent through JSON as they are to a worker."""
        display = display or display_of(self.attributes, index)
        parameters = self._parameters(RenderRequest(**request)) | {"display": display}
        if most_pixels:
            parameters["most_pixels"] = most_pixels
        buffers = [self.frame(index), *map(self.bulk, bulk_paths(display))]
        return render(orjson.loads(orjson.dumps(parameters)), buffers)

    def animate(self, indexes: Sequence[int], *, media_type: str, **request: Any) -> bytes:
        """Frames as a picture that moves."""
        pictures = [self.draw(index, media_type="image/png", **request) for index in indexes]
        displays = [display_of(self.attributes, index) for index in indexes]
        times = [frame_milliseconds(display["attributes"]) for display in displays]
        return animate({"media_type": media_type, "milliseconds": times}, pictures)

    def _parameters(self, request: RenderRequest) -> dict[str, Any]:
        assert self.scanned.pixel_layout is not None
        return {
            "layout": asdict(self.scanned.pixel_layout),
            "transfer_syntax_uid": self.scanned.transfer_syntax_uid,
            "request": request.to_parameters(),
        }


def drawable(data: bytes) -> Drawable:
    """A Part 10 object. Raises InvalidDicom."""
    pieces: list[bytes] = []
    scanned = scan([data], on_inflated=pieces.append)
    return Drawable(scanned, b"".join(pieces) if scanned.inflated_length is not None else data)


def made(**options: Any) -> Drawable:
    """An object as tests.builders.make_instance makes it."""
    return drawable(make_instance(**options))


def levels(picture: bytes) -> NDArray[np.uint8]:
    """Pixels of an encoded picture."""
    return np.asarray(Image.open(BytesIO(picture)))


def drawn(*, request: dict[str, Any] | None = None, index: int = 0, **options: Any) -> NDArray[np.uint8]:
    """Pixels of the PNG of an object made with these options."""
    return levels(made(**options).draw(index, media_type="image/png", **(request or {})))


def frames_of(picture: bytes) -> Iterator[Image.Image]:
    """The pictures of an animation."""
    animation = Image.open(BytesIO(picture))
    for number in range(getattr(animation, "n_frames", 1)):
        animation.seek(number)
        yield animation.copy()
