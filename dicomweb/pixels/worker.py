"""A decode worker: one process that decodes one frame after the other, and may die of any of them.

    python -m dicomweb.pixels.worker SOCKET MEMORY LIMIT PARENT

SOCKET, MEMORY: inherited descriptors of a stream socket and of the memory that both sides share.
A job is a REQUEST header and its parameters on the socket, the codestream in the memory; its answer an
ANSWER header on the socket, the frame in the memory (or a message on the socket). End of file ends it.
LIMIT: bytes that decoding may take. PARENT: process whose death kills this one.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
from dataclasses import asdict

import orjson

from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.errors import DecodeFailed
from dicomweb.pixels.codecs import decode_frame

REQUEST = struct.Struct("<IQ")  # bytes of parameters, bytes of codestream
ANSWER = struct.Struct("<?QI")  # decoded, bytes of frame, bytes of message
_PR_SET_PDEATHSIG = 1


def request(codestream: bytes, layout: PixelLayout, transfer_syntax_uid: str) -> bytes:
    """What the socket carries to begin a job."""
    parameters = orjson.dumps({"layout": asdict(layout), "transfer_syntax_uid": transfer_syntax_uid})
    return REQUEST.pack(len(parameters), len(codestream)) + parameters


def read_shared(memory: int, length: int) -> bytes:
    """The first bytes of the shared memory. Plain reads: a mapping could be cut off under the reader."""
    data = bytearray()
    while len(data) < length:
        piece = os.pread(memory, length - len(data), len(data))
        if not piece:
            raise EOFError
        if not data and len(piece) == length:
            return piece
        data += piece
    return bytes(data)


def write_shared(memory: int, data: bytes) -> None:
    """Put data at the start of the shared memory."""
    view = memoryview(data)
    position = 0
    while position < len(view):
        position += os.pwrite(memory, view[position:], position)


def main() -> None:
    """Serve jobs until the other side closes the socket."""
    descriptor, memory, limit, parent = map(int, sys.argv[1:])
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server: it ends us in its own time
    import imagecodecs  # noqa: F401  (before the limit, which counts from what is loaded)

    _limit_memory(limit)
    with socket.socket(fileno=descriptor) as connection:
        while _job(connection, memory):
            pass


def _job(connection: socket.socket, memory: int) -> bool:
    """One job; False when there is none any more."""
    head = _receive(connection, REQUEST.size)
    if head is None:
        return False
    parameters_length, codestream_length = REQUEST.unpack(head)
    parameters = orjson.loads(_receive(connection, parameters_length) or b"{}")
    try:
        layout = PixelLayout(**parameters["layout"])
        codestream = read_shared(memory, codestream_length)
        frame = decode_frame(codestream, layout, parameters["transfer_syntax_uid"])
        write_shared(memory, frame)
    except DecodeFailed as error:
        _refuse(connection, error.message)
    except (MemoryError, OSError, EOFError):
        _refuse(connection, "Decoding a frame ran out of memory.")
    else:
        connection.sendall(ANSWER.pack(True, len(frame), 0))
    return True


def _refuse(connection: socket.socket, message: str) -> None:
    text = message.encode()
    connection.sendall(ANSWER.pack(False, 0, len(text)) + text)


def _receive(connection: socket.socket, length: int) -> bytes | None:
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            return None
        data += piece
    return data


def _die_with(parent: int) -> None:
    """Be killed when the server dies, even while a codec hangs and does not see the socket close."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _limit_memory(limit: int) -> None:
    """Bound the address space beyond what is in use now; no core files, they would hold patient data."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + limit, used + limit))


if __name__ == "__main__":
    main()
