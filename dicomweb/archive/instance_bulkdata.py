"""All bulkdata, or all pixel data, of a study, series or instance (PS3.18 10.4.1.1.5; M-01, W-07, W-40)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.bulkdata import locate_value, readable_parts, value_parts
from dicomweb.archive.derived import identity_of
from dicomweb.archive.parts import Part
from dicomweb.archive.reading import closing
from dicomweb.archive.retrieve import RetrievePlan
from dicomweb.catalog.bulkdata_index import bulkdata_indexes
from dicomweb.catalog.lookup import Contents, InstanceSource, contents, instance_pages
from dicomweb.catalog.metadata import BulkdataPlace
from dicomweb.dicom.target import Target
from dicomweb.errors import BlobMissing, NotFound
from dicomweb.protocol.negotiate import Acceptable, Chosen, Resource, Stored, negotiate

# Pixel Data, Float and Double Float Pixel Data of the data set itself: icons are no pixel data (W-40).
_PIXEL_DATA = ("7FE00008", "7FE00009", "7FE00010")
# Parts of one instance up to here are made before the answer begins, so that its length is known.
_HELD_PARTS = 2048


class NoBulkdata(NotFound):
    """The target is there, and none of its values is bulkdata."""


@dataclass(slots=True)
class _Survey:
    """What is below a target. damaged: instances whose values cannot be read. parts: how many, as stored."""

    forms: dict[Stored, None] = field(default_factory=dict)
    damaged: int = 0
    parts: int = 0


async def plan_instance_bulkdata(archive: Archive, target: Target, accept: Acceptable) -> RetrievePlan:
    """Choose the form of every bulkdata value below the target, or of its pixel data alone.

    accept: of Resource.BULKDATA or Resource.PIXELDATA. An instance has one pixel data at most, which may go
    out as a single part (G-36). Raises NotFound (NoBulkdata), Gone, NotAcceptable, BlobMissing.
    """
    found = await contents(archive.pool, archive.tenant_id, target)
    only_pixels = accept.resource is Resource.PIXELDATA
    survey = await _survey(archive, target, found, only_pixels)
    answer = negotiate(accept, survey.forms, single_item=only_pixels and target.level == "instance")
    chosen = dict(zip(survey.forms, answer.parts, strict=True))
    stream = partial(_parts, archive, target, found, chosen, only_pixels)
    held = target.level == "instance" and survey.parts <= _HELD_PARTS
    return RetrievePlan(
        multipart=answer.multipart,
        root_type=answer.root_type,
        forms=identity_of(answer.parts),
        complete=answer.complete and not survey.damaged,
        parts=[part async for part in stream()] if held else None,
        stream=stream,
        version=f"{found.revision:x}",
        modified=found.modified,
    )


async def _survey(archive: Archive, target: Target, found: Contents, only_pixels: bool) -> _Survey:
    survey = _Survey()
    async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found):
        survey.damaged += sum(source.is_damaged for source in page)
        for place, path in await _places(archive, page, only_pixels):
            value = await locate_value(archive, place, path)
            survey.forms[value.form] = None
            survey.parts += value.frames
    if not survey.forms and survey.damaged:
        raise BlobMissing("The stored bytes of the target are damaged or missing.")
    if not survey.forms:
        raise NoBulkdata("The target has no pixel data." if only_pixels else "The target has no bulkdata.")
    return survey


async def _parts(
    archive: Archive,
    target: Target,
    found: Contents,
    chosen: dict[Stored, Chosen | None],
    only_pixels: bool,
) -> AsyncIterator[Part]:
    # An instance alone is refused as a whole when its pixels turn out to be broken.
    read = value_parts if target.instance else readable_parts
    pages = instance_pages(archive.pool, archive.tenant_id, target, found=found)
    async with closing(pages):
        async for page in pages:
            for place, path in await _places(archive, page, only_pixels):
                value = await locate_value(archive, place, path)
                form = chosen.get(value.form)
                if form is None:
                    continue
                parts = read(archive, value, form)
                async with closing(parts):
                    async for part in parts:
                        yield part


async def _places(
    archive: Archive, page: Sequence[InstanceSource], only_pixels: bool
) -> Iterator[tuple[BulkdataPlace, str]]:
    """The values of the instances that can be read, each with its path."""
    intact = [source for source in page if not source.is_damaged]
    indexes = await bulkdata_indexes(archive.pool, [source.instance_row for source in intact])
    return (
        (BulkdataPlace(source, *place), path)
        for source in intact
        for path, place in indexes.get(source.instance_row, {}).items()
        if not only_pixels or path in _PIXEL_DATA
    )
