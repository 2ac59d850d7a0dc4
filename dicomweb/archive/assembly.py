"""One instance put together from its metadata and bulkdata, as the Part 10 object that it would be (S-31)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain

from dicomweb.archive.archive import Archive
from dicomweb.archive.growth import Growth
from dicomweb.archive.spool import Spool
from dicomweb.archive.uploaded_parts import UploadedPart, UploadedValue
from dicomweb.dicom.base64_text import decoded
from dicomweb.dicom.fragments import ITEM_TAG, fragments, long_fragments, offset_tables
from dicomweb.dicom.received_model import Attributes, first_value
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE, TransferSyntax
from dicomweb.dicom.video_header import VideoHeader, video_header
from dicomweb.dicom.write import Bulk, write_part10
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.image_description import (
    completed,
    described,
    described_length,
    description_of,
    is_described,
    is_description_of,
    number_of_frames,
    video_attributes,
)
from dicomweb.pixels.native_pixels import LARGEST_BYTES, PICTURES, redescribed, unpacked
from dicomweb.pixels.upload_syntax import HEAD_BYTES, OCTET_STREAM, codestream_range, upload_syntax

_PIXEL_DATA = "7FE00010"
_DOCUMENT, _DOCUMENT_TYPE, _DOCUMENT_LENGTH = "00420011", "00420012", "00420015"
# Stands, for the writer, for pixel data that is not what any BulkDataURI of the sender's means.
_MADE_PIXELS = "pixel data as it was made"
_PIECE_BYTES = 256 << 10
_OUT_OF_RESOURCES = 0xA700
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


class Assembly:
    """Makes one instance.

    growth: of the whole request. find: what a BulkDataURI stands for. inline: base64 texts that stayed in the
    spool, by the BulkDataURI put in their place. stated_uid: transfer syntax that the metadata part states,
    or empty. warnings: plain sentences about what was made, once it is.
    """

    def __init__(
        self,
        archive: Archive,
        spool: Spool,
        growth: Growth,
        *,
        find: Callable[[str], UploadedValue],
        inline: Mapping[str, tuple[int, int]],
        stated_uid: str,
    ) -> None:
        self._archive = archive
        self._spool = spool
        self._growth = growth
        self._stated_uid = stated_uid
        self._find = find
        self._inline = inline
        self._pixels: Bulk | None = None
        self.warnings: list[str] = []

    async def part10(self, attributes: Attributes, turns: AsyncExitStack) -> Iterator[bytes]:
        """The object, in chunks to be taken in a thread. Raises InvalidDicom, then and there too.

        turns: left when the chunks are written, and with it the right to hold a picture.
        """
        attributes, uid = self._with_document(attributes), EXPLICIT_LITTLE
        pixels = attributes.get(_PIXEL_DATA, {})
        if self._is_inline(pixels):
            attributes, uid = await asyncio.to_thread(self._inline_pixel_data, attributes)
        elif "BulkDataURI" in pixels:
            value = self._find(pixels["BulkDataURI"])
            if value.media_type in PICTURES:
                attributes = await self._picture(attributes, value, turns)
            else:
                attributes, uid = await self._pixel_data(attributes, value)
        return write_part10(attributes, self._bulk, transfer_syntax_uid=uid)

    def _chunks(self, value: UploadedValue) -> Iterator[bytes]:
        return chain.from_iterable(self._spool.chunks(part.offset, part.length) for part in value.parts)

    def _bulk(self, uri: str) -> Bulk:
        """What a BulkDataURI stands for. Raises InvalidDicom."""
        if uri == _MADE_PIXELS and self._pixels is not None:
            pixels, self._pixels = self._pixels, None  # its chunks are there once
            return pixels
        if uri in self._inline:
            element = {"BulkDataURI": uri}
            self._growth.write(self._inline[uri][1])
            length = sum(len(piece) for piece in self._inline_chunks(element))
            return Bulk(length, self._inline_chunks(element))
        value = self._find(uri)
        self._growth.write(value.length, len(value.parts))
        return Bulk(value.length, self._chunks(value))

    # --- inline values

    def _is_inline(self, element: Attributes) -> bool:
        return "InlineBinary" in element or element.get("BulkDataURI") in self._inline

    def _inline_chunks(self, element: Attributes) -> Iterator[bytes]:
        if "InlineBinary" in element:
            return decoded([element["InlineBinary"].encode()])
        return decoded(self._spool.chunks(*self._inline[element["BulkDataURI"]]))

    def _inline_pixel_data(self, attributes: Attributes) -> tuple[Attributes, str]:
        """Native pixels stay where they are; an encapsulated value, as pydicom's to_json writes it, gets its
        transfer syntax. In a thread."""
        element = attributes[_PIXEL_DATA]
        head = next(self._inline_chunks(element), b"")
        if not head.startswith(ITEM_TAG):
            return attributes, EXPLICIT_LITTLE
        syntax = upload_syntax(OCTET_STREAM, self._stated_uid, head, native=False)
        if not syntax.encapsulated:
            return attributes, EXPLICIT_LITTLE
        _, length = self._inline.get(element.get("BulkDataURI", ""), (0, 0))
        self._growth.write(length)
        return self._with_pixels(attributes, Bulk(0, self._inline_chunks(element))), syntax.uid

    # --- documents (S-10)

    def _with_document(self, attributes: Attributes) -> Attributes:
        """The type and the true length of an encapsulated document, where the sender left them out."""
        uri = attributes.get(_DOCUMENT, {}).get("BulkDataURI")
        if uri is None or uri in self._inline:
            return attributes
        part = self._find(uri).parts[0]
        found: Attributes = {_DOCUMENT_LENGTH: {"vr": "UL", "Value": [part.length]}}
        if part.media_type != OCTET_STREAM:
            found[_DOCUMENT_TYPE] = {"vr": "LO", "Value": [part.media_type]}
        return completed(attributes, found)

    # --- pixels (S-07 to S-09)

    async def _picture(
        self, attributes: Attributes, value: UploadedValue, turns: AsyncExitStack
    ) -> Attributes:
        if len(value.parts) > 1:
            raise InvalidDicom("Only one picture of this media type makes an instance.")
        samples = first_value(attributes, "00280002")
        parameters = {"samples_per_pixel": samples if samples in (1, 3) else 0}
        await turns.enter_async_context(self._archive.uploads.pictures)
        made = await self._work("native_pixels", parameters, value.parts[0].offset, value.length)
        description, frames, pixels = unpacked(made)
        self._growth.unfold(len(pixels))
        attributes = redescribed(attributes, description, frames)
        return self._with_pixels(attributes, Bulk(len(pixels), _pieces(pixels)))

    async def _work(self, job: str, parameters: Attributes, offset: int, length: int) -> bytes:
        """What a worker makes of a file in the spool, which is read when the worker is free."""
        if length > LARGEST_BYTES:
            raise InvalidDicom("A picture is too large to be read.", failure_reason=_OUT_OF_RESOURCES)

        async def file() -> list[bytes]:
            return [await asyncio.to_thread(self._spool.read, offset, length)]

        try:
            return await self._archive.workers.run(job, parameters, file, result_bytes=length)
        except DecodeFailed as error:
            raise InvalidDicom(error.message) from None

    def _with_pixels(self, attributes: Attributes, pixels: Bulk) -> Attributes:
        """With what the top-level pixel data is written from, in place of its parts."""
        self._pixels = pixels
        vr = attributes[_PIXEL_DATA]["vr"]
        return {**attributes, _PIXEL_DATA: {"vr": vr, "BulkDataURI": _MADE_PIXELS}}

    async def _pixel_data(self, attributes: Attributes, value: UploadedValue) -> tuple[Attributes, str]:
        """The attributes as they become with these parts, and the transfer syntax."""
        first = value.parts[0]
        head, video = await asyncio.to_thread(self._looked_at, first)
        stated = first.transfer_syntax_uid or self._stated_uid
        native = described_length(attributes) == value.length
        syntax = upload_syntax(first.media_type, stated, head, video, native=native)
        if not syntax.encapsulated:
            return attributes, EXPLICIT_LITTLE
        self._growth.write(value.length, len(value.parts))
        if head.startswith(ITEM_TAG) and len(value.parts) == 1:
            pixels = await asyncio.to_thread(self._encapsulated_already, first)
            attributes = self._with_pixels(attributes, pixels)
        elif syntax.video:
            pixels = Bulk(0, long_fragments(value.length, self._chunks(value)))
            attributes = self._with_pixels(attributes, pixels)
            if video is None and not is_described(attributes):
                raise InvalidDicom("The video does not tell its size, and neither do its attributes.")
            attributes = completed(attributes, video_attributes(video) if video else {})
        else:
            attributes = await self._described(attributes, syntax, first, head)
            attributes = await asyncio.to_thread(self._frames, attributes, value.parts)
        return attributes, syntax.uid

    def _looked_at(self, part: UploadedPart) -> tuple[bytes, VideoHeader | None]:
        head = self._spool.read(part.offset, min(part.length, HEAD_BYTES))
        is_video = part.media_type.startswith("video/")
        return head, video_header(partial(self._read_within, part), part.length) if is_video else None

    async def _described(
        self, attributes: Attributes, syntax: TransferSyntax, part: UploadedPart, head: bytes
    ) -> Attributes:
        """With what the first frame tells of itself, where the sender does not."""
        offset, length = codestream_range(head, part.length)
        if is_described(attributes):
            if not is_description_of(attributes, head[offset:], syntax):
                self.warnings.append("The attributes that describe the pixels do not match the first frame.")
            return attributes
        description = description_of(head[offset:], syntax)
        if description is None:
            made = await self._work("describe_image", {}, part.offset + offset, length)
            description = described(made)
        return completed(attributes, description.attributes())

    def _frames(self, attributes: Attributes, parts: Sequence[UploadedPart]) -> Attributes:
        """One part a frame, each the bare codestream (PS3.5 A.4). In a thread."""
        if len(parts) > 1:
            frames = {"00280008": number_of_frames(len(parts))}
            attributes = completed(attributes, frames)
        places = [self._codestream(part) for part in parts]
        lengths = [length for _, length in places]
        attributes, basic = offset_tables(attributes, lengths)
        items = fragments(lengths, lambda index: self._spool.chunks(*places[index]), offset_table=basic)
        return self._with_pixels(attributes, Bulk(0, items))

    def _codestream(self, part: UploadedPart) -> tuple[int, int]:
        head = self._spool.read(part.offset, min(part.length, 4096))
        offset, length = codestream_range(head, part.length)
        return part.offset + offset, length

    def _encapsulated_already(self, part: UploadedPart) -> Bulk:
        """A value with its items, as it stands in a data set, which some senders pass on."""
        length = part.length
        if self._spool.read(part.offset + max(length - 8, 0), min(length, 8)) == _SEQUENCE_END:
            length -= 8
        return Bulk(0, self._spool.chunks(part.offset, length))

    def _read_within(self, part: UploadedPart, offset: int, length: int) -> bytes:
        return self._spool.read(part.offset + offset, max(min(length, part.length - offset), 0))


def _pieces(pixels: memoryview) -> Iterator[bytes]:
    return (bytes(pixels[begin : begin + _PIECE_BYTES]) for begin in range(0, len(pixels), _PIECE_BYTES))
