"""Pixel workers: native codecs and renderers run in processes of their own; a crash costs one job.

A worker starts when there is work, is killed when it passes its deadline, is replaced when it dies, and ends
after a while without work. The event loop only copies bytes into and out of shared memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.archive.cancellation import is_leaving
from dicomweb.archive.turns import Turns
from dicomweb.archive.worker_process import WorkerProcess
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed, Unavailable
from dicomweb.pixels.codecs import decoded_length

_LOG = logging.getLogger(__name__)
Buffers = Sequence[bytes] | Callable[[], Awaitable[Sequence[bytes]]]
"""What a job works on, or how to get it when a worker is free: jobs that wait then hold no bytes."""

# Jobs that may wait for each worker; more is overload (B-06). Many, since a refusal can tear an answer
# that has begun.
_JOBS_PER_WORKER = 256
# A job that needs no more than this is short: a frame of CT, MR or a slide, a drawing, a text.
_SHORT_BYTES = 8 << 20
# A worker that someone else killed says nothing of the frame: it gets one more.
_ATTEMPTS = 2


class PixelWorkers:
    """A pool of restartable processes that do pixels.jobs. Use from one event loop."""

    def __init__(self, *, count: int, seconds: float, memory_bytes: int, idle_seconds: float = 60.0) -> None:
        """count: processes at most. seconds, memory_bytes: what one job may take."""
        self._count = count
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._idle_seconds = idle_seconds
        self._idle: list[WorkerProcess] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._turns = Turns(count)
        self._jobs: dict[Hashable, _Job] = {}
        self._closed = False

    async def close(self) -> None:
        """End every worker; what is being worked on fails."""
        self._closed = True
        tasks = [job.task for job in self._jobs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._retiring, return_exceptions=True)
        while self._idle:
            worker = self._idle.pop()
            worker.stop_idling()
            await worker.end()

    @property
    def is_busy(self) -> bool:
        """Whether a job that came now would have to wait."""
        return len(self._jobs) >= self._count

    async def decode(
        self,
        codestream: bytes,
        layout: PixelLayout,
        transfer_syntax_uid: str,
        *,
        key: Hashable | None = None,
    ) -> bytes:
        """The native frame (pixels.codecs.decode_frame), made in a worker. Raises as run does."""
        return await self.run(
            "decode",
            {"layout": layout, "transfer_syntax_uid": transfer_syntax_uid},
            [codestream],
            key=key,
            result_bytes=decoded_length(layout, transfer_syntax_uid),
        )

    async def transcode(
        self,
        frame: Buffers,
        layout: PixelLayout,
        source_uid: str,
        target_uid: str,
        *,
        quality: int | None = None,
        key: Hashable | None = None,
    ) -> bytes:
        """One frame in another transfer syntax (pixels.transcode.transcode_frame). Raises as run does.

        key: names the frame; target and quality are added to it.
        """
        parameters = {"source_uid": source_uid, "target_uid": target_uid, "quality": quality}
        return await self.run(
            "transcode",
            parameters | {"layout": layout},
            frame,
            key=None if key is None else (key, target_uid, quality),
            result_bytes=decoded_length(layout, source_uid),
        )

    async def run(
        self,
        job: str,
        parameters: Mapping[str, Any],
        buffers: Buffers,
        *,
        key: Hashable | None = None,
        result_bytes: int = 0,
    ) -> bytes:
        """What a job of pixels.jobs makes of its parameters and buffers, in a worker.

        parameters: JSON values, and dataclasses, which arrive as objects of JSON.
        key: names the result; equal jobs with this key share the work while it is done.
        result_bytes: what the job needs at least; refused beforehand when beyond the memory of a worker.
        Raises DecodeFailed; WorkFailed for a bug of ours; Unavailable when too much is waiting or workers are
        killed from outside; and what getting the buffers raises.
        """
        name: Hashable = object() if key is None else (job, key)
        work = self._jobs.get(name)
        if work is None or work.abandoned:
            waiting = 0 if callable(buffers) else sum(map(len, buffers))
            self._refuse_the_impossible(result_bytes + waiting)
            work = self._begin(name, _Task(job, parameters, buffers, result_bytes))
        return await work.result()

    def _refuse_the_impossible(self, needed: int) -> None:
        self.refuse_beyond_memory(needed)
        if self._closed or len(self._jobs) >= self._count * _JOBS_PER_WORKER:
            raise Unavailable("Too many frames and pictures are waiting to be worked on.", retry_after=2)

    def refuse_beyond_memory(self, needed: int) -> None:
        """Raise DecodeFailed when a job would need so many bytes: if known, before they are read."""
        if needed > self._memory_bytes:
            raise DecodeFailed("A frame of this size is beyond the memory that working on it may take.")

    def _begin(self, name: Hashable, task: _Task) -> _Job:
        begun = asyncio.Event()
        job = self._jobs[name] = _Job(asyncio.get_running_loop().create_task(self._run(begun, task)), begun)

        def forget(done: asyncio.Task[bytes]) -> None:
            if self._jobs.get(name) is job:
                del self._jobs[name]
            if not done.cancelled():
                done.exception()  # looked at: those who waited may all have left

        job.task.add_done_callback(forget)
        return job

    async def _run(self, begun: asyncio.Event, task: _Task) -> bytes:
        async with self._turns.turn(long=task.result_bytes > _SHORT_BYTES):
            begun.set()
            buffers = await self._got(task.buffers)
            self.refuse_beyond_memory(task.result_bytes + sum(map(len, buffers)))
            for _ in range(_ATTEMPTS):
                try:
                    return await self._use(self._worker(), task, buffers)
                except _WorkerKilled:
                    continue
            raise Unavailable(
                "The process that works on a frame was killed, and so was the next.", retry_after=5
            )

    async def _got(self, buffers: Buffers) -> Sequence[bytes]:
        """The buffers, read within the time of a job: a store that hangs must not keep the turn of others."""
        if not callable(buffers):
            return buffers
        try:
            async with asyncio.timeout(self._seconds):
                return await buffers()
        except TimeoutError:
            raise Unavailable("The stored bytes of a frame or picture cannot be read now.") from None

    def _worker(self) -> WorkerProcess:
        while self._idle:
            worker = self._idle.pop()
            worker.stop_idling()
            if worker.alive:
                return worker
            self._end_later(worker)
        try:
            return WorkerProcess(self._memory_bytes)
        except OSError:
            raise Unavailable("A pixel worker cannot be started now.") from None

    async def _use(self, worker: WorkerProcess, task: _Task, buffers: Sequence[bytes]) -> bytes:
        healthy = False
        try:
            async with asyncio.timeout(self._seconds):
                result = await worker.run(task.job, task.parameters, buffers)
            healthy = True
        except DecodeFailed:  # said by the worker, which can go on
            healthy = True
            raise
        except TimeoutError:
            raise DecodeFailed("The work on a frame or picture took too long.") from None
        except (ConnectionError, EOFError):
            if await worker.was_killed():
                raise _WorkerKilled from None
            raise DecodeFailed("The codec crashed over a frame.") from None
        finally:
            if healthy and not self._closed:
                self._rest(worker)
            else:
                await worker.end()
                _LOG.warning("a pixel worker was ended or died over a job")
        return result

    def _rest(self, worker: WorkerProcess) -> None:
        self._idle.append(worker)
        worker.idle_for(self._idle_seconds, self._retire)

    def _retire(self, worker: WorkerProcess) -> None:
        self._idle.remove(worker)
        self._end_later(worker)

    def _end_later(self, worker: WorkerProcess) -> None:
        task = asyncio.get_running_loop().create_task(worker.end())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


class _WorkerKilled(Exception):
    """SIGKILL comes from outside (the kernel short of memory, an operator), not from a codec."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What one job is."""

    job: str
    parameters: Mapping[str, Any]
    buffers: Buffers
    result_bytes: int


class _Job:
    """A job that waits or is being done, and how many requests wait for it."""

    def __init__(self, task: asyncio.Task[bytes], begun: asyncio.Event) -> None:
        self.task = task
        self.abandoned = False
        self._begun = begun
        self._waiters = 0

    async def result(self) -> bytes:
        """Wait; when the last waiter leaves before the work has begun, it never begins."""
        self._waiters += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if self.task.cancelled() and not self.abandoned and not is_leaving():
                raise Unavailable("The server is stopping.") from None
            if self._waiters == 1 and not self._begun.is_set():
                self.abandoned = True
                self.task.cancel()
            raise
        finally:
            self._waiters -= 1
