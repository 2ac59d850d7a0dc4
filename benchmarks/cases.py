"""The measured paths. A round measures archive, peer and limit in turn, so that noise hits all alike."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.objects import JPEG_BASELINE, Archived, make_series
from benchmarks.servers import ArchiveServer
from benchmarks.wire import Client

AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
FRAME_AS_STORED = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
# Spelled out: not every peer takes transfer-syntax=* for compressed frames.
JPEG_AS_STORED = {"Accept": f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG_BASELINE}'}
JSON = {"Accept": "application/dicom+json"}
_BOUNDARY = "bench-boundary"
_TOGETHER = 8
# Bytes stored in one request while a server is filled.
_FILL_COUNT = 25


@dataclass(frozen=True, slots=True)
class Case:
    """One path. call: does it once on a server and returns the bytes of the answer.

    together: how many requests are in flight at once, each over a connection of its own. fresh: instances
    to make, untimed, for every single call, which are then stored; the limit of such a case is to write and
    fsync them.
    """

    name: str
    call: Callable[[Client, Archived], bytes]
    together: int = 1
    fresh: int = 0

    @property
    def limit(self) -> str:
        """What the limit column means."""
        if self.fresh:
            return "the same bytes written to a new file and fsynced"
        return "a bare socket sending as many bytes" + (f", {self.together} times" * (self.together > 1))


@dataclass(frozen=True, slots=True)
class Result:
    """Medians in milliseconds. cpu_ms: mean CPU time of all the archive's processes for one call."""

    name: str
    limit: str
    rounds: int
    archive_ms: float
    cpu_ms: float | None
    limit_ms: float
    peer_ms: float | None

    @property
    def limit_ratio(self) -> float:
        """How many times the limit the archive takes."""
        return self.archive_ms / self.limit_ms

    @property
    def peer_ratio(self) -> float | None:
        """How many times the peer the archive takes: below 1 it is faster."""
        return self.archive_ms / self.peer_ms if self.peer_ms else None


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, what they hold, and how long to measure."""

    archive: ArchiveServer
    bare: str
    peer: str
    held: Archived
    directory: Path
    rounds: int
    seconds: float


def store(client: Client, instances: list[tuple[str, bytes]]) -> bytes:
    """STOW of instances in one request."""
    body = b"".join(
        f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + data + b"\r\n"
        for _, data in instances
    )
    content_type = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    headers = {"Content-Type": content_type, **JSON}
    return client.request("POST", "/studies", body=body + f"--{_BOUNDARY}--\r\n".encode(), headers=headers)


def fill(bench: Bench) -> None:
    """Give every server what the cases read."""
    for base in filter(None, (bench.archive.base, bench.peer)):
        client = Client(base)
        for series in (bench.held.cts, bench.held.movie):
            for start in range(0, len(series.instances), _FILL_COUNT):
                store(client, series.instances[start : start + _FILL_COUNT])
        client.close()


def _store(client: Client, held: Archived) -> bytes:
    return store(client, held.cts.instances)


def _get(
    path: Callable[[Archived], str], headers: dict[str, str], count: int, client: Client, held: Archived
) -> bytes:
    if count == 1:
        return client.request("GET", path(held), headers=headers)
    return client.get_together([path(held)] * count, headers)


def _read(name: str, headers: dict[str, str], path: Callable[[Archived], str], together: int = 1) -> Case:
    return Case(name, partial(_get, path, headers, together), together=together)


def _series(held: Archived) -> str:
    return held.cts.path


def _instance(held: Archived) -> str:
    return f"{held.cts.path}/instances/{held.cts.instances[len(held.cts.instances) // 2][0]}"


def _frame(held: Archived) -> str:
    return _instance(held) + "/frames/1"


def _movie_frame(held: Archived) -> str:
    return f"{held.movie.path}/instances/{held.movie.instances[0][0]}/frames/{held.frames // 2}"


CASES = [
    Case("store, 1 CT a request", _store, fresh=1),
    Case("store, 20 CT a request", _store, fresh=20),
    _read("search by Study UID", JSON, lambda held: f"/studies?StudyInstanceUID={held.cts.study}"),
    _read("search by PatientID", JSON, lambda _: "/studies?PatientID=BENCH&limit=25"),
    _read("instances of a series", JSON, lambda held: held.cts.path + "/instances"),
    _read("metadata of an instance", JSON, lambda held: _instance(held) + "/metadata"),
    _read("metadata of a series", JSON, lambda held: held.cts.path + "/metadata"),
    _read(
        "metadata of a series, 8 at once", JSON, lambda held: held.cts.path + "/metadata", together=_TOGETHER
    ),
    _read("one frame as stored", FRAME_AS_STORED, _frame),
    _read("one frame as stored, 8 at once", FRAME_AS_STORED, _frame, together=_TOGETHER),
    _read("one frame of a long object", JPEG_AS_STORED, _movie_frame),
    _read("one instance as stored", AS_STORED, _instance),
    _read("a series as stored", AS_STORED, _series),
]


def run_case(case: Case, bench: Bench) -> Result:
    """Measure one case on the archive, its limit, and the peer where there is one and it can do it."""
    archive, bare = Client(bench.archive.base), Client(bench.bare)
    peer = _peer(case, bench)
    size = len(case.call(archive, _given(case, bench)))  # warm, and how much the limit must send
    limit = partial(_write, bench.directory) if case.fresh else partial(_send, bare, case, size)
    times: dict[str, list[float]] = {"archive": [], "limit": [], "peer": []}
    end = time.monotonic() + bench.seconds
    cpu_before = bench.archive.cpu_seconds()
    while len(times["limit"]) < bench.rounds or time.monotonic() < end:
        times["archive"].append(_timed(case.call, archive, _given(case, bench)))
        if peer is not None:
            times["peer"].append(_timed(case.call, peer, _given(case, bench)))
        times["limit"].append(_timed(limit, _given(case, bench)))
    rounds = len(times["limit"])
    cpu = _difference(cpu_before, bench.archive.cpu_seconds())
    for client in filter(None, (archive, bare, peer)):
        client.close()
    return Result(
        name=case.name,
        limit=case.limit,
        rounds=rounds,
        archive_ms=statistics.median(times["archive"]) * 1000,
        cpu_ms=None if cpu is None else cpu * 1000 / rounds,
        limit_ms=statistics.median(times["limit"]) * 1000,
        peer_ms=statistics.median(times["peer"]) * 1000 if peer else None,
    )


def _given(case: Case, bench: Bench) -> Archived:
    """What the servers hold; for a store, a new series."""
    if not case.fresh:
        return bench.held
    fresh = make_series(instances=case.fresh, rows=512, columns=512)
    return Archived(fresh, bench.held.movie, bench.held.frames)


def _peer(case: Case, bench: Bench) -> Client | None:
    """A client of the peer; None when there is none, or it refuses what the case asks."""
    if not bench.peer:
        return None
    client = Client(bench.peer)
    try:
        case.call(client, _given(case, bench))
    except (OSError, RuntimeError) as error:
        print(f"  the peer cannot: {error}", file=sys.stderr)
        return None
    return client


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _timed(call: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def _send(bare: Client, case: Case, size: int, _held: Archived) -> bytes:
    paths = [f"/{size // case.together}"] * case.together
    return bare.request("GET", paths[0]) if case.together == 1 else bare.get_together(paths, {})


def _write(directory: Path, held: Archived) -> None:
    """The limit of a durable store: the bytes in one new file, fsynced.

    Files stay until the end, as stored ones do: to reuse a removed one's pages costs the kernel far less.
    """
    path = directory / f"{held.cts.series}.limit"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for _, data in held.cts.instances:
            os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
