"""Rendered studies, series, instances and frames: chosen and planned (PS3.18 10.4.1.1.3; R-12..R-14)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from dicomweb.archive.archive import Archive
from dicomweb.archive.pictures import Manner, Showing
from dicomweb.archive.presentation import plan_presentation, showings_of
from dicomweb.archive.reading import closing
from dicomweb.archive.rendered_plan import RenderedPlan, planned, takes_anything, without_wildcards
from dicomweb.archive.stated import Stated, stated
from dicomweb.archive.stored_forms import MP4, container_of
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import Contents, contents, instance_pages, instance_source
from dicomweb.dicom.target import Target
from dicomweb.errors import BlobMissing, DecodeFailed, InvalidRequest, NotAcceptable, NotFound
from dicomweb.protocol.negotiate import Acceptable, Chosen, Resource, Stored, available, negotiate, supported
from dicomweb.protocol.rendered_forms import Rendering, as_rendered, is_shown

_NONE_SHOWN = (
    "Nothing in the target can be rendered: it holds no frames that a decoder is there for, no other objects "
    "that have a form here, and no images that its presentation states refer to."
)
_HINT = "Its metadata, its bulkdata and the DICOM objects themselves can be retrieved."


async def plan_rendered(
    archive: Archive, target: Target, numbers: Sequence[int], accept: Acceptable, manner: Manner
) -> RenderedPlan:
    """Choose what is shown and as what; nothing is made yet.

    numbers: of frames, from 1; empty for the whole target. Raises NotFound, Gone, NotAcceptable, BlobMissing.
    """
    if target.instance:
        subject = Subject(archive, await instance_source(archive.pool, archive.tenant_id, target))
        return await plan_subject(subject, numbers, accept, manner)
    found = await contents(archive.pool, archive.tenant_id, target)
    try:
        return await _plan_many(archive, target, found, accept, manner)
    except NotAcceptable:
        if not target.series or len(found) != 1:
            raise
    # A client in wide use asks for a series as one image/jpeg; of one instance, that has a meaning.
    ((source,),) = [
        page async for page in instance_pages(archive.pool, archive.tenant_id, target, found=found)
    ]
    return await _plan_single(Subject(archive, source), accept, manner)


# --- one instance ----------------------------------------------------------------------------------


async def plan_subject(
    subject: Subject, numbers: Sequence[int], accept: Acceptable, manner: Manner
) -> RenderedPlan:
    """What shows one instance, or frames of it."""
    check_frames(subject, numbers)
    if subject.source.is_damaged:
        raise BlobMissing("The stored bytes of the instance are damaged or missing.")
    shown = numbers or range(1, subject.frames + 1)
    if subject.rendering is Rendering.PRESENTATION:
        return await plan_presentation(subject, accept, manner)
    stored = _as_rendered(subject, len(shown))
    if subject.rendering is Rendering.VIDEO and MP4 not in available(Resource.RENDERED, [stored]):
        stored = replace(stored, document_type=await container_of(subject))
    accept = supported(accept, [stored])
    animated = subject.rendering is Rendering.IMAGE and len(shown) > 1 and not numbers
    try:
        answer = negotiate(without_wildcards(accept) if animated else accept, [stored], single_item=True)
    except NotAcceptable as refusal:
        if animated and takes_anything(accept):
            return await _plan_picture(subject, accept, manner)
        raise _explained(refusal, subject) from None
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    return _plan_one(subject, shown, chosen, manner, multipart=answer.multipart)


async def plan_instance_picture(
    archive: Archive, target: Target, number: int | None, accept: Acceptable, manner: Manner
) -> RenderedPlan:
    """What shows one instance in a single part (WADO-URI). number: of the frame, None where it is left open.

    Raises NotFound, Gone, NotAcceptable, BlobMissing; InvalidRequest for a frame that is not there (I-05).
    """
    subject = Subject(archive, await instance_source(archive.pool, archive.tenant_id, target))
    if number is not None:
        if subject.frames <= 1 or number > subject.frames:
            raise InvalidRequest("The frame number is none of this object's.")
        return await plan_subject(subject, [number], accept, manner)
    return await _plan_single(subject, accept, manner)


async def _plan_single(subject: Subject, accept: Acceptable, manner: Manner) -> RenderedPlan:
    """One part of an instance, of whatever it holds."""
    try:
        return await plan_subject(subject, (), accept, manner)
    except NotAcceptable:
        if subject.frames <= 1:
            raise
        return await _plan_picture(subject, accept, manner)


def check_frames(subject: Subject, numbers: Sequence[int]) -> None:
    """Raise NotFound where the instance has no such frames, NotAcceptable where they are a video's."""
    if numbers and subject.rendering is Rendering.VIDEO:
        raise NotAcceptable(
            "Frames of a video cannot be shown one by one.", hint="Render the instance itself."
        )
    if numbers and not subject.frames:
        raise NotFound("The instance has no frames that can be shown one by one.")
    if max(numbers, default=0) > subject.frames:
        raise NotFound(f"The instance has {subject.frames} frames; a higher frame number was asked for.")


def _plan_one(
    subject: Subject,
    numbers: Sequence[int],
    chosen: Chosen,
    manner: Manner,
    *,
    multipart: bool,
    warnings: Sequence[str] = (),
) -> RenderedPlan:
    showings = _showings(subject, numbers, chosen, manner, split=multipart)
    return planned(subject, chosen, showings, multipart=multipart, warnings=warnings)


