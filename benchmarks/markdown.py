"""A report as Markdown: the table first, then growth, every figure, and the plans of searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.cases import CASES
from benchmarks.measure import Figures, Result
from benchmarks.plans import MOST_ROWS, SearchPlan
from benchmarks.report import FLAT, Growth, Report, growths, reached

# What other tools, and people, write beside the figures: taken over whole, below what is measured here.
_ADDED = ("notes", "first_picture", "link", "large", "memory")
_MARKS = {True: "yes", False: "**no**", None: ""}


def markdown(report: Report, directory: Path | None = None) -> str:
    """All of a run. directory: where plots and what other tools wrote lie."""
    lines = ["# Results", "", "Written by `python -m benchmarks`; see ../README.md for what is measured.", ""]
    lines += [f"- {name}: {text}" for name, text in report.circumstances.items()]
    lines += ["", "## The table", "", *_table(report)]
    lines += ["", "![Throughput](throughput.png)"] if directory else []
    if found := growths(report):
        lines += ["", "## Growth", "", *_growth(found, report.sizes)]
        lines += ["", "![Growth](growth.png)"] if directory else []
    lines += [text for name in _ADDED for text in _added(directory, name)]
    for size in report.sizes:
        rows = report.at(size)
        lines += ["", f"## Every figure at {size:,} studies", "", *_figures(rows), "", *_notes(rows)]
    for size, plans in report.plans.items():
        lines += ["", f"## Plans of searches at {size:,} studies", "", *_plans(plans)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(names: Sequence[str], *, left: int = 1) -> Iterator[str]:
    yield _line(names)
    yield _line(["---"] * left + ["---:"] * (len(names) - left))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _added(directory: Path | None, name: str) -> list[str]:
    path = directory / f"{name}.md" if directory else None
    return ["", path.read_text().strip()] if path and path.exists() else []


# --- the table -------------------------------------------------------------------------------------


def _table(report: Report) -> Iterator[str]:
    """A row a case; of each server its CPU time at every size."""
    sizes = report.table_sizes or report.sizes
    peers = [size for size in sizes if any(one.peer for one in report.at(size))]
    limit, peer = report.circumstances["limit"], report.circumstances["peer"]
    yield "CPU ms of server and database; MB/s or instances/s where the reach is a rate. Sizes: studies held."
    yield ""
    yield from _head(
        (
            *("work", *(f"{peer}, {size:,}" for size in peers), limit, "reach"),
            *(*(f"this, {size:,}" for size in sizes), "met"),
        )
    )
    for case in CASES:
        rows = {one.studies: one for one in report.results if one.case == case}
        measured = [rows[size] for size in sizes if size in rows]
        if measured:
            cells = [case.name if case.unit == "request" else f"{case.name}, per {case.unit}"]
            cells += [_cell(rows.get(size), "peer") for size in peers]
            cells += [_cell(measured[0], "limit"), str(case.reach)]
            cells += [_cell(rows.get(size), "archive") for size in sizes]
            yield _line([*cells, _met(measured)])


def _cell(result: Result | None, who: str) -> str:
    figures: Figures | None = getattr(result, who) if result else None
    if result is None or figures is None:
        return "fails" if result and result.failure and who == "archive" else ""
    text = _number(figures.cpu_ms or figures.ms)
    if result.case.reach.of_limit is not None:
        text += f"; {result.megabytes / figures.ms * 1000:,.0f} MB/s"
    if result.case.reach.of_peer is not None:
        text += f"; {1000 / figures.ms:,.0f}/s"
    return text


def _met(rows: Sequence[Result]) -> str:
    """Whether the reach was met, and where not."""
    verdicts = {row.studies: reached(row) for row in rows}
    missed = [f"{size:,}" for size, verdict in verdicts.items() if verdict is False]
    if not missed:
        return "yes" if True in verdicts.values() else ""
    return "**no**" if len(missed) == len(rows) else f"**not at {', '.join(missed)}**"


# --- growth ----------------------------------------------------------------------------------------


def _growth(found: Sequence[Growth], sizes: Sequence[int]) -> Iterator[str]:
    yield f"CPU ms against studies held. Flat: the slowest size takes at most {FLAT} times the fastest's CPU."
    yield ""
    yield from _head(("work", *(f"{size:,}" for size in sizes), "slowest / fastest", "of ms", "flat"))
    for one in found:
        by_size = {result.studies: result.archive for result in one.results if result.archive}
        cpu = [_number(by_size[size].cpu_ms or by_size[size].ms) if size in by_size else "" for size in sizes]
        yield _line(
            (
                one.results[0].case.name,
                *cpu,
                f"{one.ratio:.2f}",
                f"{one.ratio_of_ms:.2f}",
                _MARKS[one.is_flat],
            )
        )


# --- every figure ----------------------------------------------------------------------------------

_FIGURES = (
    *("work", "CPU ms", "reach", "reached", "ms", "MB/s"),
    *("limit ms", "limit CPU", "peer ms", "peer CPU", "peer / this"),
)


def _figures(rows: Sequence[Result]) -> Iterator[str]:
    yield from _head(_FIGURES)
    for result in rows:
        yield _line(_cells(result))


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
    yield from _head(("level", "query", "rows and entries", "bounded", "blocks", "ms", "scans"), left=2)
    for plan in plans:
        yield _line(
            (
                *(plan.level, f"`{plan.query or ' '}`", f"{plan.rows:,}", _MARKS[plan.is_bounded]),
                *(f"{plan.blocks:,}", f"{plan.ms:.2f}", ", ".join(plan.scans)),
            )
        )
