"""Child processes that never outlive their parent, on Linux whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def ends_with_parent(sent: signal.Signals) -> Callable[[], None]:
    """A preexec_fn: the kernel sends `sent` to the child when the thread that started it ends.

    Popen calls it after it changed user and group: that change would clear the death signal.
    Elsewhere than on Linux it does nothing, and the parent's orderly stop must do.
    """
    parent = os.getpid()
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded here: after fork the child must not import

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return in_child


def working_directory(pid: int) -> str:
    """Where a process stands (Linux); empty when it is gone, a zombie, or another account's."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
