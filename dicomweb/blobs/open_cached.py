"""Opening a file without waiting for a disk, where the kernel can say that it need not.

openat2 with RESOLVE_CACHED (Linux 5.12) opens what the kernel finds in memory, directories and all, and
refuses anything else: the open call of the event loop, as preadv with RWF_NOWAIT is its read call. A viewer
that asks for the images of a study, each a file of its own and each once, is spared a turn of a thread each.
"""

from __future__ import annotations

import ctypes
import os
import sys

_OPENAT2 = 437  # on every architecture but Alpha
_AT_FDCWD = -100
_RESOLVE_CACHED = 0x20


class _OpenHow(ctypes.Structure):
    """<linux/openat2.h>"""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


if sys.platform == "linux":
    # PyDLL: what cannot wait need not let other threads run.
    _syscall = ctypes.PyDLL(None).syscall
    _syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
    _syscall.restype = ctypes.c_long
    _HOW = _OpenHow(os.O_RDONLY | os.O_CLOEXEC, 0, _RESOLVE_CACHED)


def open_cached(path: str) -> int:
    """A descriptor for reading; -1 where the file is not there, or the kernel would have to wait to know."""
    if sys.platform != "linux" or "\0" in path:
        return -1
    found: int = _syscall(_OPENAT2, _AT_FDCWD, os.fsencode(path), ctypes.addressof(_HOW), ctypes.sizeof(_HOW))
    return found
