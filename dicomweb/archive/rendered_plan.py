"""What answers a request for rendered things: planned without making any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dicomweb.archive.pictures import Showing
from dicomweb.archive.subjects import Subject
from dicomweb.protocol.media_types import Form
from dicomweb.protocol.negotiate import Acceptable, Chosen


@dataclass(frozen=True, slots=True)
class RenderedPlan:
    """What answers a rendered request.

    showings: makes the parts in order. only: the one of a single part, where it is known beforehand.
    complete: False where something is left out already. warnings: plain sentences. forms, version, beside:
    what the bytes depend on, for the ETag; beside: rows of the instances that are shown though the version
    is not of them. modified: when all of it was, None where nobody knows.
    """

    multipart: bool
    root_type: str
    forms: Sequence[str]
    version: str
    showings: Callable[[], AsyncIterator[Showing]]
    complete: bool = True
    warnings: Sequence[str] = ()
    modified: datetime | None = None
    beside: Sequence[int] = ()
    only: Showing | None = None


def planned(
    subject: Subject,
    chosen: Chosen,
    showings: Iterable[Showing],
    *,
    multipart: bool,
    complete: bool = True,
    warnings: Sequence[str] = (),
) -> RenderedPlan:
    """The plan of an answer about one instance."""
    only = None if multipart else next(iter(showings))

    async def each() -> AsyncIterator[Showing]:
        for showing in [only] if only is not None else showings:
            yield showing

    return RenderedPlan(
        multipart=multipart,
        root_type=chosen.media_type,
        forms=[chosen.content_type],
        version=f"{subject.source.instance_row:x}",
        modified=subject.source.stored_at,
        showings=each,
        complete=complete,
        warnings=warnings,
        only=only,
    )


def takes_anything(accept: Acceptable) -> bool:
    """Whether the Accept header takes a single part of a kind that it leaves open."""
    return any(
        wanted.q > 0 and wanted.wildcard and wanted.form is not Form.MULTIPART for wanted in accept.ranges
    )


def without_wildcards(accept: Acceptable) -> Acceptable:
    """What is asked for by name, or in parts: `*/*` of a browser does not mean a thousand parts."""
    if accept.preferred:
        return accept
    named = (wanted for wanted in accept.ranges if wanted.form is Form.MULTIPART or not wanted.wildcard)
    return replace(accept, ranges=tuple(named))
