"""One part of a rendered answer: a picture, drawing or text, made in the workers and kept, or as stored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dicomweb.archive.derived import Key, at_hand, derived
from dicomweb.archive.parts import Body, Literal, Part, body_length, cut
from dicomweb.archive.stored_forms import document_body, video_body
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.native_xml import native_xml_of
from dicomweb.dicom.picture import LARGEST_ANIMATION, MOST_ANIMATED
from dicomweb.documents.needs import bulk_needs
from dicomweb.errors import DecodeFailed, InvalidRequest
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.rendering.annotation_lines import annotation_lines
from dicomweb.pixels.rendering.display import bulk_paths
from dicomweb.pixels.rendering.presentation import STATE_PATH, display_with_presentation_state
from dicomweb.pixels.rendering.request import RenderRequest
from dicomweb.pixels.rendering.timing import frame_milliseconds
from dicomweb.protocol.rendered_forms import Rendering
from dicomweb.protocol.rendered_query import RenderedQuery

# Of the pictures of an animation, which are all held while it is made.
_MOST_ANIMATED_BYTES = 256 << 20
# Of what documents and videos begin with: a page is drawn of the whole document.
_LONGEST_DOCUMENT = 128 << 20
_VIDEO_BEGINNING = 32 << 20
_BULKDATA_KEY = b'"BulkDataURI":"'


@dataclass(frozen=True, slots=True)
class Manner:
    """How everything in an answer is shown.

    query: of pictures. base: of the links in texts. charset: of texts of a media type, as IANA names it.
    """

    query: RenderedQuery = field(default_factory=RenderedQuery)
    base: str = ""
    charset: Callable[[str], str] = field(default=lambda _media_type: "UTF-8", compare=False)


@dataclass(frozen=True, slots=True)
class Showing:
    """What of an instance is shown, and as what.

    numbers: of the frames, from 1; one for a still, several for an animation, none for what has no frames.
    icon: of a thumbnail that would show who the patient is. state: presentation state that says how. maker:
    makes the picture of several frames; beside: what it is made of, beside the subject's frames of numbers.
    """

    subject: Subject
    media_type: str
    manner: Manner
    numbers: Sequence[int] = ()
    thumbnail: bool = False
    icon: bool = False
    state: Subject | None = None
    maker: Callable[[Showing], Awaitable[bytes]] | None = field(default=None, compare=False)
    beside: Sequence[str | int | InstanceSource] = ()

    @property
    def location(self) -> str:
        """The resource path of what is shown."""
        path, frames = (self.state or self.subject).source.target.path, self.subject.frames
        if len(self.numbers) == 1 and frames > 1 and self.state is None:
            path += f"/frames/{self.numbers[0]}"
        return f"{path}/{'thumbnail' if self.thumbnail else 'rendered'}"

    async def part(self) -> Part:
        """The part, made or found. Raises DecodeFailed, InvalidRequest, BlobMissing, Unavailable."""
        rendering = self.subject.rendering
        if self._is_as_stored:
            return Part(self.media_type, await _AS_STORED[rendering](self.subject), self.location)
        make = _thumbnail if self.thumbnail else self.maker or _MAKERS[rendering]
        return self._part(await derived(self.subject.archive, self._key, partial(make, self)))

    def part_at_hand(self) -> Part | None:
        """The part, where it was made before and can be had without waiting."""
        data = None if self._is_as_stored else at_hand(self.subject.archive, self._key)
        return None if data is None else self._part(data)

    @property
    def _is_as_stored(self) -> bool:
        return self.subject.rendering in _AS_STORED and not self.media_type.startswith("image/")

    @property
    def _key(self) -> Key:
        """What decides about the bytes."""
        form = (self.media_type, repr(self.manner.query), str(self.thumbnail))
        key: list[str | int | InstanceSource] = [self.subject.source, "rendered", *form, *self.numbers]
        if self.state is not None:
            key += [self.state.source, *self.beside]
        if self._is_text:
            key += [self.manner.charset(self.media_type), self.manner.base]
        return key

    @property
    def _is_text(self) -> bool:
        return self.media_type.startswith("text/")

    def _part(self, data: bytes) -> Part:
        charset = f"; charset={self.manner.charset(self.media_type)}" if self._is_text else ""
        return Part(f"{self.media_type}{charset}", [Literal(data)], self.location)

    async def request(self) -> RenderRequest:
        """What a worker is asked for."""
        asked, lines = self.manner.query, []
        if asked.annotation:
            attributes = await self.subject.attributes()
            lines = [line for keyword in asked.annotation for line in annotation_lines(attributes, keyword)]
        request = RenderRequest.from_parameters(asked.picture_parameters())
        return replace(request, media_type=self.media_type, annotation=tuple(lines), thumbnail=self.thumbnail)


async def _image(showing: Showing) -> bytes:
    """The picture of a frame, or the animation of several."""
    subject, layout = showing.subject, showing.subject.layout
    request = await showing.request()
    viewport = showing.manner.query.viewport
    if viewport is not None and not viewport.shows(layout.rows, layout.columns):
        raise InvalidRequest("The part of the image that the viewport names lies outside it.")
    displays = await _displays(showing)
    if len(displays) == 1:
        return await _still(showing, request, showing.numbers[0], displays[0])
    # One after the other, so that no more than one frame is ever held.
    request, most_pixels = replace(request, media_type="image/png"), LARGEST_ANIMATION // len(displays)
    pictures: list[bytes] = []
    for number, display in zip(showing.numbers, displays, strict=True):
        pictures.append(await _still(showing, request, number, display, most_pixels=most_pixels))
        if sum(map(len, pictures)) > _MOST_ANIMATED_BYTES:
            raise DecodeFailed("The pictures are too large for one animation.")
    parameters = {
        "media_type": showing.media_type,
        "milliseconds": [frame_milliseconds(display["attributes"]) for display in displays],
    }
    return await subject.archive.workers.run("animate", parameters, pictures)


async def _still(
    showing: Showing,
    request: RenderRequest,
    number: int,
    display: dict[str, Any],
    **bounds: int,
) -> bytes:
    """The picture of a frame. bounds: most_pixels, of one of many."""
    subject = showing.subject
    assert subject.layout is not None, "only images have frames"
    parameters: dict[str, Any] = {
        "layout": subject.layout,
        "transfer_syntax_uid": subject.frame_syntax_uid,
        "display": display,
        "request": request.to_parameters(),
        **bounds,
    }

    async def buffers() -> list[bytes]:
        frame = await subject.frame(number)
        return [frame, *await bulk_of(subject, showing.state, bulk_paths(display))]

    length = decoded_length(subject.layout, subject.frame_syntax_uid)
    return await subject.archive.workers.run("render", parameters, buffers, result_bytes=length)


async def bulk_of(image: Subject, state: Subject | None, paths: Sequence[str]) -> list[bytes]:
    """Bulkdata values of an image, and of its presentation state."""
    found: list[bytes] = []
    for path in paths:
        owner = image
        if state is not None and path.startswith(STATE_PATH):
            owner, path = state, path.removeprefix(STATE_PATH)
        found += await owner.bulk([(path, None)])
    return found


async def _displays(showing: Showing) -> list[dict[str, Any]]:
    """What the pictures of its frames need of the metadata."""
    numbers, state = showing.numbers, showing.state
    if len(numbers) > MOST_ANIMATED:
        raise DecodeFailed(f"An animation has at most {MOST_ANIMATED} frames.")
    displays = [await showing.subject.display(number) for number in numbers]
    if state is None:
        return displays
    instance, stated = showing.subject.source.target.instance, await state.attributes()
    return [display_with_presentation_state(display, stated, instance) for display in displays]


async def _report(showing: Showing) -> bytes:
    """A report, or a table of attributes, as text."""
    if showing.media_type == "text/xml":
        return await _native_xml(showing)
    charset = showing.manner.charset(showing.media_type)
    parameters = {"media_type": showing.media_type, "charset": charset, "base": f"{showing.manner.base}/"}
    return await _document(showing, "report", parameters)


async def _native_xml(showing: Showing) -> bytes:
    """The attributes in XML (PS3.19 A)."""
    text = (await showing.subject.metadata()).replace(
        _BULKDATA_KEY, _BULKDATA_KEY + showing.manner.base.encode()
    )
    return await asyncio.to_thread(lambda: b"".join(native_xml_of(text)))


async def _pdf_page(showing: Showing) -> bytes:
    body = await document_body(showing.subject)
    if (body_length(body) or 0) > _LONGEST_DOCUMENT:
        raise DecodeFailed("The document is too large to be drawn.")
    return await _first_picture(showing, "pdf_page", body)


async def _video_frame(showing: Showing) -> bytes:
    body = await video_body(showing.subject)
    return await _first_picture(showing, "video_frame", cut(body, 0, _VIDEO_BEGINNING))


async def _first_picture(showing: Showing, job: str, body: Body) -> bytes:
    """What a document or a video begins with, where the package that draws it is installed."""
    parameters = {"request": (await showing.request()).to_parameters()}

    async def buffers() -> list[bytes]:
        return [await showing.subject.read(body)]

    return await showing.subject.archive.workers.run(job, parameters, buffers)


async def _drawing(showing: Showing, job: str) -> bytes:
    return await _document(showing, job, {"request": (await showing.request()).to_parameters()})


async def _document(showing: Showing, job: str, parameters: dict[str, Any]) -> bytes:
    """What a job of dicomweb.documents makes of an object."""
    subject = showing.subject
    needs = await asyncio.to_thread(bulk_needs, job, await subject.attributes())

    async def buffers() -> list[bytes]:
        return [await subject.metadata(), *await subject.bulk(needs)]

    parameters["bulk"] = [need.path for need in needs]
    return await subject.archive.workers.run(job, parameters, buffers)


async def _icon(showing: Showing) -> bytes:
    """The icon of the instance's kind."""
    modality = (await showing.subject.attributes()).get("00080060", {}).get("Value") or [""]
    parameters = {
        "sop_class_uid": showing.subject.source.sop_class_uid,
        "modality": str(modality[0] or ""),
        "request": (await showing.request()).to_parameters(),
    }
    return await showing.subject.archive.workers.run("icon", parameters, [])


async def _thumbnail(showing: Showing) -> bytes:
    """A small picture; an icon of what has none, or none that can be made."""
    with suppress(DecodeFailed):
        if showing.numbers:
            return await (showing.maker or _image)(showing)
        if not showing.icon and showing.subject.rendering in _DRAWN:
            return await _MAKERS[showing.subject.rendering](showing)
    return await _icon(showing)


_MAKERS: dict[Rendering, Callable[[Showing], Awaitable[bytes]]] = {
    Rendering.IMAGE: _image,
    Rendering.REPORT: _report,
    Rendering.PDF: _pdf_page,
    Rendering.VIDEO: _video_frame,
    Rendering.WAVEFORM: partial(_drawing, job="waveform"),
    Rendering.CONTOURS: partial(_drawing, job="contours"),
}
# Whose small pictures show no text of the data set, as a page of a document would.
_DRAWN = (Rendering.VIDEO, Rendering.WAVEFORM, Rendering.CONTOURS)
_AS_STORED: dict[Rendering, Callable[[Subject], Awaitable[Body]]] = {
    Rendering.PDF: document_body,
    Rendering.CDA: document_body,
    Rendering.VIDEO: video_body,
}
