"""`python -m benchmarks.memory`: memory over many mixed requests, and under slow clients of a large study.

Starts a fresh server as a user would. First every kind of request, again and again, from a few clients:
memory must stay where it is. Then slow clients that each download one large study at the same time: memory
must not follow them. Memory is the proportional set size of all processes, what is private of PostgreSQL's
included. Writes memory.md, memory.json and memory.png to benchmarks/results.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import numpy as np

from benchmarks import fill
from benchmarks.answers import WrongAnswer, all_stored, demand, succeeded
from benchmarks.case import Held
from benchmarks.cases import AS_STORED, CASES, store_request, stow
from benchmarks.objects import Scale, Series, make_objects, make_series
from benchmarks.processes import MemoryWatch, watched
from benchmarks.run import database_url, store, tell
from benchmarks.servers import Server, archive_server
from benchmarks.wire import Client, Request

# The bound of the issue, in either part.
MOST_MIB = 400.0
# What memory may gain from the second quarter of the requests to the last: a leak of 1 KiB a request is more.
MOST_GAINED_MIB = 40.0

_SCALE = Scale(slices=60, side=256, compressed=12, stack_frames=60, movie_frames=2000)
_STUDIES = 2000
_CLIENTS = 4
# Of the answers one in so many is taken apart; of the others the status is looked at.
_CHECKED = 25
_RESULTS = Path(__file__).resolve().parent / "results"
_FIGURES = "memory.json"

# How often each kind of request comes: most are those of viewers.
_DELETE = "STOW of a small study, and its DELETE"
_WEIGHTS = {
    "QIDO by Study UID": 4,
    "QIDO by PatientID": 4,
    "QIDO name prefix, page of 25": 4,
    "QIDO date range, page of 25": 4,
    "QIDO offset page of 25": 2,
    "QIDO ModalitiesInStudy + date": 2,
    "series metadata, 200 instances, again": 4,
    "series metadata, 200 instances, again, gzip": 4,
    "one 0.53 MB instance": 10,
    "series of 200, 106 MB": 1,
    "one frame of 300 (0.5 MB)": 15,
    "ten frames in one request": 5,
    "one frame of 20,000 (4 KB)": 10,
    "rendered JPEG 512², first": 4,
    "rendered frame of a multi-frame": 4,
    "STOW 0.53 MB CT, singly": 3,
    "STOW small, singly": 3,
    "CT slice to JPEG-LS": 2,
    "CT slice to HTJ2K": 2,
    "JPEG 2000 to explicit": 2,
    "JPEG-LS to explicit": 2,
    _DELETE: 3,
}
_KINDS = {case.name: case for case in CASES if case.name in _WEIGHTS}


# --- mixed requests --------------------------------------------------------------------------------


def mixed(server: Server, held: Held, requests: int, *, seconds: float = 1.0) -> MemoryWatch:
    """Memory against requests done, looked at so often. Raises WrongAnswer."""
    numbers, progress = count(), [0]

    def work(seed: int) -> None:
        random, client = Random(seed), Client(server.base)
        while (number := next(numbers)) < requests:
            (name,) = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            _ask(client, held, name, number)
            progress[0] = max(progress[0], number)
        client.close()

    with watched(server.family, place=lambda: progress[0], seconds=seconds) as memory:
        _at_once(work, range(_CLIENTS))
    return memory


def _ask(client: Client, held: Held, name: str, number: int) -> None:
    """A request of some kind."""
    if name == _DELETE:
        series = held.objects.small.again(2)
        all_stored(client.request(store_request(series)), 2)
        client.request(Request(f"/studies/{series.study}", method="DELETE"))
        return
    case = _KINDS[name]
    call = case.call(held, number % case.most(held) if case.most else number)
    answers = client.send(call.requests)
    for answer in answers:
        succeeded(answer)
    if number % _CHECKED == 0:
        call.check(answers)


def gained(memory: MemoryWatch) -> float:
    """MiB that the last quarter has more than the second, both in the mean; the first warms up."""
    places, mib = np.array(memory.samples).T
    quarters = np.interp(np.linspace(0, places[-1], 400), places, mib).reshape(4, 100).mean(axis=1)
    return float(quarters[3] - quarters[1])


# --- slow clients ----------------------------------------------------------------------------------


def slow_clients(server: Server, series: Sequence[Series], clients: int, bytes_a_second: int) -> MemoryWatch:
    """Memory against seconds while so many clients download the study of the series. Raises WrongAnswer."""
    begin = time.monotonic()
    pixel_bytes = sum(len(data) for one in series for _, data in one.instances)

    def work(_: int) -> None:
        received = _download(server.base, f"/studies/{series[0].study}", bytes_a_second)
        demand(received >= pixel_bytes, f"{received} bytes of {pixel_bytes}")

    with watched(server.family, place=lambda: time.monotonic() - begin) as memory:
        _at_once(work, range(clients))
    return memory


def _download(base: str, path: str, bytes_a_second: int) -> int:
    """Bytes of an answer that is read at leisure."""
    parts, received = urlsplit(base), 0
    with socket.socket() as connection:
        # A window that does not hold much: what the client has not read waits in the server.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.connect((parts.hostname, parts.port))
        lines = [f"GET {parts.path}{path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in AS_STORED.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        begin = time.monotonic()
        while piece := connection.recv(1 << 18):
            demand(received > 0 or piece.startswith(b"HTTP/1.1 200"), f"{piece[:60]!r}")
            received += len(piece)
            time.sleep(max(0.0, begin + received / bytes_a_second - time.monotonic()))
    return received


def store_study(server: Server, mib: int) -> list[Series]:
    """A study of so many MiB in series of 100 slices; the slices are the same again and again."""
    slices, found = make_series(instances=100, rows=512), list[Series]()
    study = slices.study
    client = Client(server.base)
    for _ in range(-(-mib // 52)):
        fresh = slices.again()
        objects = [(uid, data.replace(fresh.study.encode(), study.encode())) for uid, data in fresh.instances]
        found.append(Series(study, fresh.series, objects))
        all_stored(client.request(stow([data for _, data in objects])), len(objects))
    client.close()
    return found


def _at_once(work: Callable[[int], None], seeds: Iterable[int]) -> None:
    """Do the same in as many threads; raises what one of them raised."""
    seeds = list(seeds)
    with ThreadPoolExecutor(len(seeds)) as pool:
        for _ in pool.map(work, seeds):
            pass


# --- command ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """What one part showed. axis: what its places are. failure: what was not as it must be."""

    name: str
    axis: str
    samples: Sequence[tuple[float, float]]
    facts: Mapping[str, str]
    failure: str


def main() -> int:
    """Run both parts, print what they showed, write the results."""
    given = _parsed()
    parts = []
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        with archive_server(directory / "data") as server:
            if given.requests:
                parts.append(_mixed_part(server, directory / "data", given.requests))
            if given.clients:
                parts.append(_slow_part(server, given.clients, given.mib, int(given.rate * (1 << 20))))
    print(_markdown(parts))
    _write(_with_earlier(parts, given.results / _FIGURES), given.results)
    return 1 if any(part.failure for part in parts) else 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.memory", description=__doc__.split("\n\n")[0])
    parser.add_argument("--requests", metavar="N", type=int, default=100_000, help="mixed ones; 0 for none")
    parser.add_argument("--clients", metavar="N", type=int, default=50, help="slow ones; 0 for none")
    parser.add_argument("--mib", metavar="N", type=int, default=1024, help="of the study that they download")
    parser.add_argument(
        "--rate", metavar="MIB", type=float, default=8.0, help="a second, of each slow client"
    )
    parser.add_argument("--results", metavar="DIRECTORY", type=Path, default=_RESULTS)
    return parser.parse_args()


def prepared(server: Server, data: Path) -> Held:
    """What the mixed requests ask for, stored. data: of the server."""
    held = Held(make_objects(_SCALE), _STUDIES)
    asyncio.run(fill.fill_up(database_url(data), _STUDIES))
    store(server, (data for series in held.objects.all_series for _, data in series.instances))
    return held


def _mixed_part(server: Server, data: Path, requests: int) -> Part:
    tell("prepare mixed requests")
    held = prepared(server, data)
    tell(f"{requests} mixed requests")
    begin = time.monotonic()
    memory = mixed(server, held, requests, seconds=min(1.0, requests / 2000))
    gain = gained(memory)
    failure = "" if memory.peak <= MOST_MIB and gain <= MOST_GAINED_MIB else "memory grows"
    facts = {
        "requests": f"{requests:,} of {len(_WEIGHTS)} kinds, {_CLIENTS} at a time",
        "took": f"{time.monotonic() - begin:.0f} s",
        "peak": f"{memory.peak:.0f} MiB (at most {MOST_MIB:.0f})",
        "last quarter over second quarter": f"{gain:+.1f} MiB",
    }
    return Part("Mixed requests", "requests", memory.samples, facts, failure)


def _slow_part(server: Server, clients: int, mib: int, bytes_a_second: int) -> Part:
    tell(f"store a study of {mib} MiB")
    series = store_study(server, mib)
    tell(f"{clients} slow clients")
    begin = time.monotonic()
    memory = slow_clients(server, series, clients, bytes_a_second)
    facts = {
        "clients": f"{clients} at once, each {mib} MiB at {bytes_a_second / (1 << 20):g} MiB/s or less",
        "took": f"{time.monotonic() - begin:.0f} s",
        "peak": f"{memory.peak:.0f} MiB (at most {MOST_MIB:.0f})",
    }
    failure = "" if memory.peak <= MOST_MIB else "memory follows the clients"
    return Part("Slow clients of one study", "seconds", memory.samples, facts, failure)


def _with_earlier(parts: Sequence[Part], figures: Path) -> list[Part]:
    """These, and what an earlier run wrote of parts that were not run now."""
    names = {part.name for part in parts}
    earlier = [Part(**part) for part in json.loads(figures.read_text())] if figures.exists() else []
    return sorted([*parts, *(part for part in earlier if part.name not in names)], key=lambda part: part.name)


def _markdown(parts: Sequence[Part]) -> str:
    lines = ["## Memory", "", "Proportional set size of all processes and what is private of PostgreSQL's."]
    for part in parts:
        lines += ["", f"**{part.name}**{': **' + part.failure + '**' if part.failure else ''}", ""]
        lines += [f"- {name}: {text}" for name, text in part.facts.items()]
    return "\n".join([*lines, "", "![Memory](memory.png)", ""])


def _write(parts: Sequence[Part], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "memory.md").write_text(_markdown(parts))
    (directory / _FIGURES).write_text(json.dumps([asdict(part) for part in parts]) + "\n")
    try:
        from benchmarks.plots import draw_memory
    except ImportError:
        tell("no plot: matplotlib is not installed")
    else:
        draw_memory([(part.name, part.axis, part.samples) for part in parts], MOST_MIB, directory)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WrongAnswer as error:
        sys.exit(f"benchmarks.memory: {error}")
