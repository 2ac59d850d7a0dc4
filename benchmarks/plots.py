"""The figures of a report drawn: needs matplotlib (`pip install dicomweb-archive[bench]`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.measure import Result
from benchmarks.report import FLAT, Growth, Report, growths

_MANY_MEGABYTES = 0.1
_OURS, _PEER, _LIMIT, _GOAL = "#1f6f8b", "#d1495b", "#b8c4cc", "#2e933c"
_COLUMNS = 4
_BELOW_RIGHT: dict[str, Any] = {"textcoords": "offset points", "va": "top", "color": _GOAL}
# Powers of ten around the figures: a row that stays flat is not blown up by its noise.
_LOWEST_MS, _HIGHEST_MS = 0.1, 100.0


def draw(report: Report, directory: Path) -> list[Path]:
    """Draw what the report has figures for; the files written."""
    plots = {}
    if any(_is_long(row) for row in report.results):
        plots["throughput.png"] = _throughput(report)
    if found := growths(report):
        plots["growth.png"] = _growth(found)
    for name, figure in plots.items():
        figure.savefig(directory / name, dpi=120)
    return [directory / name for name in plots]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.7)
    axes.set_axisbelow(True)


# --- growth ----------------------------------------------------------------------------------------


def _growth(found: Sequence[Growth]) -> Figure:
    """A panel a case: latency against studies held, with the band in which it is flat."""
    rows = -(-len(found) // _COLUMNS)
    figure = Figure(figsize=(15, 0.9 + 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, one in zip(panels.flat, found, strict=False):
        _panel(axes, one)
    for axes in panels.flat[len(found) :]:
        axes.set_visible(False)
    first = panels.flat[0]
    first.set(xscale="log", yscale="log", ylim=(_LOWEST_MS, max(_HIGHEST_MS, first.get_ylim()[1])))
    sizes = sorted({result.studies for one in found for result in one.results})
    first.set_xticks([size for size in sizes if f"{size}"[1:].strip("0") == ""])
    first.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    first.xaxis.set_minor_formatter(NullFormatter())
    first.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    figure.supxlabel("studies in the archive")
    figure.supylabel("median latency, ms (an instance, where several are stored)")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    title = f"Latency as the archive grows: {_short(sizes[0])} to {_short(sizes[-1])} studies"
    figure.suptitle(title, x=0.01, ha="left", fontsize="x-large", weight="bold")
    return figure


def _panel(axes: Axes, one: Growth) -> None:
    ours = [(row.studies, row.archive.ms) for row in one.results if row.archive]
    fastest = min(ms for _, ms in ours)
    sizes = [size for size, _ in ours]
    axes.fill_between(
        sizes,
        fastest,
        FLAT * fastest,
        color=_OURS,
        alpha=0.18,
        linewidth=0,
        label=f"within {FLAT} times the fastest",
    )
    axes.plot(sizes, [ms for _, ms in ours], color=_OURS, marker="o", markersize=4, label="this archive")
    cpu = [row.archive.cpu_ms or np.nan for row in one.results if row.archive]
    axes.plot(sizes, cpu, color=_OURS, linewidth=1, linestyle=":", label="its CPU time, with the database's")
    if peers := [(row.studies, row.peer.ms) for row in one.results if row.peer]:
        axes.plot(
            *zip(*peers, strict=True), color=_PEER, marker="s", markersize=4, linestyle="--", label="peer"
        )
    axes.set_title(one.results[0].case.name, loc="left", fontsize="medium")
    axes.annotate(
        f"x {one.ratio_of_ms:.2f}", (1, 1), xycoords="axes fraction", ha="right", va="top", fontsize="small"
    )
    _plain(axes)


def _short(value: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"


# --- throughput ------------------------------------------------------------------------------------


def _throughput(report: Report) -> Figure:
    """MB/s of the archive, its limit and the peer, at the largest archive all were measured at."""
    sizes = [size for size in report.table_sizes if any(row.peer for row in report.at(size))]
    sizes = sizes or report.table_sizes or report.sizes
    rows = [row for row in report.at(sizes[-1]) if _is_long(row)][::-1]
    figure = Figure(figsize=(12, 1.4 + 0.6 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    names = {"limit": "limit", "archive": "this archive"}
    names |= {"peer": report.circumstances["peer"]} if any(row.peer for row in rows) else {}
    for number, (who, colour) in enumerate(zip(names, (_LIMIT, _OURS, _PEER), strict=False)):
        rates = [_rate(row, who) for row in rows]
        places = [place + 0.27 * (1 - number) for place in range(len(rows))]
        bars = axes.barh(places, rates, 0.26, color=colour, label=names[who])
        axes.bar_label(bars, [_rate_text(rate) for rate in rates], fontsize="x-small")
    for place, row in enumerate(rows):
        if row.case.reach.of_limit is not None:
            goal = row.case.reach.of_limit * _rate(row, "limit")
            axes.vlines(goal, place - 0.4, place + 0.4, color=_GOAL, label="to be reached")
    labels = [f"{row.case.name}\n(limit: {row.case.limit.value})" for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize="small")
    axes.set(xscale="log", xlabel="MB/s")
    axes.set_title(f"Throughput at {sizes[-1]:,} studies", loc="left", fontsize="x-large", weight="bold")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    _plain(axes)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper right", ncols=len(names) + 1, frameon=False)
    return figure


def _rate_text(rate: float) -> str:
    return f" {rate:,.0f}" if rate >= 10 else f" {rate:.2g}" if rate else ""


def _is_long(row: Result) -> bool:
    """Whether its answers are a matter of bytes."""
    return row.archive is not None and row.megabytes >= _MANY_MEGABYTES


def _rate(row: Result, who: str) -> float:
    figures = getattr(row, who)
    return row.megabytes / figures.ms * 1000 if figures else 0.0


# --- memory ----------------------------------------------------------------------------------------


def draw_memory(
    parts: Sequence[tuple[str, str, Sequence[tuple[float, float]]]], most: float, directory: Path
) -> None:
    """memory.png: a panel for each part, by its name, what its axis counts, and places with MiB."""
    figure = Figure(figsize=(7 * len(parts), 4.2), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)
    for axes, (name, axis, samples) in zip(panels.flat, parts, strict=True):
        axes.fill_between(*zip(*samples, strict=True), color=_OURS, alpha=0.18, linewidth=0)
        axes.plot(*zip(*samples, strict=True), color=_OURS)
        axes.axhline(most, color=_GOAL)
        axes.annotate(f"at most {most:g} MiB", (samples[0][0], most), (6, -6), **_BELOW_RIGHT)
        axes.set_title(name, loc="left", weight="bold")
        axes.set(xlabel=axis, ylim=(0, None), xlim=(samples[0][0], samples[-1][0]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        _plain(axes)
    panels.flat[0].set_ylabel("MiB, all processes")
    figure.savefig(directory / "memory.png", dpi=120)
