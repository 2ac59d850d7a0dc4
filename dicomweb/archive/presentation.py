"""The images that a presentation state refers to, shown as it says (R-15; PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.composed import Subtracted, overlay
from dicomweb.archive.pictures import Manner, Showing
from dicomweb.archive.rendered_plan import RenderedPlan, takes_anything, without_wildcards
from dicomweb.archive.stated import Stated, StatedFrame, by_image, stated
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import instance_source
from dicomweb.dicom.picture import Viewport
from dicomweb.dicom.target import Target
from dicomweb.errors import DecodeFailed, Gone, InvalidRequest, NotAcceptable, NotFound
from dicomweb.pixels.rendering.masks import subtraction_of
from dicomweb.protocol.negotiate import Acceptable, Chosen, choose, negotiate
from dicomweb.protocol.rendered_forms import Rendering, as_rendered
from dicomweb.protocol.rendered_query import refuse_for_presentation

# Images that are looked for where one is wanted: what is there mostly comes first.
_MOST_FOR_ONE = 8


async def plan_presentation(state: Subject, accept: Acceptable, manner: Manner) -> RenderedPlan:
    """All frames that a presentation state refers to, as it shows them (R-15)."""
    refuse_for_presentation(manner.query)
    shown = await stated(state)
    count = len(shown.frames)
    if not count:
        raise NotAcceptable("None of the images that the presentation state refers to can be shown.")
    _refuse_the_unrelated(shown)
    if count > 1:
        several = as_rendered(Rendering.PRESENTATION, "", count)
        chosen = choose(without_wildcards(accept), several, multipart=True)
        if chosen is not None:
            return _plan_stated(state, shown, shown.frames, chosen, manner, multipart=True)
        if not takes_anything(accept):
            negotiate(accept, [several], single_item=False)  # raises NotAcceptable
    answer = negotiate(accept, [as_rendered(Rendering.PRESENTATION, "", 1)], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    plan = _plan_stated(state, shown, shown.frames[:1], chosen, manner, multipart=answer.multipart)
    warning = f"The presentation state refers to {count} frames; this is the first"
    return replace(plan, warnings=(warning,)) if count > 1 else plan


def _refuse_the_unrelated(shown: Stated) -> None:
    """A blending state whose images cannot be laid over each other gives no picture at all."""
    try:
        overlay(shown, shown.frames[0])
    except DecodeFailed as error:
        raise NotAcceptable(f"The presentation state cannot be rendered. {error.message}") from None


def _plan_stated(
    state: Subject,
    shown: Stated,
    frames: Sequence[StatedFrame],
    chosen: Chosen,
    manner: Manner,
    *,
    multipart: bool,
) -> RenderedPlan:
    others = [frame for _, overlaid in shown.overlaid for frame in overlaid]
    return RenderedPlan(
        multipart=multipart,
        root_type=chosen.media_type,
        forms=[chosen.content_type],
        version=f"{state.source.instance_row:x}",
        beside=sorted({frame.source.instance_row for frame in (*frames, *others)}),
        # The images come and go without the state: its own date says nothing.
        modified=None,
        showings=lambda: _showings(state, shown, frames, chosen.media_type, manner),
        complete=shown.complete,
    )


async def _showings(
    state: Subject, shown: Stated, frames: Sequence[StatedFrame], media_type: str, manner: Manner
) -> AsyncGenerator[Showing, None]:
    for source, of_image in by_image(frames):
        # One for each image and no longer: it keeps the metadata that it has read.
        subject = Subject(state.archive, source)
        for frame in of_image:
            yield await _showing(state, shown, subject, frame, media_type, manner)


async def _showing(
    state: Subject, shown: Stated, subject: Subject, frame: StatedFrame, media_type: str, manner: Manner
) -> Showing:
    """The picture of one frame, made of several where the state blends or subtracts."""
    showing = Showing(subject, media_type, manner, (frame.number,), state=state)
    if shown.blend is not None:
        try:
            over = overlay(shown, frame)
        except DecodeFailed as error:
            return replace(showing, maker=partial(_refuse, error))
        return replace(showing, maker=over, beside=over.beside)
    subtraction = subtraction_of(
        await state.attributes(),
        await subject.attributes(),
        subject.source.target.instance,
        frame.number,
        subject.frames,
    )
    return showing if subtraction is None else replace(showing, maker=Subtracted(subtraction))


async def _refuse(error: DecodeFailed, _showing: Showing) -> bytes:
    """Makes no picture, when it comes to be made."""
    raise error


async def showings_of(state: Subject, media_type: str, manner: Manner) -> AsyncGenerator[Showing, None]:
    """A picture of each frame that the state refers to."""
    shown = await stated(state)
    showings = _showings(state, shown, shown.frames, media_type, _without_own_look(manner))
    async with aclosing(showings):
        async for showing in showings:
            yield showing


async def first_of(state: Subject, media_type: str, manner: Manner) -> Showing | None:
    """The picture that stands for a presentation state: of its first frame; None where there is none."""
    shown = await stated(state, most=_MOST_FOR_ONE)
    async with aclosing(_showings(state, shown, shown.frames[:1], media_type, manner)) as showings:
        return await anext(showings, None)


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
    shown = await stated(state)
    frames = [frame for frame in shown.frames if frame.source.target == target]
    if not frames:
        raise InvalidRequest("The presentation state is none that says how this object is shown.")
    plan = _plan_stated(state, shown, frames[:1], chosen, manner, multipart=False)
    return replace(plan, complete=True)


async def _state_of(archive: Archive, target: Target) -> Subject:
    try:
        return Subject(archive, await instance_source(archive.pool, archive.tenant_id, target))
    except (NotFound, Gone):
        raise InvalidRequest("There is no such presentation state in the study.") from None
