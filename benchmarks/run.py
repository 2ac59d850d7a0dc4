"""One run: archives of every size, each filled or found, and measured."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from benchmarks import fill, studies
from benchmarks.answers import all_stored
from benchmarks.case import Held
from benchmarks.cases import CASES, stow
from benchmarks.measure import Bench, Result, run_case
from benchmarks.objects import Objects
from benchmarks.plans import SearchPlan, search_plans
from benchmarks.report import Report
from benchmarks.servers import Server, archive_server, limit_server
from benchmarks.wire import Client
from dicomweb.errors import Unavailable
from dicomweb.run.owner import current_owner
from dicomweb.settings import Settings

# What is stored in one request while a server is filled: no server takes a minute for it.
_FILL_BYTES, _FILL_OBJECTS = 16 << 20, 500


@dataclass(frozen=True, slots=True)
class Options:
    """sizes: studies at which every case is measured; growth: at which those are that may grow with them.
    peer_studies: the largest of the sizes that the peer is filled to. seconds: of each case and server.
    serve: more flags of `dicomweb serve`. only: part of a case's name. data: of archives that were filled
    before, and are kept, by their studies; what they do not hold is measured on a fresh one.
    """

    sizes: Sequence[int]
    seconds: float
    growth: Sequence[int] = ()
    data: Mapping[int, Path] = field(default_factory=dict)
    serve: str = ""
    only: str = ""
    peer: Server | None = None
    peer_studies: int = 0


@dataclass(slots=True)
class Run:
    """One run as far as it is. directory: of fresh archives and the limit's files."""

    options: Options
    directory: Path
    limit: Server
    results: list[Result] = field(default_factory=list)
    plans: dict[int, list[SearchPlan]] = field(default_factory=dict)
    _peer_studies: int = 0

    def measure(self, objects: Objects) -> Report:
        """Every size, those on a fresh archive first."""
        load = os.getloadavg()[0]
        sizes = sorted({*self.options.sizes, *self.options.growth})
        fresh = [size for size in sizes if size not in self.options.data]
        if fresh:
            self._measure(self.directory / "data", fresh, objects)
        for size in sizes:
            if size in self.options.data:
                self._measure(self.options.data[size], [size], objects)
        self.results.sort(key=lambda result: result.studies)
        return Report(self._circumstances(load), self.results, self.plans)

    def _measure(self, data: Path, sizes: Sequence[int], objects: Objects) -> None:
        """All sizes of one archive, which is filled step by step."""
        with archive_server(data, *shlex.split(self.options.serve)) as archive:
            for size in sizes:
                database = database_url(data)
                self._fill(database, size)
                self._explain(database, size)
                self.results += self._measured(archive, Held(objects.again(), size))

    def _explain(self, database: str, size: int) -> None:
        try:
            self.plans[size] = asyncio.run(search_plans(database, studies.study(size // 2)))
        except Unavailable as error:  # a search took longer than the archive lets it
            tell(f"no plans at {size} studies: {error}")

    def _measured(self, archive: Server, held: Held) -> Iterator[Result]:
        peer = self.options.peer if self._peer_studies == held.studies else None
        for server in filter(None, (archive, peer)):
            store(server, (data for series in held.objects.all_series for _, data in series.instances))
        bench = Bench(archive, self.limit, self.directory / "files", peer, held, self.options.seconds)
        for case in CASES:
            if self.options.only in case.name and (case.grows or held.studies in self.options.sizes):
                tell(f"{held.studies} studies: {case.name}")
                yield run_case(case, bench)

    def _fill(self, database: str, size: int) -> None:
        """Bring every server to as many synthetic studies: ours by COPY, a peer by STOW-RS."""
        tell(f"fill to {size} studies")
        asyncio.run(fill.fill_up(database, size))
        if self.options.peer and size in self.options.sizes and size <= self.options.peer_studies:
            added = map(studies.study, range(self._peer_studies, size))
            store(self.options.peer, (data for study in added for _, data in studies.instances(study)))
            self._peer_studies = size

    def _circumstances(self, load: float) -> dict[str, str]:
        return {
            "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "archive": f"`dicomweb serve {self.options.serve}".rstrip() + "`",
            "limit": self.limit.name,
            "peer": self.options.peer.name if self.options.peer else "none",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.platform(terse=True)}",
            "python": platform.python_version(),
            "load before and after": f"{load:.1f}, {os.getloadavg()[0]:.1f}; our own client is 1",
        }


@contextmanager
def started(options: Options) -> Iterator[Run]:
    """A run, with its limit."""
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)  # root's PostgreSQL runs as another account, which must pass through
        with limit_server(directory / "files") as limit:
            yield Run(options, directory, limit)


def database_url(data: Path) -> str:
    """URL of a running server's database."""
    owner = current_owner(data)
    assert owner is not None
    return owner.share(Settings.from_env({})).database_url


def store(server: Server, objects: Iterable[bytes]) -> None:
    """Store objects, some megabytes a request."""
    client, held = Client(server.base), list[bytes]()
    for data in chain(objects, [b""]):
        is_full = len(held) == _FILL_OBJECTS or sum(map(len, held)) + len(data) > _FILL_BYTES
        if held and (is_full or not data):
            all_stored(client.request(stow(held)), len(held))
            held = []
        held.append(data)
    client.close()


def tell(what: str) -> None:
    """Say how far it is."""
    print(what, file=sys.stderr, flush=True)
