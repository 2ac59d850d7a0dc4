"""What is shown as it was stored: encapsulated documents and video, with ranges (H-05, W-41, W-42)."""

from __future__ import annotations

from base64 import b64decode

from dicomweb.archive.bulkdata import ENCAPSULATED_DOCUMENT
from dicomweb.archive.fragments import fragment_stretches
from dicomweb.archive.parts import Body, Literal, cut
from dicomweb.archive.subjects import Subject
from dicomweb.errors import BlobMissing, DecodeFailed

MP4 = "video/mp4"


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


async def container_of(subject: Subject) -> str:
    """The media type of the file that a video is, where its beginning says so; else empty.

    A player knows it better than the coding inside, by which the transfer syntax names the stream.
    """
    try:
        head = await subject.read(cut(await video_body(subject), 0, 12))
    except (DecodeFailed, BlobMissing):
        return ""  # whoever reads all of it is told
    return MP4 if head[4:8] == b"ftyp" else ""


async def video_body(subject: Subject) -> Body:
    """The video stream: its fragments without what lies between them, so that any range can be cut out."""
    layout = subject.layout
    stretches = await fragment_stretches(
        subject.archive, subject.source, layout.value_offset, layout.value_length
    )
    if stretches is None:
        raise DecodeFailed("The video is cut into more fragments than can be put together here.")
    if not stretches:
        raise DecodeFailed("The object holds no video.")
    return stretches
