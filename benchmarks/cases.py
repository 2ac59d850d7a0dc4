"""The measured paths. A round measures archive, peer and limit in turn, so that noise hits all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.objects import Series, make_series
from benchmarks.servers import BareServer
from benchmarks.wire import Connection

AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
FRAME_AS_STORED = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
JSON = {"Accept": "application/dicom+json"}
_BOUNDARY = "bench-boundary"


@dataclass(frozen=True, slots=True)
class Case:
    """One path. call: does it once on a server and returns the bytes of the answer.

    limit: what the limit column means. fresh: instances to make, untimed, for every single call, which are
    then stored; the limit of such a case is to write and fsync them.
    """

    name: str
    limit: str
    call: Callable[[Connection, Series], bytes]
    fresh: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """Medians in milliseconds."""

    name: str
    limit: str
    archive_ms: float
    limit_ms: float
    peer_ms: float | None

    def as_dict(self) -> dict[str, object]:
        """For the JSON report; ratios are what counts."""
        ratios = {"ratio_to_limit": self.archive_ms / self.limit_ms}
        if self.peer_ms is not None:
            ratios["ratio_to_peer"] = self.archive_ms / self.peer_ms
        fields = {"name": self.name, "limit": self.limit, "archive_ms": self.archive_ms}
        return {**fields, "limit_ms": self.limit_ms, "peer_ms": self.peer_ms, **ratios}


def store(connection: Connection, instances: list[tuple[str, bytes]]) -> bytes:
    """STOW of instances in one request."""
    body = b"".join(
        f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + data + b"\r\n"
        for _, data in instances
    )
    content_type = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    headers = {"Content-Type": content_type, **JSON}
    return connection.request(
        "POST", "/studies", body=body + f"--{_BOUNDARY}--\r\n".encode(), headers=headers
    )


def _store(connection: Connection, series: Series) -> bytes:
    return store(connection, series.instances)


def _get(
    path: Callable[[Series], str], headers: dict[str, str], connection: Connection, series: Series
) -> bytes:
    return connection.request("GET", path(series), headers=headers)


def _middle(series: Series) -> str:
    return f"{series.path}/instances/{series.instances[len(series.instances) // 2][0]}"


_SEND = "bare socket sending as many bytes"
_WRITE = "the same bytes written and fsynced"

CASES = [
    Case("store, 1 CT a request", _WRITE, _store, fresh=1),
    Case("store, 20 CT a request", _WRITE, _store, fresh=20),
    Case("search by Study UID", _SEND, partial(_get, lambda s: f"/studies?StudyInstanceUID={s.study}", JSON)),
    Case("search by PatientID", _SEND, partial(_get, lambda _: "/studies?PatientID=BENCH&limit=25", JSON)),
    Case("instances of a series", _SEND, partial(_get, lambda s: s.path + "/instances", JSON)),
    Case("metadata of a series", _SEND, partial(_get, lambda s: s.path + "/metadata", JSON)),
    Case("one frame as stored", _SEND, partial(_get, lambda s: _middle(s) + "/frames/1", FRAME_AS_STORED)),
    Case("one instance as stored", _SEND, partial(_get, _middle, AS_STORED)),
    Case("a series as stored", _SEND, partial(_get, lambda s: s.path, AS_STORED)),
]


def run_case(
    case: Case,
    *,
    archive: Connection,
    bare: BareServer,
    peer: Connection | None,
    series: Series,
    directory: Path,
    rounds: int,
) -> Result:
    """Measure one case; servers that do not hold the series yet are given it first."""
    servers = [archive, *([peer] if peer else [])]
    for server in servers:
        for start in range(0, len(series.instances), 50):
            store(server, series.instances[start : start + 50])
    given = (
        partial(make_series, instances=case.fresh, rows=512, columns=512) if case.fresh else lambda: series
    )
    size = len(case.call(archive, given()))  # warm, and how much the limit must send
    bare_connection = Connection(bare.base)
    times: list[list[float]] = [[] for _ in range(len(servers) + 1)]
    for _ in range(rounds):
        for server, column in zip(servers, times, strict=False):
            column.append(_timed(partial(case.call, server, given())))
        limit = partial(_write, directory, given()) if case.fresh else partial(_send, bare_connection, size)
        times[-1].append(_timed(limit))
    medians = [statistics.median(column) * 1000 for column in times]
    return Result(case.name, case.limit, medians[0], medians[-1], medians[1] if peer else None)


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _send(connection: Connection, size: int) -> bytes:
    return connection.request("GET", f"/{size}")


def _write(directory: Path, series: Series) -> None:
    """The limit of a durable store: the bytes in one file, fsynced."""
    descriptor = os.open(directory / "limit.bin", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _, data in series.instances:
            os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
