"""An instance of one frame in another transfer syntax: one read, one job, one piece of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import derived
from dicomweb.archive.encapsulate import former_compressions
from dicomweb.archive.sources import dataset_range, indexed
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.dataset_job import dataset_parameters
from dicomweb.pixels.encodable import LOSSY_JPEG

# Of a data set that is held whole, as it is stored and with its frame decoded: a mammogram, and more.
_MOST_BYTES = 64 << 20


def is_single(source: InstanceSource, layout: PixelLayout) -> bool:
    """Whether it is one frame, and short enough to be made in one piece."""
    start, end = dataset_range(source)
    longest = max(end - start, decoded_length(layout, source.transfer_syntax_uid))
    return layout.frames == 1 and longest <= _MOST_BYTES


async def single_frame(
    archive: Archive, source: InstanceSource, layout: PixelLayout, transfer_syntax_uid: str
) -> AsyncIterator[bytes]:
    """The data set in this transfer syntax, in one chunk. What is encoded is kept, as frames are."""

    async def make() -> bytes:
        return await _made(archive, source, layout, transfer_syntax_uid)

    if transfer_syntax_uid == EXPLICIT_LITTLE:
        yield await make()
    else:
        yield await derived(archive, (source, "dataset", transfer_syntax_uid), make)


async def _made(
    archive: Archive, source: InstanceSource, layout: PixelLayout, transfer_syntax_uid: str
) -> bytes:
    start, end = dataset_range(source)
    ratio = method = ""
    if transfer_syntax_uid in LOSSY_JPEG:
        ratio, method = await former_compressions(archive, source)
    parameters = dataset_parameters(
        layout,
        start,
        source.transfer_syntax_uid,
        transfer_syntax_uid,
        stored_ratio=ratio,
        stored_method=method,
    )

    async def buffers() -> list[bytes]:
        stretch = indexed(source, start, end - start)
        return [await archive.blobs.read(stretch.key, stretch.offset, stretch.length)]

    return await archive.workers.run(
        "dataset",
        parameters,
        buffers,
        key=(source.instance_row, transfer_syntax_uid),
        result_bytes=decoded_length(layout, source.transfer_syntax_uid),
    )
