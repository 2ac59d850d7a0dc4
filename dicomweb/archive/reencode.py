"""Elements of a stored data set in Explicit VR Little Endian, as they stream (PS3.5 annex A; W-12)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

from dicomweb.archive.archive import Archive
from dicomweb.archive.sources import indexed, syntax_of
from dicomweb.archive.through_thread import through_thread
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.explicit import explicit_elements


def explicit(
    archive: Archive,
    source: InstanceSource,
    start: int,
    end: int,
    changes: Mapping[str, bytes | None] = {},
    *,
    after_pixels: bool = False,
) -> AsyncIterator[bytes]:
    """The elements from `start` to `end` in Explicit VR Little Endian."""
    syntax, layout = syntax_of(source), source.pixel_layout

    def transform(chunks: Iterator[bytes]) -> Iterator[bytes]:
        return explicit_elements(
            chunks,
            implicit=not syntax.explicit,
            little=syntax.little,
            changes=changes,
            pixel_representation=layout.pixel_representation if layout else 0,
            bits_allocated=layout.bits_allocated if layout else 16,
            after_pixels=after_pixels,
        )

    stretch = indexed(source, start, end - start)
    return through_thread(transform, archive.blobs.stream(stretch.key, stretch.offset, stretch.length))
