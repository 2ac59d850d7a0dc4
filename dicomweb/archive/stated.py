"""The frames that a presentation state shows: found, and put in order (PS3.18 10.4.1.1.3, R-15).

Within a series they come by Dimension Index Values, else by their position in the patient, else as the state
refers to them; series as the state refers to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

import orjson

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import derived
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import InstanceSource, contents, instance_pages, instance_source
from dicomweb.catalog.metadata import one_metadata
from dicomweb.dicom.target import Target
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import Gone, NotFound, Unavailable
from dicomweb.pixels.rendering.blending import BLENDING_STATES, Blend, blend_of
from dicomweb.pixels.rendering.frame_places import FramePlace, order_of
from dicomweb.pixels.rendering.presentation import PRESENTATION_STATES, ReferencedImage, referenced_images
from dicomweb.protocol.rendered_forms import Rendering

# Each costs a look into the catalog before the answer begins.
MOST_IMAGES = 1000
# Instances whose metadata one job reads, and their compressed bytes.
_MOST_READ, _MOST_READ_BYTES = 64, 8 << 20


@dataclass(frozen=True, slots=True)
class StatedFrame:
    """A frame that a state refers to. number: from 1."""

    source: InstanceSource
    number: int
    place: FramePlace


@dataclass(frozen=True, slots=True)
class Stated:
    """What a state shows.

    frames: each makes a picture, in this order. complete: whether that is all it refers to.
    blend, overlaid: how other frames are laid over them, and these by the number of their input.
    """

    frames: Sequence[StatedFrame]
    complete: bool
    blend: Blend | None = None
    overlaid: tuple[tuple[int, Sequence[StatedFrame]], ...] = ()

    @property
    def rows(self) -> set[int]:
        """The instances that it is made of."""
        frames = chain(self.frames, *(overlaid for _, overlaid in self.overlaid))
        return {frame.source.instance_row for frame in frames}


@dataclass(frozen=True, slots=True)
class _Image:
    source: InstanceSource
    numbers: Sequence[int]


async def stated(state: Subject, *, most: int = MOST_IMAGES) -> Stated:
    """What a presentation state shows; no frames where nothing of it is there.

    most: images that are looked for; of a state that blends, all are.
    """
    study = state.source.target.study
    if state.source.sop_class_uid in BLENDING_STATES:
        return await _blended(state, study)
    if state.source.sop_class_uid not in PRESENTATION_STATES:
        return Stated((), False)
    references = referenced_images(await state.attributes())
    images, complete = await _images_of(state.archive, study, references, most)
    return Stated(await _in_order(state.archive, images), complete)


async def _blended(state: Subject, study: str) -> Stated:
    blend = blend_of(await state.attributes())
    if blend is None:
        return Stated((), False)
    found, all_complete = {}, True
    for one in blend.inputs:
        of_study = one.study_instance_uid or study
        images, complete = await _images_of(state.archive, of_study, one.references, MOST_IMAGES)
        found[one.number] = await _in_order(state.archive, images)
        all_complete = all_complete and complete
    frames = found.pop(blend.base)
    return Stated(frames, all_complete, blend, tuple(found.items()))


# --- found in the archive ----------------------------------------------------------------------------------


async def _images_of(
    archive: Archive, study: str, references: Sequence[ReferencedImage], most: int
) -> tuple[list[_Image], bool]:
    """The referenced images that can be shown, in the order of the references; and whether these are all."""
    found: list[_Image] = []
    complete, looked_at = True, 0
    for reference in references:
        async for source in _sources(archive, study, reference):
            looked_at += 1
            if looked_at > most:
                return found, False
            numbers: Sequence[int] = () if source is None else _numbers(archive, source, reference)
            if source is not None and numbers:
                found.append(_Image(source, numbers))
            complete = complete and len(numbers) >= max(len(reference.frames), 1)
        complete = complete and looked_at > 0
    return found, complete


async def _sources(
    archive: Archive, study: str, reference: ReferencedImage
) -> AsyncIterator[InstanceSource | None]:
    """The instances of a reference; None for one that is not there."""
    target = Target(study, reference.series_instance_uid, reference.sop_instance_uid)
    # A state may refer by what is no UID, even by what the catalog could not be asked for (NUL).
    if not all(is_uid(uid) for uid in (target.study, target.series, target.instance) if uid):
        yield None
        return
    try:
        if target.instance and target.series:
            yield await instance_source(archive.pool, archive.tenant_id, target)
        elif target.series:
            found = await contents(archive.pool, archive.tenant_id, target)
            async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found):
                for source in page:
                    yield source
        else:
            yield None
    except (NotFound, Gone):
        yield None


def _numbers(archive: Archive, source: InstanceSource, reference: ReferencedImage) -> Sequence[int]:
    """Of the frames of an instance that can be shown, those that the reference wants."""
    image = Subject(archive, source)
    if image.rendering is not Rendering.IMAGE or not image.decodable or source.is_damaged:
        return ()
    if reference.frames:
        return tuple(number for number in reference.frames if 1 <= number <= image.frames)
    return range(1, image.frames + 1)


# --- in order ----------------------------------------------------------------------------------------------


async def _in_order(archive: Archive, images: Sequence[_Image]) -> list[StatedFrame]:
    """The frames of images, each series in its order; series as they come first."""
    series: dict[str, list[StatedFrame]] = {}
    places = await _places(archive, [image.source for image in images])
    for image in images:
        of_image = places[image.source.instance_row]
        found = series.setdefault(image.source.target.series, [])
        found += [
            StatedFrame(image.source, number, of_image[number - 1] if number <= len(of_image) else _NOWHERE)
            for number in image.numbers
        ]
    ordered: list[StatedFrame] = []
    for frames in series.values():
        ordered += [frames[index] for index in order_of([frame.place for frame in frames])]
    return ordered


_NOWHERE = FramePlace("", (), None, (0.0, 0.0, 1.0), None)


async def _places(archive: Archive, sources: Iterable[InstanceSource]) -> dict[int, list[FramePlace]]:
    """Where the frames of instances lie, by instance row."""
    found: dict[int, list[FramePlace]] = {}
    pending: list[InstanceSource] = []
    read: list[bytes] = []
    for source in {source.instance_row: source for source in sources}.values():
        metadata = await one_metadata(archive.pool, source.instance_row)
        if metadata is None:
            raise Unavailable("An image was deleted while it was read.", retry_after=1)
        pending.append(source)
        read.append(metadata)
        if len(pending) == _MOST_READ or sum(map(len, read)) > _MOST_READ_BYTES:
            found.update(await _read(archive, pending, read))
            pending, read = [], []
    found.update(await _read(archive, pending, read))
    return found


async def _read(
    archive: Archive, sources: Sequence[InstanceSource], metadata: Sequence[bytes]
) -> dict[int, list[FramePlace]]:
    if not sources:
        return {}

    async def make() -> bytes:
        return await archive.workers.run("frame_places", {}, metadata)

    text = await derived(archive, [*sources, "frame places"], make)
    places = await asyncio.to_thread(_parsed, text)
    return {source.instance_row: ones for source, ones in zip(sources, places, strict=True)}


def _parsed(text: bytes) -> list[list[FramePlace]]:
    return [[FramePlace.of(one) for one in ones] for ones in orjson.loads(text)]


def by_image(frames: Iterable[StatedFrame]) -> Iterable[tuple[InstanceSource, Iterable[StatedFrame]]]:
    """Frames that follow each other in one image, together."""
    for _, group in groupby(frames, key=lambda frame: frame.source.instance_row):
        together = list(group)
        yield together[0].source, together