def _showings(
    subject: Subject, numbers: Sequence[int], chosen: Chosen, manner: Manner, *, split: bool
) -> Iterator[Showing]:
    """One for each frame, or one of all (an animation, or what has no frames)."""
    if not split or len(numbers) < 2:
        yield Showing(subject, chosen.media_type, manner, tuple(numbers))
        return
    for number in numbers:
        yield Showing(subject, chosen.media_type, manner, (number,))


async def _plan_picture(subject: Subject, accept: Acceptable, manner: Manner) -> RenderedPlan:
    """One frame where all cannot be had (Z-07)."""
    stored = as_rendered(Rendering.IMAGE, "", 1, decodable=subject.decodable)
    answer = negotiate(accept, [stored], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    number = await representative_frame(subject)
    warnings = [f"The instance has {subject.frames} frames; this is frame {number}"]
    return _plan_one(subject, [number], chosen, manner, multipart=answer.multipart, warnings=warnings)


async def representative_frame(subject: Subject) -> int:
    """The frame that the object itself names (0028,6010), else the middle one."""
    if subject.frames <= 1:
        return 1
    values = (await subject.attributes()).get("00286010", {}).get("Value") or [None]
    named = values[0]
    if isinstance(named, int) and 1 <= named <= subject.frames:
        return named
    return (subject.frames + 1) // 2


def _as_rendered(subject: Subject, frames: int) -> Stored:
    return as_rendered(
        subject.rendering, subject.source.transfer_syntax_uid, frames, decodable=subject.decodable
    )


def _explained(refusal: NotAcceptable, subject: Subject) -> NotAcceptable:
    """Why there is no picture at all, where that is so (R-14)."""
    if subject.rendering is Rendering.IMAGE and not subject.decodable:
        reason = "No decoder is there for the transfer syntax of its pixels."
    elif subject.source.pixel_layout is not None and not subject.frames:
        reason = "Its pixel data is shorter than one frame, or is not divided into frames."
    elif not is_shown(subject.rendering):
        reason = "It holds no frames, and objects of its kind have no other form here."
    else:
        return refusal
    return NotAcceptable(
        f"The instance cannot be rendered. {reason}",
        hint=_HINT,
    )


# --- studies and series ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Survey:
    """What is below a target.

    empty: rows of the presentation states that show nothing. beside: rows of all that the others show, for
    the ETag: it need not lie below the target. complete: False where something cannot be shown.
    """

    forms: dict[Stored, None] = field(default_factory=dict)
    empty: set[int] = field(default_factory=set)
    beside: set[int] = field(default_factory=set)
    states: int = 0
    complete: bool = True


async def _survey(archive: Archive, target: Target, found: Contents) -> _Survey:
    survey = _Survey()
    async with aclosing(_subjects(archive, target, found)) as subjects:
        async for subject in subjects:
            survey.complete = survey.complete and not subject.source.is_damaged
            if subject.rendering is Rendering.PRESENTATION and not subject.source.is_damaged:
                await _survey_state(survey, subject)
            else:
                survey.forms[_as_rendered(subject, subject.frames)] = None
    return survey


async def _survey_state(survey: _Survey, state: Subject) -> None:
    survey.states += 1
    try:
        shown = await stated(state)
    except DecodeFailed:
        shown = Stated((), complete=False)
    survey.complete = survey.complete and shown.complete
    survey.beside |= shown.rows
    if shown.frames:
        survey.forms[_as_rendered(state, state.frames)] = None
    else:
        survey.empty.add(state.source.instance_row)
        survey.forms[as_rendered(Rendering.NOTHING, "", 0)] = None


async def _plan_many(
    archive: Archive, target: Target, found: Contents, accept: Acceptable, manner: Manner
) -> RenderedPlan:
    survey = await _survey(archive, target, found)
    if not available(Resource.RENDERED, survey.forms):
        raise NotAcceptable(_NONE_SHOWN, hint=_HINT)
    answer = negotiate(accept, list(survey.forms), single_item=False)
    chosen = dict(zip(survey.forms, answer.parts, strict=True))

    async def showings() -> AsyncIterator[Showing]:
        async with aclosing(_subjects(archive, target, found)) as subjects:
            async for subject in subjects:
                form = chosen.get(_as_rendered(subject, subject.frames))
                if subject.source.is_damaged or subject.source.instance_row in survey.empty or form is None:
                    continue
                async with aclosing(_parts_of(subject, form, manner)) as parts:
                    async for showing in parts:
                        yield showing

    return RenderedPlan(
        multipart=True,
        root_type=answer.root_type,
        forms=sorted({part.content_type for part in answer.parts if part is not None}),
        version=f"{found.revision:x}",
        beside=sorted(survey.beside),
        # What a state shows may change without the target.
        modified=None if survey.states else found.modified,
        showings=showings,
        complete=answer.complete and survey.complete,
    )


async def _parts_of(subject: Subject, form: Chosen, manner: Manner) -> AsyncGenerator[Showing, None]:
    """The parts of one instance of many."""
    if subject.rendering is Rendering.PRESENTATION:
        async with aclosing(showings_of(subject, form.media_type, manner)) as stated_showings:
            async for showing in stated_showings:
                yield showing
        return
    for showing in _showings(subject, range(1, subject.frames + 1), form, manner, split=True):
        yield showing


async def _subjects(archive: Archive, target: Target, found: Contents) -> AsyncGenerator[Subject, None]:
    pages = instance_pages(archive.pool, archive.tenant_id, target, found=found)
    async with closing(pages):
        async for page in pages:
            for source in page:
                yield Subject(archive, source)
