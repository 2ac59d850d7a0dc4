"""What is measured: the archive started as a user would, and a bare socket server as the limit."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 60
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class ArchiveServer:
    """A running archive. base: its DICOMweb base URL. pid: of its parent process."""

    base: str
    pid: int

    def cpu_seconds(self) -> float | None:
        """CPU time that all its processes took so far, PostgreSQL's too; None where /proc is missing."""
        return _cpu_seconds(self.pid) if Path("/proc/self/stat").exists() else None


@contextmanager
def archive_server(data: Path) -> Iterator[ArchiveServer]:
    """`dicomweb serve` on a free port with a fresh data directory."""
    log = data.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dicomweb.cli", "serve", "--data", str(data), "--port", "0"],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("DICOMWEB_")},
        )
    try:
        yield ArchiveServer(_wait_for_base(process, log), process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_base(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"DICOMweb archive ready: (http://\S+/dicomweb)", log.read_text())
        if found and _accepts(found[1]):
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _accepts(base: str) -> bool:
    host, _, port = base.split("/")[2].partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def _cpu_seconds(root: int) -> float:
    """User and system time of a process and all below it (proc(5), /proc/PID/stat)."""
    stats = dict[int, list[str]]()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stats[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended just now
            continue
    family = {root}
    for pid in sorted(stats):  # children come after their parents, but where numbers wrapped round
        if int(stats[pid][1]) in family:
            family.add(pid)
    ticks = sum(int(stats[pid][11]) + int(stats[pid][12]) for pid in family if pid in stats)
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def bare_server() -> Iterator[str]:
    """The limit for reading; its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
