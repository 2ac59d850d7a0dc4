"""The images that a presentation state refers to, shown as it says (R-15; PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from dicomweb.archive.archive import Archive
from dicomweb.archive.pictures import Manner, Showing
from dicomweb.archive.rendered_plan import RenderedPlan, planned, takes_anything, without_wildcards
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import InstanceSource, instance_source
from dicomweb.dicom.target import Target
from dicomweb.errors import Gone, InvalidRequest, NotAcceptable, NotFound
from dicomweb.pixels.rendering.presentation import PRESENTATION_STATES, ReferencedImage, referenced_images
from dicomweb.protocol.negotiate import Acceptable, Chosen, choose, negotiate
from dicomweb.protocol.rendered_forms import Rendering, as_rendered
from dicomweb.protocol.rendered_query import Viewport, refuse_for_presentation

# Each costs a look into the catalog before the answer begins.
_MOST_IMAGES = 1000


@dataclass(frozen=True, slots=True)
class StatedImage:
    """An image that a presentation state refers to, and the frames that it wants shown, from 1."""

    source: InstanceSource
    numbers: Sequence[int]


async def plan_presentation(state: Subject, accept: Acceptable, manner: Manner) -> RenderedPlan:
    """All frames that a presentation state refers to, as it shows them (R-15)."""
    refuse_for_presentation(manner.query)
    images, complete = await images_of(state)
    count = sum(len(image.numbers) for image in images)
    if not count:
        raise NotAcceptable("None of the images that the presentation state refers to can be shown.")
    if count > 1:
        several = as_rendered(Rendering.PRESENTATION, "", count)
        chosen = choose(without_wildcards(accept), several, multipart=True)
        if chosen is not None:
            return _plan_stated(state, images, chosen, manner, multipart=True, complete=complete)
        if not takes_anything(accept):
            negotiate(accept, [several], single_item=False)  # raises NotAcceptable
    answer = negotiate(accept, [as_rendered(Rendering.PRESENTATION, "", 1)], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    first = [replace(images[0], numbers=images[0].numbers[:1])]
    plan = _plan_stated(state, first, chosen, manner, multipart=answer.multipart, complete=complete)
    warning = f"The presentation state refers to {count} frames; this is the first"
    return replace(plan, warnings=(warning,)) if count > 1 else plan


def _plan_stated(
    state: Subject,
    images: Sequence[StatedImage],
    chosen: Chosen,
    manner: Manner,
    *,
    multipart: bool,
    complete: bool,
) -> RenderedPlan:
    showings = _showings(state, images, chosen.media_type, manner)
    rows = [f"{image.source.instance_row:x}" for image in images]
    return planned(state, chosen, showings, multipart=multipart, shown=rows, complete=complete)


def _showings(
    state: Subject, images: Sequence[StatedImage], media_type: str, manner: Manner
) -> Iterator[Showing]:
    for image in images:
        # One for each image and no longer: it keeps the metadata that it has read.
        subject = Subject(state.archive, image.source)
        for number in image.numbers:
            yield Showing(subject, media_type, manner, (number,), state=state)


async def images_of(state: Subject) -> tuple[list[StatedImage], bool]:
    """The referenced images that can be shown, in the order of the references; and whether these are all."""
    found: list[StatedImage] = []
    references = await _references(state)
    complete = len(references) <= _MOST_IMAGES
    for reference in references[:_MOST_IMAGES]:
        image = await _image_of(state, reference)
        if image is None:
            complete = False
            continue
        named = tuple(number for number in reference.frames if 1 <= number <= image.frames)
        numbers = named if reference.frames else range(1, image.frames + 1)
        complete = complete and len(named) == len(reference.frames)
        if numbers:
            found.append(StatedImage(image.source, numbers))
    return found, complete


async def _references(state: Subject) -> tuple[ReferencedImage, ...]:
    if state.source.sop_class_uid not in PRESENTATION_STATES:
        return ()
    return referenced_images(await state.attributes())


async def _image_of(state: Subject, reference: ReferencedImage) -> Subject | None:
    """A referenced image of the same study, None where there is none that can be shown."""
    uids = (reference.series_instance_uid, reference.sop_instance_uid)
    if not all(uids):
        return None
    archive = state.archive
    target = Target(state.source.target.study, *uids)
    try:
        image = Subject(archive, await instance_source(archive.pool, archive.tenant_id, target))
    except (NotFound, Gone):
        return None
    shown = image.rendering is Rendering.IMAGE and image.decodable and not image.source.is_damaged
    return image if shown else None


async def showings_of(state: Subject, media_type: str, manner: Manner) -> AsyncIterator[Showing]:
    """A picture of each frame that the state refers to."""
    manner = _without_own_look(manner)
    for showing in _showings(state, (await images_of(state))[0], media_type, manner):
        yield showing


def _without_own_look(manner: Manner) -> Manner:
    """The state says how values become gray and what is shown; a request for a whole study cannot (R-05)."""
    query = manner.query
    viewport = Viewport(query.viewport.width, query.viewport.height) if query.viewport else None
    return replace(manner, query=replace(query, window=None, viewport=viewport))


async def plan_image_with_state(
    archive: Archive, target: Target, presentation: tuple[str, str], accept: Acceptable, manner: Manner
) -> RenderedPlan:
    """One image as a state shows it (WADO-URI). presentation: series and instance of the state (I-06).

    Raises NotFound, Gone, NotAcceptable; InvalidRequest where there is no such state of this image.
    """
    await instance_source(archive.pool, archive.tenant_id, target)  # 404, 410
    answer = negotiate(accept, [as_rendered(Rendering.IMAGE, "", 1)], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    state = await _state_of(archive, Target(target.study, *presentation))
    images = [one for one in (await images_of(state))[0] if one.source.target == target]
    if not images:
        raise InvalidRequest("The presentation state is none that says how this object is shown.")
    first = [replace(images[0], numbers=images[0].numbers[:1])]
    return _plan_stated(state, first, chosen, manner, multipart=False, complete=True)


async def _state_of(archive: Archive, target: Target) -> Subject:
    try:
        return Subject(archive, await instance_source(archive.pool, archive.tenant_id, target))
    except (NotFound, Gone):
        raise InvalidRequest("There is no such presentation state in the study.") from None
