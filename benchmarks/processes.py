"""What processes cost: CPU time to the nanosecond, and memory as far as it is their own (Linux)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SAMPLE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Family:
    """Processes by their roots: each root and all that descends from it; none where roots are not known."""

    roots: tuple[int, ...]

    def pids(self) -> list[int]:
        """The processes that live now."""
        if not self.roots:
            return []
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it ended just now
                continue
            children.setdefault(parent, []).append(int(entry.name))
        found = list(self.roots)
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_seconds(self) -> dict[int, float]:
        """User and system time of each so far, its ended threads included."""
        return {pid: _cpu_seconds(pid) for pid in self.pids()}


def _cpu_seconds(pid: int) -> float:
    """By the clock of a process, as clock_getcpuclockid(3) numbers it: /proc counts in ticks of 10 ms."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:  # it ended
        return 0.0


@dataclass(slots=True)
class MemoryWatch:
    """Memory of processes as it was seen, in MiB: proportional set size, and for PostgreSQL what is private.

    PostgreSQL's shared buffers are a fixed cache of its own, mapped into each of its processes.
    place: where on a plot's axis we are now. samples: that place, and the memory there.
    """

    family: Family
    place: Callable[[], float] = time.monotonic
    samples: list[tuple[float, float]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def peak(self) -> float:
        """The most that was seen."""
        return max(mib for _, mib in self.samples)

    def sample(self) -> None:
        """Look once."""
        mib = sum(map(_memory, self.family.pids())) / (1 << 20)
        self.samples.append((round(self.place(), 1), round(mib, 1)))

    def watch(self, seconds: float) -> None:
        """Look until the end."""
        while not self._ended.wait(seconds):
            self.sample()

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()


@contextmanager
def watched(
    family: Family, *, place: Callable[[], float] = time.monotonic, seconds: float = _SAMPLE_SECONDS
) -> Iterator[MemoryWatch]:
    """Watch the memory of processes while the block runs."""
    watch = MemoryWatch(family, place)
    watch.sample()
    thread = threading.Thread(target=watch.watch, args=(seconds,), daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()
        watch.sample()


def _memory(pid: int) -> int:
    """Bytes of one process, from /proc/PID/smaps_rollup."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        is_postgres = Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:  # it ended, or belongs to another account
        return 0
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
    kept = ("Private_Clean", "Private_Dirty") if is_postgres else ("Pss",)
    return sum(kib.get(name, 0) for name in kept) * 1024
