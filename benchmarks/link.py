"""`python -m benchmarks.link`: 2,000 frames over a round trip of 50 ms, asked for in several ways.

One by one over HTTP/1.1 as browsers do it, multiplexed over one connection of HTTP/2, and in lists. The link
is a proxy that delays (slow_link.py); every frame is checked. Writes link.md and link.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import local

from benchmarks.answers import demand, parts
from benchmarks.cases import store_request
from benchmarks.http2 import fetched
from benchmarks.objects import Series, make_movie, movie_frame
from benchmarks.run import tell
from benchmarks.servers import archive_server
from benchmarks.slow_link import slow_link
from benchmarks.wire import Answer, Client, Request

_RESULTS = Path(__file__).resolve().parent / "results"
_FRAMES = {"Accept": 'multipart/related; type="image/jpeg"; transfer-syntax=*'}
# Requests under way on one connection of HTTP/2, as browsers have them.
_STREAMS = 100


@dataclass(frozen=True, slots=True)
class Way:
    """How the frames are asked for. http2: over one connection; else over `connections` of HTTP/1.1.

    listed: frames in one request, 0 for all. share: of the frames, where asking for all takes too long.
    """

    name: str
    listed: int = 1
    connections: int = 6
    http2: bool = False
    share: float = 1.0


WAYS = (
    Way("HTTP/1.1, one connection, one by one", connections=1, share=0.05),
    Way("HTTP/1.1, six connections as of a browser, one by one"),
    Way("HTTP/1.1, six connections, lists of 20", listed=20),
    Way("HTTP/1.1, six connections, lists of 100", listed=100),
    Way("HTTP/1.1, one connection, one list of all", listed=0, connections=1),
    Way("HTTP/2, one connection, one by one", http2=True),
    Way("HTTP/2, one connection, lists of 20", listed=20, http2=True),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one way took, on a server."""

    way: str
    server: str
    frames: int
    requests: int
    seconds: float

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.seconds


def measure(base: str, movie: Series, frames: int, way: Way, server: str) -> Row:
    """Ask for frames of the movie in one way. Raises WrongAnswer."""
    numbers = list(range(1, 1 + max(1, int(frames * way.share))))
    listed = way.listed or len(numbers)
    lists = [numbers[start : start + listed] for start in range(0, len(numbers), listed)]
    path = f"{movie.instance_path(0)}/frames/"
    requests = [Request(path + ",".join(map(str, wanted)), _FRAMES) for wanted in lists]
    fetch = partial(fetched, streams=_STREAMS) if way.http2 else partial(_over_http1, way.connections)
    begin = time.perf_counter()
    found = fetch(base, requests)
    seconds = time.perf_counter() - begin
    for answer, wanted in zip(found, lists, strict=True):
        demand(
            parts(answer) == [movie_frame(number) for number in wanted], "other frames than were asked for"
        )
    return Row(way.name, server, len(numbers), len(lists), seconds)


def _over_http1(connections: int, base: str, requests: Sequence[Request]) -> list[Answer]:
    """Each connection asks for the next as soon as it has its answer."""
    held = local()

    def ask(request: Request) -> Answer:
        if not hasattr(held, "client"):
            held.client = Client(base)
        client: Client = held.client
        return client.request(request)

    with ThreadPoolExecutor(connections) as threads:
        return list(threads.map(ask, requests))


def rows(frames: int, round_trip: float) -> Iterator[Row]:
    """All ways, HTTP/1.1 on each server that we have."""
    movie = make_movie(frames=frames)
    for server in ("uvicorn", "granian"):
        with _stored(movie, server) as base, slow_link(base, round_trip) as linked:
            for way in WAYS:
                if server == "granian" or not way.http2:
                    tell(f"{server}: {way.name}")
                    yield measure(linked, movie, frames, way, server)


@contextmanager
def _stored(movie: Series, server: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        Path(name).chmod(0o711)
        with archive_server(Path(name, "data"), "--server", server) as started:
            client = Client(started.base)
            client.request(store_request(movie))
            client.close()
            yield started.base


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| asked for | server | frames | requests | s | frames/s |", "|---|---|---:|---:|---:|---:|"]
    lines += [
        f"| {row.way} | {row.server} | {row.frames} | {row.requests} | {row.seconds:.2f} | "
        f"{row.frames_per_second:,.0f} |"
        for row in found
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure every way, print the table, write the results."""
    given = _parsed()
    found = list(rows(given.frames, given.round_trip_ms / 1000))
    print(table(found))
    given.results.mkdir(parents=True, exist_ok=True)
    title = f"## {given.frames:,} frames of 4 KB over a round trip of {given.round_trip_ms} ms\n\n"
    (given.results / "link.md").write_text(title + table(found))
    (given.results / "link.json").write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n")
    return 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.link", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--frames", metavar="N", type=int, default=2000)
    parser.add_argument("--round-trip-ms", metavar="N", type=int, default=50)
    parser.add_argument("--results", metavar="DIRECTORY", type=Path, default=_RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
