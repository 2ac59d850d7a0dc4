"""Pixel workers: native codecs and renderers run in processes of their own; a crash costs one job.

A worker starts when there is work, is killed when it passes its deadline, is replaced when it dies, and ends
after a while without work. The event loop only copies bytes into and out of shared memory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dicomweb.archive.cancellation import is_leaving
from dicomweb.archive.turns import Turns
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed, Unavailable, WorkFailed
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.worker import ANSWER, DONE, REFUSED, read_shared, request, write_shared

_LOG = logging.getLogger(__name__)
Buffers = Sequence[bytes] | Callable[[], Awaitable[Sequence[bytes]]]
"""What a job works on, or how to get it when a worker is free: jobs that wait then hold no bytes."""

# Jobs that may wait for each worker; more is overload (B-06). Many, since a refusal can tear an answer
# that has begun.
_JOBS_PER_WORKER = 256
# Shared memory kept between jobs; a larger frame's is given back.
_KEPT_BYTES = 16 << 20
# A job that needs no more than this is short: a frame of CT, MR or a slide, a drawing, a text.
_SHORT_BYTES = 8 << 20
# Copies above this size would hold up the event loop and go through a thread.
_COPY_INLINE = 4 << 20
# A worker that someone else killed says nothing of the frame: it gets one more.
_ATTEMPTS = 2
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


class PixelWorkers:
    """A pool of restartable processes that do pixels.jobs. Use from one event loop."""

    def __init__(self, *, count: int, seconds: float, memory_bytes: int, idle_seconds: float = 60.0) -> None:
        """count: processes at most. seconds, memory_bytes: what one job may take."""
        self._count = count
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._idle_seconds = idle_seconds
        self._idle: list[_Worker] = []
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

    def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            worker.stop_idling()
            if worker.alive:
                return worker
            self._end_later(worker)
        try:
            return _Worker(self._memory_bytes)
        except OSError:
            raise Unavailable("A pixel worker cannot be started now.") from None

    async def _use(self, worker: _Worker, task: _Task, buffers: Sequence[bytes]) -> bytes:
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

    def _rest(self, worker: _Worker) -> None:
        self._idle.append(worker)
        worker.idle_for(self._idle_seconds, self._retire)

    def _retire(self, worker: _Worker) -> None:
        self._idle.remove(worker)
        self._end_later(worker)

    def _end_later(self, worker: _Worker) -> None:
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


class _SharedMemory:
    """Anonymous memory with a descriptor that a worker inherits.

    Closed when the last reference goes, not before: a copy in a thread may outlive its cancelled job, and
    must never write into whatever gets the descriptor's number next.
    """

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("dicomweb-pixels")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())

    def __del__(self) -> None:
        os.close(self.descriptor)

    def put(self, buffers: Sequence[bytes]) -> None:
        """Lay the buffers one after the other."""
        offset = 0
        for buffer in buffers:
            write_shared(self.descriptor, buffer, offset)
            offset += len(buffer)

    def take(self, length: int) -> bytes:
        """The first bytes; the memory of a large job is given back."""
        data = read_shared(self.descriptor, length)
        if os.fstat(self.descriptor).st_size > _KEPT_BYTES:
            os.ftruncate(self.descriptor, 0)
        return data


class _Worker:
    """One process and this side of its socket and memory."""

    def __init__(self, memory_bytes: int) -> None:
        """Raises OSError when no process can be started."""
        self._memory = _SharedMemory()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        inherited = (theirs.fileno(), self._memory.descriptor)
        arguments = (*inherited, memory_bytes, os.getpid())
        try:
            # In the loop's own thread: PDEATHSIG fires when the thread that started a process ends.
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [sys.executable, "-P", "-m", "dicomweb.pixels.worker", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # codecs print what they think of a file: not ours to log
                pass_fds=inherited,
                env=_environment(),
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()

    async def run(self, job: str, parameters: Mapping[str, Any], buffers: Sequence[bytes]) -> bytes:
        """Raises DecodeFailed or WorkFailed as the worker says; ConnectionError, EOFError when it is dead."""
        lengths = [len(buffer) for buffer in buffers]
        if sum(lengths) > _COPY_INLINE:
            await asyncio.to_thread(self._memory.put, buffers)
        else:
            self._memory.put(buffers)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, request(job, parameters, lengths))
        outcome, length, message = ANSWER.unpack(await self._receive(ANSWER.size))
        if outcome != DONE:
            text = (await self._receive(message)).decode(errors="replace")
            if outcome == REFUSED:
                raise DecodeFailed(text)
            _LOG.error("the job %s of a pixel worker failed: %s", job, text)
            raise WorkFailed("The archive failed over a frame or picture.")
        if length > _COPY_INLINE:
            return await asyncio.to_thread(self._memory.take, length)
        return self._memory.take(length)

    async def _receive(self, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = b""
        while len(data) < length:
            piece = await loop.sock_recv(self._socket, length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def idle_for(self, seconds: float, then: Callable[[_Worker], None]) -> None:
        """Call `then` after a time without work."""
        self._idle_timer = asyncio.get_running_loop().call_later(seconds, then, self)

    def stop_idling(self) -> None:
        """There is work, or the end."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    async def was_killed(self) -> bool:
        """Whether SIGKILL ended the process; its socket is closed, so it ends now."""
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, 1)
        return self._process.returncode == -signal.SIGKILL

    async def end(self) -> None:
        """End the process at once: it holds nothing that is worth a goodbye."""
        self._socket.close()
        self._process.kill()
        # Shielded: a process that is not waited for stays as a zombie.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._process.wait))


def _environment() -> dict[str, str]:
    """The environment of a worker: no address, password or key of the server's; one thread, one arena."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        # Where the server itself imports from, in its order: a checkout, a wheel, whatever it runs on.
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
    }
