"""What came out: one document that is written as JSON, as Markdown (markdown.py) and as plots (plots.py)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import Result
from benchmarks.plans import SearchPlan


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run. circumstances: what the figures depend on. plans: of the searches, by studies held."""

    circumstances: Mapping[str, str]
    results: Sequence[Result]
    plans: Mapping[int, Sequence[SearchPlan]]

    @property
    def sizes(self) -> list[int]:
        """Numbers of studies that were measured at."""
        return sorted({result.studies for result in self.results})

    @property
    def table_sizes(self) -> list[int]:
        """Those at which every case was measured, not just what may grow."""
        return [size for size in self.sizes if not all(one.case.grows for one in self.at(size))]

    def at(self, studies: int) -> list[Result]:
        """The rows at one size."""
        return [result for result in self.results if result.studies == studies]


@dataclass(frozen=True, slots=True)
class Growth:
    """One case against the size of the archive. results: by ascending size, all with figures."""

    results: Sequence[Result]

    @property
    def ratio(self) -> float:
        """The slowest size over the fastest, by CPU time: noise of the machine is least there."""
        return _spread([one.archive.cpu_ms or one.archive.ms for one in self.results if one.archive])

    @property
    def ratio_of_ms(self) -> float:
        """The slowest size over the fastest, by median latency."""
        return _spread([one.archive.ms for one in self.results if one.archive])

    @property
    def is_flat(self) -> bool:
        """Whether the size of the archive does not matter."""
        return self.ratio <= FLAT


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values)


# What the slowest size may take of the fastest (issue: flat within 1.5 times).
FLAT = 1.5


def growths(report: Report) -> list[Growth]:
    """The cases that may grow with the archive, where several sizes were measured."""
    names = dict.fromkeys(result.case.name for result in report.results if result.case.grows)
    rows = ([one for one in report.results if one.case.name == name and one.archive] for name in names)
    return [Growth(found) for found in rows if len(found) > 1]


def reached(result: Result) -> bool | None:
    """Whether everything that the case is to reach was reached; None where that cannot be said."""
    verdicts = list(_verdicts(result))
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


def _verdicts(result: Result) -> Iterator[bool | None]:
    reach, ours, limit, peer = result.case.reach, result.archive, result.limit, result.peer
    if ours is None:
        yield False
        return
    if reach.cpu_ms is not None:
        yield None if ours.cpu_ms is None else ours.cpu_ms <= reach.cpu_ms
    if reach.over_codec_ms is not None:
        codec = None if limit is None else limit.cpu_ms
        if ours.cpu_ms is None or codec is None:
            yield None
        else:
            yield ours.cpu_ms <= codec + reach.over_codec_ms
    if reach.of_limit is not None:
        yield None if limit is None else limit.ms / ours.ms >= reach.of_limit
    if reach.of_peer is not None:
        yield None if peer is None else peer.ms / ours.ms >= reach.of_peer


# --- JSON ------------------------------------------------------------------------------------------


def write_json(report: Report, path: Path) -> None:
    """Every figure."""
    document = {
        "circumstances": report.circumstances,
        "results": [_as_dict(result) for result in report.results],
        "plans": {size: [asdict(plan) for plan in plans] for size, plans in report.plans.items()},
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _as_dict(result: Result) -> dict[str, object]:
    figures = {name: getattr(result, name) for name in ("archive", "limit", "peer")}
    return {
        "case": result.case.name,
        "studies": result.studies,
        "unit": result.case.unit,
        "megabytes": result.megabytes,
        "reach": str(result.case.reach),
        "reached": reached(result),
        "limit_is": result.case.limit.value,
        **{name: asdict(one) if one else None for name, one in figures.items()},
        "memory_mib": result.memory_mib,
        "failure": result.failure,
        "peer_failure": result.peer_failure,
    }
