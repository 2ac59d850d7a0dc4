"""What is shown as it was stored: encapsulated documents and video, with ranges (H-05, W-41, W-42)."""

from __future__ import annotations

from base64 import b64decode

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import ENCAPSULATED_DOCUMENT
from dicomweb.archive.parts import Body, Literal, Stretch
from dicomweb.archive.sources import indexed
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed

_ITEM = b"\xfe\xff\x00\xe0"
_ITEM_HEADER_SIZE = 8
# Each costs a read. A video has one fragment, or one for every four gigabytes; few are cut finer.
_MOST_FRAGMENTS = 1024


async def document_body(subject: Subject) -> Body:
    """The encapsulated document without its padding (W-41). Raises DecodeFailed where there is none."""
    place = (await subject.bulk_index()).get(ENCAPSULATED_DOCUMENT)
    if place is not None:
        return await subject.bulk_body(ENCAPSULATED_DOCUMENT, place)
    element = (await subject.attributes()).get(ENCAPSULATED_DOCUMENT, {})
    if "InlineBinary" not in element:
        raise DecodeFailed("The object holds no document.")
    data = b64decode(element["InlineBinary"])
    length = ((await subject.attributes()).get("00420015", {}).get("Value") or [len(data)])[0]
    return [Literal(data[:length] if length == len(data) - 1 else data)]


async def video_body(subject: Subject) -> Body:
    """The video stream: its fragments without what lies between them, so that any range can be cut out."""
    stretches = await _fragments(subject.archive, subject.source, subject.layout)
    if not stretches:
        raise DecodeFailed("The object holds no video.")
    return stretches


async def _fragments(archive: Archive, source: InstanceSource, layout: PixelLayout) -> list[Stretch]:
    """Where the fragments lie; the first item is the offset table, which is none."""
    offset, end = layout.value_offset, layout.value_offset + layout.value_length
    found: list[Stretch] = []
    items = 0
    while end - offset >= _ITEM_HEADER_SIZE and items <= _MOST_FRAGMENTS:
        header = indexed(source, offset, _ITEM_HEADER_SIZE)
        tag_and_length = await archive.blobs.read(header.key, header.offset, header.length)
        if tag_and_length[:4] != _ITEM:
            break
        offset += _ITEM_HEADER_SIZE
        length = min(int.from_bytes(tag_and_length[4:], "little"), end - offset)
        if items and length:
            found.append(indexed(source, offset, length))
        offset += length
        items += 1
    if items > _MOST_FRAGMENTS:
        raise DecodeFailed("The video is cut into more fragments than can be put together here.")
    return found
