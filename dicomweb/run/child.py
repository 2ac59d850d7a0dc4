"""Child processes that never outlive their parent, on Linux whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

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


def process_command(pid: int) -> str:
    """The command line of a process with blanks between its arguments; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
