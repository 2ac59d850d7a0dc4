"""One worker of archive.workers, as the server sees it: a process, a socket and memory that both share."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dicomweb.errors import DecodeFailed, WorkFailed
from dicomweb.pixels.worker import ANSWER, DONE, REFUSED, read_shared, request, write_shared

_LOG = logging.getLogger(__name__)
# Shared memory kept between jobs; a larger frame's is given back.
_KEPT_BYTES = 16 << 20
# Copies above this size would hold up the event loop and go through a thread.
_COPY_INLINE = 4 << 20
_INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


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


class WorkerProcess:
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

    def idle_for(self, seconds: float, then: Callable[[WorkerProcess], None]) -> None:
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
