"""Which frames a rendered volume is made of, and how they lie in the patient (PS3.18 8.3.5.3; R-34)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import derived
from dicomweb.archive.subjects import Subject
from dicomweb.archive.volume_files import MOST_VOLUME_BYTES
from dicomweb.catalog.columns import decompress
from dicomweb.catalog.lookup import Contents, InstanceSource, contents, instance_pages
from dicomweb.catalog.metadata import metadata_pages
from dicomweb.dicom.target import Target
from dicomweb.errors import BlobMissing, InvalidRequest, NotAcceptable, NotFound, TooLarge
from dicomweb.pixels.volume.grid import MOST_SLICES, Grid, grid_of, read_slice
from dicomweb.protocol.rendered_forms import Rendering
from dicomweb.protocol.search_filter import Filter, compile_filter
from dicomweb.protocol.volume_query import VolumeQuery

# Planar MPR, volume rendering and segmented volume rendering ones (PS3.4 FF).
_VOLUMETRIC_STATES = tuple(f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (6, 7, 9, 10, 11))
# Instances of a study that are looked through for those of the volume.
_MOST_INSTANCES = 20_000
_VOXEL_BYTES = 4
# Share of a worker's memory that the voxels may take: they are held twice where slices are interpolated.
_MEMORY_SHARE = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the input. number: from 1. found: as pixels.volume.slices says."""

    subject: Subject
    number: int
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VolumeInput:
    """Frames that form a volume, in the order of its slices. step: every how manieth pixel is taken.

    version: identifies what the target holds. modified: when that changed.
    """

    frames: Sequence[Frame]
    grid: Grid
    step: int
    version: str
    modified: datetime | None

    @property
    def middle(self) -> Frame:
        """The frame that speaks for all, for a window or an annotation."""
        return self.frames[len(self.frames) // 2]

    @property
    def sources(self) -> list[InstanceSource | int | str]:
        """What the pixels depend on, for cache keys."""
        sources = dict.fromkeys(frame.subject.source for frame in self.frames)
        return [*sources, *(frame.number for frame in self.frames)]


async def volume_input(
    archive: Archive, target: Target, numbers: Sequence[int], query: VolumeQuery
) -> VolumeInput:
    """Find the frames and lay them out; no pixel is read.

    numbers: of frames, from 1; empty for all. Raises NotFound, Gone, NotAcceptable, BlobMissing, TooLarge,
    and InvalidRequest where they form no volume.
    """
    found = await contents(archive.pool, archive.tenant_id, target)
    if len(found) > _MOST_INSTANCES:
        raise TooLarge("The study has too many instances to look for a volume.", hint="Name a series.")
    subjects = [subject async for subject in _images(archive, target, found, query)]
    frames = await _frames(archive, target, subjects, query)
    frames = _numbered(frames, numbers)
    if not frames:
        raise InvalidRequest("The target holds no images that a volume could be made of.")
    _check_pixels(frames)
    grid, step = await asyncio.to_thread(_laid_out, frames, archive.settings.decode_memory)
    ordered = [frames[index] for index in grid.order]
    version = f"{frames[0].subject.source.instance_row if target.instance else found.revision:x}"
    return VolumeInput(ordered, grid, step, version, found.modified)


async def _images(
    archive: Archive, target: Target, found: Contents, query: VolumeQuery
) -> AsyncIterator[Subject]:
    """The instances that may be part of it: images, as far as they are referred to."""
    wanted = {uid for uid, _ in query.references if uid}
    async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found):
        for source in page:
            if source.sop_class_uid in _VOLUMETRIC_STATES and target.instance:
                _refuse_state(query)
            if wanted and wanted.isdisjoint((source.target.series, source.target.instance)):
                continue
            subject = Subject(archive, source)
            if subject.rendering is Rendering.IMAGE:
                yield subject


def _refuse_state(query: VolumeQuery) -> None:
    if query.stated:
        raise InvalidRequest(
            f"A volumetric presentation state excludes the parameter: {', '.join(query.stated)}."
        )
    raise NotAcceptable(
        "Volumetric presentation states are not rendered here.",
        hint="Render the series that it refers to, with the parameters of the view.",
    )


