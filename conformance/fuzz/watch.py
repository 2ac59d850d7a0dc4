"""What becomes of the server's processes while it is fuzzed: which live on, and how much memory they take."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def tree(pid: int) -> dict[int, str]:
    """Process ids below and with `pid`, and the command line of each. PostgreSQL's are left out."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                stat = (entry / "stat").read_text()
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: commands[one] for one in sorted(found) if "postgres" not in commands.get(one, "postgres")}


def http_workers(pid: int) -> set[int]:
    """The processes that should live through everything: all but those that run codecs."""
    return {one for one, command in tree(pid).items() if "pixels.worker" not in command}


def proportional_bytes(pid: int) -> int:
    """Memory of the tree, what is shared counted once (PSS)."""
    total = 0
    for one in tree(pid):
        with suppress(OSError):
            for line in (_PROC / str(one) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


class Memory:
    """Looks at a process tree every half second and remembers the most."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.first = proportional_bytes(pid)
        self.most = self.first
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.5):
            self.most = max(self.most, proportional_bytes(self._pid))

    def stop(self) -> int:
        """Bytes now."""
        self._done.set()
        self._thread.join()
        return proportional_bytes(self._pid)
