"""One case on every server in turn: bursts of calls are interleaved, so that noise hits all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.answers import WrongAnswer, next_page, succeeded
from benchmarks.case import Call, Case, Held, Limit
from benchmarks.processes import watched
from benchmarks.servers import Server, limit_file
from benchmarks.wire import Answer, Client, Request

# A burst takes about so long, and holds at most so many calls: CPU time is read before and after it.
_BURST_SECONDS = 0.1
_LONGEST_BURST = 50
_FEWEST_ROUNDS = 3
_WRITTEN = ".written"
# What a server may do wrong: answer wrongly, not at all, or end in the midst of it.
_FAULTS = (WrongAnswer, OSError, EOFError)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one server in one case, per unit of the case.

    ms: median time from the first byte sent to the last received, by as many units as a call holds. cpu_ms:
    CPU time of the server and its database, the median over bursts of their means; None where its processes
    are not known. calls: how many.
    """

    ms: float
    cpu_ms: float | None
    calls: int


@dataclass(frozen=True, slots=True)
class Result:
    """One row. studies: in the archive while it was measured. megabytes: that one unit moves.

    memory_mib: the archive's peak in this case. failure: why there are no figures of the archive.
    """

    case: Case
    studies: int
    megabytes: float = 0.0
    archive: Figures | None = None
    limit: Figures | None = None
    peer: Figures | None = None
    memory_mib: float = 0.0
    failure: str = ""
    peer_failure: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, what they hold, and how long to measure each case on each of them."""

    archive: Server
    limit: Server
    directory: Path
    peer: Server | None
    held: Held
    seconds: float


@dataclass(slots=True)
class _Subject:
    """Who is measured: how it takes a call, and what that took. clocks: CPU seconds so far, by process."""

    take: Callable[[Call], Sequence[Answer]]
    clocks: Callable[[], Mapping[int, float]]
    prepare: Callable[[Call], Call] = lambda call: call
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    longest_burst: int = _LONGEST_BURST

    def warm(self, call: Call) -> list[int]:
        """Take a call that does not count; how many bytes each answer has, or each body that was sent.

        How long it takes says how many calls make a burst. Raises WrongAnswer.
        """
        call = self.prepare(call)
        start = time.perf_counter()
        answers = self.take(call)
        spent = time.perf_counter() - start
        self.longest_burst = max(1, min(_LONGEST_BURST, int(_BURST_SECONDS / spent)))
        call.check(answers)
        pairs = zip(call.requests, answers, strict=True)
        return [len(request.body) or len(answer.body) for request, answer in pairs]

    def burst(self, calls: Sequence[Call]) -> None:
        """Take calls one after the other; answers are checked when the clock stands. Raises WrongAnswer."""
        calls = [self.prepare(call) for call in calls]
        answers = []
        before = self.clocks()
        for call in calls:
            start = time.perf_counter()
            answers.append(self.take(call))
            self.times.append(time.perf_counter() - start)
        after = self.clocks()
        spent = sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())
        self.cpu.append(spent / len(calls))
        for call, found in zip(calls, answers, strict=True):
            if found:
                call.check(found)

    def figures(self, units: int) -> Figures:
        """The medians and means so far."""
        cpu = statistics.median(self.cpu) * 1000 / units or None
        return Figures(statistics.median(self.times) * 1000 / units, cpu, len(self.times))


def run_case(case: Case, bench: Bench) -> Result:
    """Measure a case on the archive, on its limit, and on the peer where there is one and it can do it."""
    studies = bench.held.studies
    calls = (case.call(bench.held, number) for number in _numbers(case, bench.held))
    try:
        with watched(bench.archive.family) as memory, ExitStack() as clients:
            figures = _measured(case, bench, clients, calls)
    except _FAULTS as error:
        return Result(case, studies, failure=str(error) or type(error).__name__)
    finally:
        for written in bench.directory.glob(f"*{_WRITTEN}"):
            written.unlink()
    return Result(case, studies, memory_mib=memory.peak, **figures)


def _numbers(case: Case, held: Held) -> Iterator[int]:
    most = case.most(held) if case.most else None
    return count() if most is None else iter(range(most))


def _measured(case: Case, bench: Bench, clients: ExitStack, calls: Iterator[Call]) -> dict[str, Any]:
    first = next(calls)
    subject = _client_subject(bench.archive, clients)
    sizes = subject.warm(first)
    peer, refusal = _peer(bench, first, clients)
    limit = _limit(case, bench, sizes, clients)
    subjects = [one for one in (subject, peer, limit) if one is not None]
    burst = case.burst or subject.longest_burst
    deadline, rounds = time.monotonic() + bench.seconds * len(subjects), 0
    while rounds < _FEWEST_ROUNDS or time.monotonic() < deadline:
        batch = [call for call, _ in zip(calls, range(burst), strict=False)]
        if not batch:
            break
        subject.burst(batch)
        if limit:
            limit.burst(batch)
        if peer and not refusal:
            refusal = _refusal(lambda: peer.burst(batch[: peer.longest_burst]))  # noqa: B023  (called at once)
        rounds += 1
    return {
        "archive": subject.figures(case.units),
        "peer": peer.figures(case.units) if peer and not refusal else None,
        "limit": limit.figures(case.units) if limit else None,
        "peer_failure": refusal,
        "megabytes": sum(sizes) / case.units / 1e6,
    }


def _client(server: Server, clients: ExitStack) -> Client:
    return clients.enter_context(closing(Client(server.base)))


def _client_subject(server: Server, clients: ExitStack) -> _Subject:
    client = _client(server, clients)

    def prepare(call: Call) -> Call:
        for request in call.before:
            (answer,) = client.send([request])
            succeeded(answer)
            if call.follows:
                path = next_page(answer, server.base, request.path)
                call = replace(call, requests=[replace(request, path=path)])
        return call

    return _Subject(lambda call: client.send(call.requests), server.family.cpu_seconds, prepare)


def _peer(bench: Bench, first: Call, clients: ExitStack) -> tuple[_Subject | None, str]:
    """The peer, or why it is left out of this case."""
    if bench.peer is None:
        return None, ""
    subject = _client_subject(bench.peer, clients)
    refusal = _refusal(lambda: subject.warm(first))
    return (None if refusal else subject), refusal


def _refusal(act: Callable[[], object]) -> str:
    """Why a server cannot do this; empty when it can."""
    try:
        act()
    except _FAULTS as error:
        return str(error) or type(error).__name__
    return ""


def _limit(case: Case, bench: Bench, sizes: Sequence[int], clients: ExitStack) -> _Subject | None:
    if case.limit == Limit.DISK:
        return _Subject(_Writer(bench.directory), _own_clock)
    if case.limit == Limit.CODEC:
        return _Subject(_in_process, _own_clock)
    client = _client(bench.limit, clients)
    files = [Request(limit_file(bench.directory, size)) for size in sizes]
    return _Subject(lambda _: _received(client.send(files)), bench.limit.family.cpu_seconds)


def _own_clock() -> Mapping[int, float]:
    return {0: time.thread_time()}


def _received(answers: Sequence[Answer]) -> Sequence[Answer]:
    for answer in answers:
        succeeded(answer)
    return ()


def _in_process(call: Call) -> Sequence[Answer]:
    call.codec()
    return ()


@dataclass(slots=True)
class _Writer:
    """The limit of a durable store: the same bytes in one new file for every request, fsynced.

    Files stay until the end of the case, as stored ones do: to reuse a removed one's pages costs the kernel
    far less.
    """

    directory: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def __call__(self, call: Call) -> Sequence[Answer]:
        for request in call.requests:
            path = self.directory / f"{next(self._numbers)}{_WRITTEN}"
            with open(path, "xb", buffering=0) as file:
                file.write(request.body)
                os.fsync(file.fileno())
        return ()
