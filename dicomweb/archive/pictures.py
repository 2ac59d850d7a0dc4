"""Making one picture, drawing or text of an instance in the workers; what is made is kept (derived)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from dicomweb.archive.derived import derived
from dicomweb.archive.parts import Literal, Part
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.rendering.annotation import annotation_lines
from dicomweb.pixels.rendering.display import bulk_paths, display_of
from dicomweb.pixels.rendering.geometry import region_of
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.protocol.rendered_forms import Rendering
from dicomweb.protocol.rendered_query import RenderedQuery

# Of an animation, whose frames are all held by one worker while it is made.
_MOST_ANIMATED_FRAMES = 1024
_MOST_ANIMATED_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Showing:
    """One part of an answer: what of an instance is shown, and how.

    numbers: of the frames, from 1; one for a still, several for an animation, none for what has no frames.
    """

    subject: Subject
    media_type: str
    asked: RenderedQuery
    numbers: Sequence[int] = ()
    thumbnail: bool = False

    @property
    def content_type(self) -> str:
        """Media type with its charset."""
        return f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type

    @property
    def location(self) -> str:
        """The resource path of what is shown."""
        path, frames = self.subject.source.target.path, self.subject.frames
        if len(self.numbers) == 1 and frames > 1:
            path += f"/frames/{self.numbers[0]}"
        return f"{path}/{'thumbnail' if self.thumbnail else 'rendered'}"

    async def part(self) -> Part:
        """The part, made or found. Raises DecodeFailed, InvalidRequest, BlobMissing, Unavailable."""
        subject = self.subject
        form = (self.media_type, repr(self.asked), str(self.thumbnail))
        key: list[str | int | InstanceSource] = [subject.source, "rendered", *form, *self.numbers]
        data = await derived(
            subject.archive, key, partial(_thumbnail if self.thumbnail else _MAKERS[subject.rendering], self)
        )
        return Part(self.content_type, [Literal(data)], self.location)

    async def request(self) -> RenderRequest:
        """What a worker is asked for."""
        lines: tuple[str, ...] = ()
        if self.asked.annotation:
            attributes = await self.subject.attributes()
            for keyword in self.asked.annotation:
                lines += annotation_lines(attributes, keyword)
        asked = RenderRequest.from_parameters(self.asked.picture_parameters())
        return replace(asked, media_type=self.media_type, annotation=lines, thumbnail=self.thumbnail)


Maker = Callable[[Showing], Awaitable[bytes]]


async def _image(showing: Showing) -> bytes:
    """The picture of a frame, or the animation of several."""
    subject, layout = showing.subject, showing.subject.layout
    request = await showing.request()
    region_of(request.viewport, layout.rows, layout.columns)  # raises InvalidRequest
    displays = await _displays(subject, showing.numbers)
    paths = [bulk_paths(display) for display in displays]
    parameters: dict[str, Any] = {
        "layout": asdict(layout),
        "transfer_syntax_uid": subject.frame_syntax_uid,
        "request": request.to_parameters(),
    }

    async def buffers() -> list[bytes]:
        frames, bulk = [], []
        for number, needed in zip(showing.numbers, paths, strict=True):
            frames.append(await subject.frame(number))
            bulk += await subject.bulk(needed)
            if len(displays) > 1 and sum(map(len, frames)) + sum(map(len, bulk)) > _MOST_ANIMATED_BYTES:
                raise DecodeFailed("The frames are too large for one animation.")
        return frames + bulk

    if len(displays) == 1:
        job, parameters["display"] = "render", displays[0]
    else:
        job, parameters["displays"] = "animate", displays
    length = decoded_length(layout, subject.frame_syntax_uid)
    return await subject.archive.workers.run(job, parameters, buffers, result_bytes=length)


async def _displays(subject: Subject, numbers: Sequence[int]) -> list[dict[str, Any]]:
    if len(numbers) > _MOST_ANIMATED_FRAMES:
        raise DecodeFailed(f"An animation has at most {_MOST_ANIMATED_FRAMES} frames.")
    attributes = await subject.attributes()
    return await asyncio.to_thread(lambda: [display_of(attributes, number - 1) for number in numbers])


async def _report(showing: Showing) -> bytes:
    """A structured report or a table of attributes as text."""
    parameters = {"media_type": showing.media_type, "charset": "utf-8"}
    return await showing.subject.archive.workers.run("report", parameters, [await showing.subject.metadata()])


async def _icon(showing: Showing) -> bytes:
    """The icon of the instance's kind."""
    modality = (await showing.subject.attributes()).get("00080060", {}).get("Value") or [""]
    parameters = {
        "sop_class_uid": showing.subject.source.sop_class_uid,
        "modality": str(modality[0]),
        "request": (await showing.request()).to_parameters(),
    }
    return await showing.subject.archive.workers.run("icon", parameters, [])


async def _thumbnail(showing: Showing) -> bytes:
    """A small picture; an icon of what has none, or none that can be made."""
    with suppress(DecodeFailed):
        if showing.numbers:
            return await _image(showing)
    return await _icon(showing)


_MAKERS: dict[Rendering, Maker] = {
    Rendering.IMAGE: _image,
    Rendering.REPORT: _report,
}