async def _frames(
    archive: Archive, target: Target, subjects: Sequence[Subject], query: VolumeQuery
) -> list[Frame]:
    """Every frame of the input with its place, as far as it matches."""
    if not subjects:
        return []
    keys = compile_filter(query.keys) if query.keys else None
    frames: list[Frame] = []
    left = iter(subjects)
    if keys is None and sum(subject.frames for subject in subjects) > MOST_SLICES and not query.references:
        raise _too_many()
    rows = b"".join(subject.source.instance_row.to_bytes(8, "big", signed=True) for subject in subjects)
    of_these = Contents(0, rows)
    async for page in metadata_pages(archive.pool, archive.tenant_id, target, found=of_these):
        owners = [next(left) for _ in page]
        if keys is not None:
            fit = await asyncio.to_thread(_matching, page, keys)
            owners = [owner for owner, fits in zip(owners, fit, strict=True) if fits]
            page = [text for text, fits in zip(page, fit, strict=True) if fits]
        for owner, found in zip(owners, await _slices(archive, owners, page), strict=True):
            if len(found) < owner.frames:
                raise InvalidRequest("The images form no volume: one says less frames than it has.")
            frames += [Frame(owner, number, found[number - 1]) for number in _wanted(owner, query)]
        if len(frames) > MOST_SLICES:
            raise _too_many()
    return frames


def _too_many() -> TooLarge:
    return TooLarge(
        f"A volume has at most {MOST_SLICES} frames here.",
        hint="Choose some by series, by volumeinputreference or by matching an attribute.",
    )


def _matching(page: Sequence[bytes], keys: Filter) -> list[bool]:
    return [keys.matches(orjson.loads(decompress(text))) for text in page]


async def _slices(
    archive: Archive, owners: Sequence[Subject], page: Sequence[bytes]
) -> list[list[dict[str, Any]]]:
    """What a worker reads of the metadata of some instances, from the cache if it was read before."""
    if not owners:
        return []

    async def make() -> bytes:
        return await archive.workers.run("volume_slices", {}, page)

    key: list[InstanceSource | str] = [*(owner.source for owner in owners), "volume slices"]
    found: list[list[dict[str, Any]]] = await asyncio.to_thread(
        orjson.loads, await derived(archive, key, make)
    )
    return found


def _wanted(owner: Subject, query: VolumeQuery) -> Sequence[int]:
    """Frame numbers of an instance that are referred to; all without references."""
    everything = range(1, owner.frames + 1)
    own = (owner.source.target.instance, owner.source.target.series, "")
    asked = [number for uid, number in query.references if uid in own]
    if not query.references or None in asked:
        return everything
    numbers = sorted({number for number in asked if number is not None})
    if numbers and numbers[-1] > owner.frames:
        raise InvalidRequest("The parameter volumeinputreference names a frame that is not there.")
    return numbers


def _numbered(frames: list[Frame], numbers: Sequence[int]) -> list[Frame]:
    """The frames that the URL names."""
    if not numbers:
        return frames
    if max(numbers) > max((frame.number for frame in frames), default=0):
        raise NotFound("The instance has no such frames.")
    return [frame for frame in frames if frame.number in set(numbers)]


def _check_pixels(frames: Sequence[Frame]) -> None:
    first = frames[0].subject.layout
    for subject in dict.fromkeys(frame.subject for frame in frames):
        layout = subject.layout
        if layout.samples_per_pixel != 1 or not layout.photometric_interpretation.startswith("MONOCHROME"):
            raise InvalidRequest("The images form no volume: they are not grayscale.")
        if (layout.rows, layout.columns, layout.photometric_interpretation) != (
            first.rows,
            first.columns,
            first.photometric_interpretation,
        ):
            raise InvalidRequest("The images form no volume: their rows, columns or photometric differ.")
        if not subject.decodable:
            raise NotAcceptable("No decoder is there for the transfer syntax of the images.")
        if subject.source.is_damaged:
            raise BlobMissing("The stored bytes of an image of the volume are damaged or missing.")


def _laid_out(frames: Sequence[Frame], decode_memory: int) -> tuple[Grid, int]:
    layout = frames[0].subject.layout
    most = min(MOST_VOLUME_BYTES, decode_memory // _MEMORY_SHARE) // _VOXEL_BYTES
    step = 1
    while len(frames) * -(-layout.rows // step) * -(-layout.columns // step) > most:
        step += 1
        if step > min(layout.rows, layout.columns):
            raise TooLarge("The volume has more voxels than one may have here.")
    slices = [read_slice(frame.found) for frame in frames]
    most *= step * step
    return grid_of(slices, layout.rows, layout.columns, most_voxels=most).thinned(step), step
