"""A pure generator over byte chunks, run in threads between an async source and an async consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

# Threads that wait for the event loop, and it for blobs: never for a client, which could keep them for ever.
# Apart from the default executor, where blob reads run: were they the same, a few waiting steps could take
# every thread that the bytes they wait for need.
BRIDGES = ThreadPoolExecutor(max_workers=32, thread_name_prefix="bridge")
# One hop to a thread should bring at least this much, or hops cost more than the work.
_STEP = 256 << 10


async def through_thread(
    transform: Callable[[Iterator[bytes]], Iterable[bytes]], source: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Yield what `transform` makes of the chunks of `source`.

    transform is plain pull code, and runs in a thread one step at a time, never ahead of the
    consumer: memory stays at a step, and a consumer that stops leaves no thread behind.
    """
    loop = asyncio.get_running_loop()

    def pull() -> Iterator[bytes]:
        while True:
            chunk = asyncio.run_coroutine_threadsafe(anext(source, None), loop).result()
            if chunk is None:
                return
            yield chunk

    output = iter(transform(pull()))
    while step := await loop.run_in_executor(BRIDGES, _take, output):
        yield step


async def threaded(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield what an iterable gives that reads files or computes, but waits for nobody: made in a thread."""
    output = iter(chunks)
    while step := await asyncio.to_thread(_take, output):
        yield step


def _take(output: Iterator[bytes]) -> bytes:
    """The next chunks of a generator joined to one step; empty at its end."""
    held: list[bytes] = []
    size = 0
    for chunk in output:
        held.append(chunk)
        size += len(chunk)
        if size >= _STEP:
            break
    return b"".join(held)
