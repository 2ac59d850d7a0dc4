"""A worker: one process that does one job after the other, and may die of any of them.

    python -m dicomweb.pixels.worker SOCKET MEMORY LIMIT PARENT

SOCKET, MEMORY: inherited descriptors of a stream socket and of the memory that both sides share.
A job is a REQUEST header and its description on the socket, its buffers one after the other in the memory;
its answer an ANSWER header on the socket, the result in the memory (or a message on the socket). End of file
ends it. LIMIT: bytes that a job may take. PARENT: process whose death kills this one.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dicomweb.errors import DecodeFailed
from dicomweb.pixels import jobs

REQUEST = struct.Struct("<I")  # bytes of the description
ANSWER = struct.Struct("<BQI")  # outcome, bytes of the result, bytes of the message
DONE, REFUSED, FAULTY = range(3)
"""Outcomes: the result; a sentence why there is none; where our own code failed, for the log alone."""
_PR_SET_PDEATHSIG = 1
_MOST_PLACES = 6


def request(job: str, parameters: Mapping[str, Any], lengths: Sequence[int]) -> bytes:
    """What the socket carries to begin a job. lengths: of its buffers in the shared memory."""
    description = orjson.dumps({"job": job, "parameters": parameters, "lengths": lengths})
    return REQUEST.pack(len(description)) + description


def read_shared(memory: int, length: int, offset: int = 0) -> bytes:
    """Bytes of the shared memory. Plain reads: a mapping could be cut off under the reader."""
    data = bytearray()
    while len(data) < length:
        piece = os.pread(memory, length - len(data), offset + len(data))
        if not piece:
            raise EOFError
        if not data and len(piece) == length:
            return piece
        data += piece
    return bytes(data)


def write_shared(memory: int, data: bytes, offset: int = 0) -> None:
    """Put data into the shared memory."""
    view = memoryview(data)
    position = 0
    while position < len(view):
        position += os.pwrite(memory, view[position:], offset + position)


def main() -> None:
    """Serve jobs until the other side closes the socket."""
    descriptor, memory, limit, parent = map(int, sys.argv[1:])
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server: it ends us in its own time
    import imagecodecs  # noqa: F401  (before the limit, which counts from what is loaded)

    loaded = _Jobs(limit)
    with socket.socket(fileno=descriptor) as connection:
        while _serve(connection, memory, loaded):
            pass


class _Jobs:
    """The functions of jobs, loaded when first asked for; what loading maps is not a job's to pay for."""

    def __init__(self, limit: int) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold patient data
        self._limit = _address_space() + limit
        self._loaded: dict[str, jobs.Job] = {}
        _limit_memory(self._limit)

    def __getitem__(self, name: str) -> jobs.Job:
        if name not in self._loaded:
            before = _address_space()
            _limit_memory(resource.RLIM_INFINITY)
            try:
                self._loaded[name] = jobs.load(name)
            finally:
                self._limit += _address_space() - before
                _limit_memory(self._limit)
        return self._loaded[name]


def _serve(connection: socket.socket, memory: int, loaded: _Jobs) -> bool:
    """One job; False when there is none any more."""
    head = _receive(connection, REQUEST.size)
    if head is None:
        return False
    description = orjson.loads(_receive(connection, *REQUEST.unpack(head)) or b"{}")
    try:
        job = loaded[description["job"]]
        result = job(description["parameters"], _buffers(memory, description["lengths"]))
        write_shared(memory, result)
    except DecodeFailed as error:
        _say(connection, REFUSED, error.message)
    except (MemoryError, OSError, EOFError):
        _say(connection, REFUSED, "The work on a frame or picture ran out of memory.")
    except Exception as error:  # a bug: codecs and readers turn what they are known to raise into refusals
        _say(connection, FAULTY, _place(error))
    else:
        connection.sendall(ANSWER.pack(DONE, len(result), 0))
    return True


def _buffers(memory: int, lengths: Sequence[int]) -> list[bytes]:
    offset, buffers = 0, []
    for length in lengths:
        buffers.append(read_shared(memory, length, offset))
        offset += length
    return buffers


def _say(connection: socket.socket, outcome: int, message: str) -> None:
    text = message.encode()
    connection.sendall(ANSWER.pack(outcome, 0, len(text)) + text)


def _place(error: Exception) -> str:
    """Type and place of an error; what it says may hold values of patients."""
    places = traceback.extract_tb(error.__traceback__)[-_MOST_PLACES:]
    lines = [f"{os.path.basename(place.filename)}:{place.lineno} {place.name}" for place in places]
    return f"{type(error).__name__} at {' > '.join(lines)}"


def _receive(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray()
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _die_with(parent: int) -> None:
    """Be killed when the server dies, even while a codec hangs and does not see the socket close."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _address_space() -> int:
    """Bytes that this process has mapped; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit_memory(limit: int) -> None:
    """Bound the address space. The soft limit: a worker lifts it while it loads a job."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
