"""Parts whose making has begun: what cannot be made shows before the part is announced, and the parts that
come next are made while one is sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from dicomweb.archive.parts import Flow, Part, Segment
from dicomweb.archive.reading import OnDamage, Resumed, closing
from dicomweb.errors import BlobMissing

# Parts in the making besides the one that is sent: enough to keep a second core busy.
_AHEAD = 2

Make = Callable[[], Awaitable[Part]]


async def begun(part: Part, on_damage: OnDamage) -> Part:
    """The same part, the first chunk of each of its flows made. Raises what making it raises.

    on_damage: as of read_segments, for the first chunks.
    """
    body: list[Segment] = []
    try:
        for segment in part.body:
            body.append(await _begun_flow(segment, on_damage) if isinstance(segment, Flow) else segment)
    except BaseException:
        await _discard(replace(part, body=body))
        raise
    return replace(part, body=body)


async def made_ahead(makes: AsyncIterator[Make]) -> AsyncGenerator[Part, None]:
    """The parts in order; a few are begun before they are asked for."""
    tasks: deque[asyncio.Future[Part]] = deque()
    try:
        async with closing(makes):
            async for make in makes:
                tasks.append(asyncio.ensure_future(make()))
                if len(tasks) > _AHEAD:
                    yield await tasks.popleft()
        while tasks:
            yield await tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        for part in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(part, Part):
                await _discard(part)


@dataclass(frozen=True, slots=True)
class _Begun:
    """The chunks of a flow, the first of them at hand. To be called once."""

    chunks: Resumed[bytes]

    def __call__(self) -> AsyncIterator[bytes]:
        return self.chunks


async def _begun_flow(flow: Flow, on_damage: OnDamage) -> Flow:
    chunks = flow.chunks()
    try:
        return replace(flow, chunks=_Begun(Resumed(await anext(chunks, b""), chunks)))
    except BlobMissing:
        await on_damage(flow.instance_row)
        raise


async def _discard(part: Part) -> None:
    """End what was begun and will not be sent."""
    for segment in part.body:
        if isinstance(segment, Flow) and isinstance(segment.chunks, _Begun):
            await segment.chunks.chunks.aclose()
