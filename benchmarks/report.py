"""What came out: one document that is written as JSON, as Markdown and as plots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import Figures, Result
from benchmarks.plans import MOST_ROWS, SearchPlan


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

    def at(self, studies: int) -> list[Result]:
        """The rows at one size."""
        return [result for result in self.results if result.studies == studies]


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
        known = ours.cpu_ms is not None and limit is not None and limit.cpu_ms is not None
        yield ours.cpu_ms <= limit.cpu_ms + reach.over_codec_ms if known else None  # type: ignore[operator, union-attr]
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


# --- Markdown --------------------------------------------------------------------------------------

_HEAD = (
    *("work", "CPU ms", "reach", "reached", "ms", "MB/s"),
    *("limit ms", "limit CPU", "peer ms", "peer CPU", "peer / ours"),
)
_MARKS = {True: "yes", False: "**no**", None: ""}


def markdown(report: Report) -> str:
    """The tables of a run, largest archive last."""
    lines = ["# Results", "", "Written by `python -m benchmarks`; see ../README.md for what is measured.", ""]
    lines += [f"- {name}: {text}" for name, text in report.circumstances.items()]
    for size in report.sizes:
        rows = report.at(size)
        lines += ["", f"## {size:,} studies", "", *_table(rows), "", *_notes(rows)]
    for size, plans in report.plans.items():
        lines += ["", f"## Plans of searches at {size:,} studies", "", *_plans(plans)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Result]) -> Iterator[str]:
    yield _line(_HEAD)
    yield _line(["---", *["---:"] * (len(_HEAD) - 1)])
    for result in rows:
        yield _line(_cells(result))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(result: Result) -> list[str]:
    unit = "" if result.case.unit == "request" else f" (per {result.case.unit})"
    ours, limit, peer = result.archive, result.limit, result.peer
    rate = f"{result.megabytes / ours.ms * 1000:,.0f}" if ours and result.megabytes > 0.1 else ""
    times = f"{_ratio(peer, ours):.1f}" if peer and ours else ""
    return [
        result.case.name + unit,
        _number(ours.cpu_ms if ours else None),
        str(result.case.reach),
        _MARKS[reached(result)] if str(result.case.reach) else "",
        _number(ours.ms if ours else None),
        rate,
        *(_number(limit.ms if limit else None), _number(limit.cpu_ms if limit else None)),
        *(_number(peer.ms if peer else None), _number(peer.cpu_ms if peer else None)),
        times,
    ]


def _ratio(peer: Figures, ours: Figures) -> float:
    """By CPU where it is known of both, else by time."""
    if peer.cpu_ms and ours.cpu_ms:
        return peer.cpu_ms / ours.cpu_ms
    return peer.ms / ours.ms


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _notes(rows: Sequence[Result]) -> Iterator[str]:
    yield f"Peak memory of the archive: {max(row.memory_mib for row in rows):.0f} MiB."
    for row in rows:
        if row.failure:
            yield f"\n{row.case.name}: the archive failed: {row.failure}"
        if row.peer_failure:
            yield f"\n{row.case.name}: the peer cannot: {row.peer_failure}"


def _plans(plans: Sequence[SearchPlan]) -> Iterator[str]:
    yield f"A search may touch {MOST_ROWS:,} rows: its page, the capped count beyond it, and their joins."
    yield ""
    yield _line(("level", "query", "rows and entries", "bounded", "blocks", "ms", "scans"))
    yield _line(("---", "---", "---:", "---", "---:", "---:", "---"))
    for plan in plans:
        yield _line(
            (
                *(plan.level, f"`{plan.query or ' '}`", f"{plan.rows:,}", _MARKS[plan.is_bounded]),
                *(f"{plan.blocks:,}", f"{plan.ms:.2f}", ", ".join(plan.scans)),
            )
        )
