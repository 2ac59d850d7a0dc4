"""`dicomweb serve` over one data directory: started, killed, started again, measured."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from tests.run.processes import alive, command_of, descendants, environment, proportional_memory, wait_until

JSON = {"Accept": "application/dicom+json"}
_START_SECONDS = 60


@dataclass(slots=True)
class Served:
    """A data directory and the server that runs over it now. The URL changes with each start."""

    data: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    base: str = ""
    _seen: set[int] = field(default_factory=set)

    def start(self) -> None:
        """Start, and wait until it says that it serves."""
        log = self.data / "server.log"
        log.unlink(missing_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dicomweb.cli", "serve"],
                env=environment(self.data, self.extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        self.base = _announced_base(self.process, log)
        self.processes()

    def log(self) -> str:
        return (self.data / "server.log").read_text(errors="replace")

    def processes(self) -> list[int]:
        """All that the parent started, and the parent."""
        assert self.process is not None
        found = [self.process.pid, *descendants(self.process.pid)]
        self._seen.update(found)
        return found

    def ours(self) -> list[int]:
        """Those that are not PostgreSQL."""
        return [pid for pid in self.processes() if "postgres" not in _name(pid)]

    def workers(self) -> list[int]:
        return [pid for pid in self.processes() if "dicomweb.run.worker" in command_of(pid)]

    def decode_workers(self) -> list[int]:
        return [pid for pid in self.processes() if "dicomweb.pixels.worker" in command_of(pid)]

    def postmaster(self) -> list[int]:
        return [pid for pid in self.processes() if "/postgres -D" in command_of(pid)]

    def backends(self) -> list[int]:
        """Processes of PostgreSQL that serve a client."""
        return [pid for pid in self.processes() if re.match(r"postgres: .*\[local\]", command_of(pid))]

    def is_ready(self) -> bool:
        try:
            return httpx.get(self.base.removesuffix("/dicomweb") + "/health/ready", timeout=10).is_success
        except httpx.HTTPError:
            return False

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`dicomweb ...` over the same data directory."""
        return subprocess.run(
            [sys.executable, "-m", "dicomweb.cli", *arguments],
            env=environment(self.data, self.extra),
            capture_output=True,
            text=True,
            cwd="/",
            timeout=240,
            check=False,
        )

    def verify(self, *options: str) -> dict[str, Any]:
        """What `dicomweb verify` says; it must be clean."""
        outcome = self.command("verify", "--json", *options)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        tally: dict[str, Any] = orjson.loads(outcome.stdout)
        assert tally["ok"], tally
        return tally

    def forget(self) -> None:
        """The parent was killed: nothing of it may run on."""
        assert self.process is not None
        self.process.wait(60)
        self.process = None
        wait_until(lambda: not [pid for pid in self._seen if alive(pid)])

    def stop(self) -> None:
        """Stop in order; nothing of any start may run afterwards."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.processes()
            self.process.terminate()
            self.process.wait(60)
            self.process = None
        wait_until(lambda: not [pid for pid in self._seen if alive(pid)])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _announced_base(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"DICOMweb archive ready: (\S+/dicomweb)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError("the server did not start: " + log.read_text(errors="replace"))


class MemoryWatch:
    """The greatest sum of proportional set sizes that the server's own processes ever had, in bytes."""

    def __init__(self, served: Served) -> None:
        self.peak = 0
        self._served = served
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        self._look()
        while not self._stop.wait(0.1):
            self._look()
        self._look()

    def _look(self) -> None:
        with suppress(OSError):  # a process ended between the two looks
            self.peak = max(self.peak, proportional_memory(self._served.ours()))

    @property
    def peak_mib(self) -> int:
        return self.peak >> 20


@contextmanager
def watched_memory(served: Served) -> Iterator[MemoryWatch]:
    watch = MemoryWatch(served)
    watch._thread.start()
    try:
        yield watch
    finally:
        watch._stop.set()
        watch._thread.join()
