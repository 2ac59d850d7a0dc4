"""`python -m benchmarks.large`: objects of 10 GB and of 200,000 frames, stored and read frame by frame.

Starts a fresh server as a user would; each object is sent by STOW-RS while it is made, and imported from a
file with holes. Metadata, frames from all over the object and the whole instance are read and checked, and
beside the time it is looked at how many bytes the server read for a frame, and how much memory it took at
most. Needs as much disk as the largest object. Writes large.md and large.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from itertools import chain
from pathlib import Path
from random import Random
from statistics import median
from urllib.parse import urlsplit

from benchmarks.answers import all_stored, demand, parts, results, value
from benchmarks.large_objects import LargeObject, multiframe, whole_slide
from benchmarks.processes import Family, watched
from benchmarks.run import tell
from benchmarks.servers import Server, archive_server
from benchmarks.wire import Answer, Client, Request

_BOUNDARY = "large-object-boundary"
_RESULTS = Path(__file__).resolve().parent / "results"
_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one object. *_mib: most memory of all processes meanwhile; frame_kib: what the
    server and its database read for one frame of this length, by the operating system's account."""

    name: str
    gib: float
    frames: int
    store_seconds: float
    store_cpu_seconds: float
    store_mib: float
    metadata_ms: float
    frame_ms: float
    slowest_frame_ms: float
    frame_kib: float
    frame_read_kib: float
    read_seconds: float
    read_mib: float
    import_seconds: float | None = None
    import_mib: float | None = None


def measure(server: Server, large: LargeObject, *, frames: int) -> Row:
    """Store and read an object. frames: how many to look at. Raises WrongAnswer."""
    client = Client(server.base)
    with watched(server.family) as storing:
        before, begin = _cpu(server.family), time.perf_counter()
        _store(server, large)
        store_seconds, store_cpu = time.perf_counter() - begin, _cpu(server.family) - before
    metadata_ms = median(_milliseconds(partial(_check_metadata, client, large)) for _ in range(5))
    _check_frame(client, large, 1)
    numbers = [1, large.frames, *Random(1).choices(range(1, large.frames + 1), k=frames)]
    before = _read_bytes(server.family)
    frame_ms = [_milliseconds(partial(_check_frame, client, large, number)) for number in numbers]
    read_kib = (_read_bytes(server.family) - before) / len(numbers) / 1024
    client.close()
    with watched(server.family) as reading:
        begin = time.perf_counter()
        _read_whole(server, large)
        read_seconds = time.perf_counter() - begin
    return Row(
        name=large.name,
        gib=large.length / (1 << 30),
        frames=large.frames,
        store_seconds=store_seconds,
        store_cpu_seconds=store_cpu,
        store_mib=storing.peak,
        metadata_ms=metadata_ms,
        frame_ms=median(frame_ms),
        slowest_frame_ms=max(frame_ms),
        frame_kib=large.frame_bytes / 1024,
        frame_read_kib=read_kib,
        read_seconds=read_seconds,
        read_mib=reading.peak,
    )


def _store(server: Server, large: LargeObject) -> None:
    """By STOW-RS, the body made while it is sent."""
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}',
        "Accept": "application/dicom+json",
        "Content-Length": str(len(head) + large.length + len(tail)),
    }
    with _response(server, "POST", "/studies", headers, chain([head], large.chunks(), [tail])) as response:
        found = Answer(response.status, response.headers["Content-Type"], response.read())
    all_stored(found, 1)


@contextmanager
def _response(
    server: Server, method: str, path: str, headers: Mapping[str, str], body: Iterable[bytes] | None = None
) -> Iterator[HTTPResponse]:
    base = urlsplit(server.base)
    connection = HTTPConnection(base.netloc, timeout=_SECONDS)
    connection.request(method, base.path + path, body, dict(headers))
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def _check_metadata(client: Client, large: LargeObject) -> None:
    headers = {"Accept": "application/dicom+json"}
    (found,) = results(client.request(Request(f"{large.path}/metadata", headers)))
    demand(int(value(found, "00280008")) == large.frames, "another number of frames")


def _check_frame(client: Client, large: LargeObject, number: int) -> None:
    accept = f'multipart/related; type="{large.media_type}"; transfer-syntax={large.syntax}'
    answer = client.request(Request(f"{large.path}/frames/{number}", {"Accept": accept}))
    demand(parts(answer) == [large.frame(number)], f"frame {number} has other bytes")


