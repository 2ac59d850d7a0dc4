"""Making the parts of a rendered answer, a few at a time and ahead of what is being sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from dicomweb.archive.parts import Part
from dicomweb.archive.pictures import Showing
from dicomweb.archive.reading import close, closing
from dicomweb.archive.rendered_plan import RenderedPlan
from dicomweb.errors import ArchiveError, BlobMissing, DecodeFailed, InvalidRequest

# Parts made ahead of the one that is being sent: enough to keep a second core busy.
_AHEAD = 2
# Bytes of parts that are made before the status is sent: until then, what cannot be made is left out with
# 206; from then on it tears the answer.
_HELD_BYTES = 8 << 20
# What one part may fail with though others can be made.
_LEFT_OUT = (DecodeFailed, InvalidRequest, BlobMissing)


@dataclass(frozen=True, slots=True)
class Made:
    """The parts of an answer. rest: what follows, None where `parts` are all; then complete is final."""

    parts: Sequence[Part]
    rest: AsyncGenerator[Part | ArchiveError, None] | None
    complete: bool

    async def all_parts(self) -> AsyncIterator[Part]:
        """The parts and the rest. Raises why one of the rest cannot be made."""
        for part in self.parts:
            yield part
        if self.rest is not None:
            async with closing(self.rest):
                async for outcome in self.rest:
                    if isinstance(outcome, ArchiveError):
                        raise outcome
                    yield outcome

    async def close(self) -> None:
        """End the making of the rest, where nobody will ask for it."""
        if self.rest is not None:
            await close(self.rest)


def made_before(plan: RenderedPlan) -> Made | None:
    """The only part of an answer, where it was made before and can be had without waiting."""
    part = None if plan.only is None else plan.only.part_at_hand()
    return None if part is None else Made([part], None, plan.complete)


async def make(plan: RenderedPlan) -> Made:
    """Make parts up to a bound, and leave out what cannot be made. Raises what the only part raises."""
    if plan.only is not None:
        return Made([await plan.only.part()], None, plan.complete)
    outcomes = _outcomes(plan.showings())
    try:
        return await _begun(plan, outcomes)
    except BaseException:
        await outcomes.aclose()
        raise


async def _begun(plan: RenderedPlan, outcomes: AsyncGenerator[Part | ArchiveError, None]) -> Made:
    parts: list[Part] = []
    failure: ArchiveError | None = None
    held = 0
    async for outcome in outcomes:
        if isinstance(outcome, ArchiveError):
            failure = failure or outcome
            continue
        parts.append(outcome)
        held += outcome.length or 0
        if plan.multipart and held >= _HELD_BYTES:
            return Made(parts, outcomes, plan.complete and failure is None)
    if not parts:
        raise failure or BlobMissing("The stored bytes of the target are damaged or missing.")
    return Made(parts, None, plan.complete and failure is None)


async def _outcomes(showings: AsyncIterator[Showing]) -> AsyncGenerator[Part | ArchiveError, None]:
    """Each part or why it cannot be made, in order; a few are made at a time."""
    ahead: deque[asyncio.Task[Part | ArchiveError]] = deque()
    try:
        async with closing(showings):
            async for showing in showings:
                ahead.append(asyncio.ensure_future(_outcome(showing)))
                if len(ahead) > _AHEAD:
                    yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def _outcome(showing: Showing) -> Part | ArchiveError:
    try:
        return await showing.part()
    except _LEFT_OUT as failure:
        return failure
