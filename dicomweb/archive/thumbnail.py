"""One small picture that stands for a study, series, instance or frame (PS3.18 10.4.1.1.4; R-20, R-21).

The representative is the middle instance of the target in the order of W-64; where that one is no picture,
or one with the patient's name burned into it, the nearest of a sample that is; of several frames the one that
the object names, else the middle one. What has no picture is shown by an icon of its kind. No text of the
data set is ever drawn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

from dicomweb.archive.archive import Archive
from dicomweb.archive.pictures import Manner, Showing
from dicomweb.archive.presentation import first_of
from dicomweb.archive.rendered import check_frames, representative_frame
from dicomweb.archive.rendered_plan import RenderedPlan
from dicomweb.archive.subjects import Subject
from dicomweb.catalog.lookup import Contents, InstanceSource, contents, instance_pages, instance_source
from dicomweb.dicom.target import Target
from dicomweb.protocol.negotiate import Acceptable, Stored, negotiate
from dicomweb.protocol.rendered_forms import Rendering

# Instances looked at for one that is a picture, and pictures whose metadata is read for what they show.
_SAMPLE = 32
_PICTURES = 4
_ROW_BYTES = 8
# Drawn over other images, so of them only where there is nothing else.
_OVER_IMAGES = ("1.2.840.10008.5.1.4.1.1.66.", "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.481.")


_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


async def plan_thumbnail(
    archive: Archive, target: Target, numbers: Sequence[int], accept: Acceptable, manner: Manner
) -> RenderedPlan:
    """Choose the representative. numbers: of frames, the first one counts; empty for the whole target.

    Raises NotFound, Gone, NotAcceptable.
    """
    # Whatever the target holds, the picture is one.
    answer = negotiate(accept, [Stored.value()], single_item=True)
    chosen = answer.parts[0]
    assert chosen is not None, "negotiate raises when the only part cannot be given"
    if target.instance:
        subject = Subject(archive, await instance_source(archive.pool, archive.tenant_id, target))
        check_frames(subject, numbers)
        version = f"{subject.source.instance_row:x}"
        modified: datetime | None = subject.source.stored_at
    else:
        found = await contents(archive.pool, archive.tenant_id, target)
        subject = await _representative(archive, target, found)
        version, modified = f"{found.revision:x}", found.modified
    frames: Sequence[int] = ()
    icon = not await _shows_nobody(subject)
    if _is_picture(subject) and not icon:
        frames = numbers[:1] or [await representative_frame(subject)]
    showing = Showing(subject, chosen.media_type, manner, tuple(frames), thumbnail=True, icon=icon)
    if subject.rendering is Rendering.PRESENTATION:
        showing = await _of_state(subject, showing)
        modified = None  # what the state shows comes and goes without it

    async def showings() -> AsyncIterator[Showing]:
        yield showing

    return RenderedPlan(
        multipart=answer.multipart,
        root_type=chosen.media_type,
        forms=[chosen.content_type, *map(str, showing.numbers)],
        version=version,
        beside=[showing.subject.source.instance_row, *_rows(showing)],
        modified=modified,
        showings=showings,
        only=None if answer.multipart else showing,
    )


def _rows(showing: Showing) -> list[int]:
    """Of the instances that the picture is made of beside its subject."""
    return [one.instance_row for one in showing.beside if isinstance(one, InstanceSource)]


async def _representative(archive: Archive, target: Target, found: Contents) -> Subject:
    """The instance to be shown."""
    rows = [found.rows[place * _ROW_BYTES : (place + 1) * _ROW_BYTES] for place in _places(len(found))]
    sample = Contents(found.revision, b"".join(rows))
    subjects = [
        Subject(archive, source)
        async for page in instance_pages(archive.pool, archive.tenant_id, target, found=sample)
        for source in page
    ]
    pictures = sorted(filter(_is_picture, subjects), key=_shows_little)
    for subject in pictures[:_PICTURES]:
        if await _shows_nobody(subject):
            return subject
    return (pictures or subjects)[0]


async def _of_state(state: Subject, icon: Showing) -> Showing:
    """What stands for a presentation state: the first image that it shows, as it shows it."""
    first = await first_of(state, icon.media_type, icon.manner)
    if first is None or not await _shows_nobody(first.subject):
        return icon
    return replace(first, thumbnail=True)


def _places(count: int) -> list[int]:
    """Places spread over all instances, the middle one first, then outwards."""
    middle = (count - 1) // 2
    spread = {middle, *(place * count // _SAMPLE for place in range(_SAMPLE))}
    return sorted(spread, key=lambda place: (abs(place - middle), place))


def _is_picture(subject: Subject) -> bool:
    return subject.rendering is Rendering.IMAGE and subject.decodable and not subject.source.is_damaged


def _shows_little(subject: Subject) -> bool:
    """Whether it is one to be shown only where there is no other: what lies over images, tiles of a slide."""
    sop_class_uid = subject.source.sop_class_uid
    return sop_class_uid.startswith(_OVER_IMAGES) or (sop_class_uid == _SLIDE and subject.frames > 1)


async def _shows_nobody(subject: Subject) -> bool:
    """Whether it neither says that text is burned into its pixels (0028,0301), nor is a slide's label."""
    attributes = await subject.attributes()
    burned_in = attributes.get("00280301", {}).get("Value") or [""]
    image_type = attributes.get("00080008", {}).get("Value") or []
    return str(burned_in[0]).strip().upper() != "YES" and "LABEL" not in image_type
