"""What a row of the table is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from benchmarks import studies
from benchmarks.objects import Objects
from benchmarks.studies import Study
from benchmarks.wire import Answer, Request


@dataclass(frozen=True, slots=True)
class Held:
    """What every server holds. studies: how many synthetic studies, of the numbers below that."""

    objects: Objects
    studies: int

    def study(self, number: int) -> Study:
        """Some study, far from the one of the number before."""
        return studies.study(number * 2_654_435_761 % self.studies)


@dataclass(frozen=True, slots=True)
class Call:
    """Requests that are in flight together, and what checks their answers.

    before: sent first, one by one, and not measured. follows: the request is for the page that the answer to
    what was sent before links to as the next. codec: the same work without any server.
    """

    requests: Sequence[Request]
    check: Callable[[Sequence[Answer]], None]
    before: Sequence[Request] = ()
    follows: bool = False
    codec: Callable[[], Any] = lambda: None


class Limit(Enum):
    """What a case is held against."""

    FILE = "nginx: a file as long"
    DISK = "the same bytes written and fsynced"
    CODEC = "the codec alone"


@dataclass(frozen=True, slots=True)
class Reach:
    """What is to be reached; None where it is not asked. Each per unit.

    cpu_ms: CPU time. over_codec_ms: CPU time beyond that of the codec alone. of_limit: share of the limit's
    throughput. of_peer: times the peer's rate.
    """

    cpu_ms: float | None = None
    over_codec_ms: float | None = None
    of_limit: float | None = None
    of_peer: float | None = None

    def __str__(self) -> str:
        texts = (
            (self.cpu_ms, "<= {:g} ms"),
            (self.over_codec_ms, "codec + {:g} ms"),
            (self.of_limit, ">= {:.0%} of the limit"),
            (self.of_peer, ">= {:g} x the peer"),
        )
        return ", ".join(text.format(figure) for figure, text in texts if figure is not None)


@dataclass(frozen=True, slots=True)
class Case:
    """One row. call: the call of a number, which is never the same twice where that matters.

    units: of what `unit` names, in one call. burst: how many calls to measure together, where that is not for
    the clock to say. most: how many different calls there are. grows: whether it is measured against the size
    of the archive.
    """

    name: str
    call: Callable[[Held, int], Call]
    reach: Reach = Reach()
    limit: Limit = Limit.FILE
    unit: str = "request"
    units: int = 1
    burst: int = 0
    most: Callable[[Held], int] | None = None
    grows: bool = False