def _read_whole(server: Server, large: LargeObject) -> None:
    """The instance as it was stored, looked at as it comes."""
    headers = {"Accept": "application/dicom; transfer-syntax=*"}
    with _response(server, "GET", large.path, headers) as response:
        demand(response.status == 200, f"status {response.status}")
        for chunk in large.chunks():
            demand(response.read(len(chunk)) == chunk, "other bytes")
        demand(not response.read(1), "more bytes than were stored")


def imported(server: Server, data: Path, large: LargeObject) -> tuple[float, float]:
    """Seconds, and MiB at most, of `dicomweb import` of the object as a file."""
    with tempfile.TemporaryDirectory() as directory:
        large.write(Path(directory, "large.dcm"))
        command = [sys.executable, "-m", "dicomweb.cli", "import", "--data", str(data), directory]
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with watched(Family((*server.family.roots, process.pid))) as memory:
            demand(process.wait() == 0, "the import failed")
        seconds = time.perf_counter() - begin
    client = Client(server.base)
    for number in (1, large.frames // 2, large.frames):
        _check_frame(client, large, number)
    client.close()
    return seconds, memory.peak


def _milliseconds(act: Callable[[], None]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def _cpu(family: Family) -> float:
    return sum(family.cpu_seconds().values())


def _read_bytes(family: Family) -> int:
    """What the processes have read so far, from files and from each other."""
    accounts = (Path(f"/proc/{pid}/io").read_text().split() for pid in family.pids())
    return sum(int(account[account.index("rchar:") + 1]) for account in accounts)


# --- what is told ----------------------------------------------------------------------------------

_COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "object": lambda row: row.name,
    "GiB": lambda row: f"{row.gib:.2f}",
    "frames": lambda row: f"{row.frames:,}",
    "STOW s": lambda row: f"{row.store_seconds:.1f}",
    "MiB/s": lambda row: f"{row.gib * 1024 / row.store_seconds:.0f}",
    "CPU s": lambda row: f"{row.store_cpu_seconds:.1f}",
    "memory MiB": lambda row: f"{row.store_mib:.0f}",
    "import s": lambda row: "" if row.import_seconds is None else f"{row.import_seconds:.1f}",
    "metadata ms": lambda row: f"{row.metadata_ms:.1f}",
    "frame ms": lambda row: f"{row.frame_ms:.1f}",
    "slowest": lambda row: f"{row.slowest_frame_ms:.1f}",
    "frame KiB": lambda row: f"{row.frame_kib:.0f}",
    "read for it KiB": lambda row: f"{row.frame_read_kib:.0f}",
    "whole MiB/s": lambda row: f"{row.gib * 1024 / row.read_seconds:.0f}",
    "memory MiB then": lambda row: f"{row.read_mib:.0f}",
}


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [list(_COLUMNS), ["---"] * len(_COLUMNS)]
    lines += [[write(row) for write in _COLUMNS.values()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Measure both objects, print the table, write the results."""
    given = _parsed()
    rows: list[Row] = []
    for make, frames in ((multiframe, int(given.gib * 2048)), (whole_slide, given.tiles)):
        tell(f"{make.__name__} of {frames} frames")
        with _fresh() as (server, _):
            row = measure(server, make(frames), frames=given.frames)
        if given.imports:
            with _fresh() as (server, data):
                seconds, mib = imported(server, data, make(frames))
            row = replace(row, import_seconds=seconds, import_mib=mib)
        rows.append(row)
    print(table(rows))
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "large.md").write_text(f"## Large objects\n\n{table(rows)}")
    (given.results / "large.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0


@contextmanager
def _fresh() -> Iterator[tuple[Server, Path]]:
    """A server with nothing in it, and its data directory, which goes with it: room for one object."""
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        Path(name).chmod(0o711)
        with archive_server(Path(name, "data")) as server:
            yield server, Path(name, "data")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.large", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--gib", metavar="N", type=float, default=10.0, help="of the multi-frame object")
    parser.add_argument("--tiles", metavar="N", type=int, default=200_000, help="of the whole slide")
    parser.add_argument("--frames", metavar="N", type=int, default=50, help="that are read of each")
    parser.add_argument("--import", dest="imports", action="store_true", help="import them from files too")
    parser.add_argument("--results", metavar="DIRECTORY", type=Path, default=_RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
