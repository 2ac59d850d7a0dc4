"""Start a server as a user would and look at its processes from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 60.0


def environment(data: Path, extra: Mapping[str, str] = {}) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DICOMWEB_")}
    return {
        **ours,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DICOMWEB_DATA": str(data),
        "DICOMWEB_PORT": "0",
        **extra,
    }


@dataclass(slots=True)
class RunningServer:
    """A server that announced itself. url: its root."""

    process: subprocess.Popen[str]
    url: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def descendants(self) -> list[int]:
        return descendants(self.pid)

    def workers(self) -> list[int]:
        return [pid for pid in self.descendants() if "dicomweb.run.worker" in command_of(pid)]

    def postmaster(self) -> int | None:
        found = [pid for pid in self.descendants() if "/postgres -D" in command_of(pid)]
        return found[0] if found else None

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sent)
        return self.process.wait(_PATIENCE_SECONDS)


def start(
    data: Path,
    extra: Mapping[str, str] = {},
    *,
    command: Sequence[str] = ("tests.run.tiny_server", "create_app"),
    python: str = sys.executable,
    **popen: Any,
) -> subprocess.Popen[str]:
    """A module as a program, by default `dicomweb serve` with a tiny application.

    extra: environment variables. popen: such as user=.
    """
    return subprocess.Popen(
        [python, "-m", *command],
        env=environment(data, extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        **popen,
    )


@contextmanager
def running(data: Path, extra: Mapping[str, str] = {}, **popen: Any) -> Iterator[RunningServer]:
    """A ready server; whatever the test did to it, nothing of it runs afterwards."""
    process = start(data, extra, **popen)
    try:
        url = _announced_url(process)
        # A full pipe would stop whoever writes the next line into the log.
        reader = threading.Thread(target=_read_to_the_end, args=(process,))
        reader.start()
        yield RunningServer(process, url)
        processes = descendants(process.pid)
        process.terminate()
        process.wait(_PATIENCE_SECONDS)
        reader.join()
        wait_until(lambda: not [pid for pid in processes if alive(pid)])
    finally:
        process.kill()
        process.wait()


def _read_to_the_end(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for _ in process.stdout:
            pass


def _announced_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.match(r"DICOMweb archive ready: (\S+)/dicomweb", line):
            return found[1]
    raise AssertionError(f"the server did not start (exit code {process.wait()}): " + "".join(said))


def descendants(pid: int) -> list[int]:
    children = dict[int, list[int]]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        todo.extend(children.get(todo[0], []))
        found.extend(children.get(todo.pop(0), []))
    return found


def _parent(entry: Path) -> int | None:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])


def alive(pid: int) -> bool:
    return _parent(Path(f"/proc/{pid}")) is not None


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def proportional_memory(pids: list[int]) -> int:
    """Sum of the proportional set sizes, in bytes."""
    total = 0
    for pid in pids:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        assert found is not None
        total += int(found[1]) << 10
    return total
