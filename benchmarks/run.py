"""One run: the servers, filled step by step to each size and measured there."""

from __future__ import annotations

import asyncio
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from dicomweb.run.owner import current_owner
from dicomweb.settings import Settings

# Bytes stored in one request while a server is filled.
_FILL_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """sizes: studies to measure at, ascending. peer_studies: the largest of them that the peer is filled to.
    seconds: of each case and server. serve: more flags of `dicomweb serve`. only: part of a case's name.
    data: of an archive that was filled before, and is kept; None for a fresh one.
    """

    sizes: Sequence[int]
    seconds: float
    data: Path | None = None
    serve: str = ""
    only: str = ""
    peer: Server | None = None
    peer_studies: int = 0


@dataclass(slots=True)
class Run:
    """Running servers, and how full they are."""

    options: Options
    data: Path
    files: Path
    archive: Server
    limit: Server
    _peer_studies: int = 0

    def measure(self, objects: Objects) -> Report:
        """Every case at every size."""
        results: list[Result] = []
        plans: dict[int, list[SearchPlan]] = {}
        load = os.getloadavg()[0]
        for size in self.options.sizes:
            self._fill(size)
            plans[size] = asyncio.run(search_plans(self._database(), studies.study(size // 2)))
            results += self._measured(Held(objects.again(), size))
        return Report(self._circumstances(load), results, plans)

    def _measured(self, held: Held) -> Iterator[Result]:
        peer = self.options.peer if self._peer_studies == held.studies else None
        for server in filter(None, (self.archive, peer)):
            _store(server, (data for series in held.objects.all_series for _, data in series.instances))
        bench = Bench(self.archive, self.limit, self.files, peer, held, self.options.seconds)
        for case in CASES:
            if self.options.only in case.name:
                tell(f"{held.studies} studies: {case.name}")
                yield run_case(case, bench)

    def _fill(self, size: int) -> None:
        """Bring every server to as many synthetic studies: ours by COPY, a peer by STOW-RS."""
        tell(f"fill to {size} studies")
        asyncio.run(fill.fill_up(self._database(), size))
        if self.options.peer and size <= self.options.peer_studies:
            added = map(studies.study, range(self._peer_studies, size))
            _store(self.options.peer, (data for study in added for _, data in studies.instances(study)))
            self._peer_studies = size

    def _database(self) -> str:
        owner = current_owner(self.data)
        assert owner is not None
        return owner.share(Settings.from_env({})).database_url

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
    """The archive and its limit."""
    with tempfile.TemporaryDirectory(prefix="dicomweb-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)  # root's PostgreSQL runs as another account, which must pass through
        data, files = options.data or directory / "data", directory / "files"
        with (
            archive_server(data, *shlex.split(options.serve)) as archive,
            limit_server(files) as limit,
        ):
            yield Run(options, data, files, archive, limit)


def _store(server: Server, objects: Iterable[bytes]) -> None:
    """Store objects, some megabytes a request."""
    client, held = Client(server.base), list[bytes]()
    for data in chain(objects, [b""]):
        if held and (not data or sum(map(len, held)) + len(data) > _FILL_BYTES):
            all_stored(client.request(stow(held)), len(held))
            held = []
        held.append(data)
    client.close()


def tell(what: str) -> None:
    """Say how far it is."""
    print(what, file=sys.stderr, flush=True)
