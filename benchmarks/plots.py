"""The figures of a report drawn: needs matplotlib (`pip install dicomweb-archive[bench]`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from benchmarks.measure import Result
from benchmarks.report import Report

_COLOURS = colormaps["tab20"]
# From here on, so that noise in a flat line does not fill the plot.
_LEAST_MS = 0.1
# Rows whose answers are long enough to be a matter of bytes.
_MANY_MEGABYTES = 0.1


def draw(report: Report, directory: Path) -> list[Path]:
    """Draw what the report has figures for; the files written."""
    plots = {"growth.png": _growth(report), "throughput.png": _throughput(report)}
    for name, figure in plots.items():
        figure.savefig(directory / name, dpi=120)
    return [directory / name for name in plots]


def _growth(report: Report) -> Figure:
    """Time and CPU time against the size of the archive: a flat line is what is wanted."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    for place, (title, attribute) in enumerate((("median ms", "ms"), ("CPU ms", "cpu_ms")), 1):
        axes = figure.add_subplot(1, 2, place)
        names = dict.fromkeys(one.case.name for one in report.results if one.megabytes < _MANY_MEGABYTES)
        for number, name in enumerate(names):
            rows = [one for one in report.results if one.case.name == name]
            _line(axes, rows, "archive", attribute, _COLOURS(number), name)
            _line(axes, rows, "peer", attribute, _COLOURS(number), "")
        axes.set(xscale="log", yscale="log", xlabel="studies", title=title)
        axes.set_xticks(report.sizes, [f"{size:,}" for size in report.sizes])
        axes.set_xticks([], minor=True)
        axes.set_ylim(bottom=_LEAST_MS, top=max(1.0, axes.get_ylim()[1]))
        axes.grid(alpha=0.3)
    title = "archive; the peer's lines are dashed"
    figure.axes[1].legend(fontsize="x-small", title=title, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _line(
    axes: Axes, rows: Sequence[Result], who: str, attribute: str, colour: ColorType, label: str
) -> None:
    points = [
        (row.studies, getattr(figures, attribute))
        for row in rows
        if (figures := getattr(row, who)) is not None and getattr(figures, attribute)
    ]
    if points:
        style = "--" if who == "peer" else "-"
        axes.plot(*zip(*points, strict=True), style, marker=".", color=colour, label=label or None)


def _throughput(report: Report) -> Figure:
    """MB/s of the archive, its limit and the peer, at the largest archive all were measured at."""
    sizes = [size for size in report.sizes if any(row.peer for row in report.at(size))] or report.sizes
    rows = [row for row in report.at(sizes[-1]) if row.archive and row.megabytes >= _MANY_MEGABYTES][::-1]
    figure = Figure(figsize=(11, 1 + 0.6 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for number, (who, colour) in enumerate((("limit", "0.75"), ("archive", "C0"), ("peer", "C1"))):
        found = [getattr(row, who) for row in rows]
        rates = [row.megabytes / one.ms * 1000 if one else 0 for row, one in zip(rows, found, strict=True)]
        places = [place + 0.27 * (1 - number) for place in range(len(rows))]
        axes.barh(places, rates, 0.27, color=colour, label=who)
    axes.set_yticks(range(len(rows)), [row.case.name for row in rows], fontsize="small")
    axes.set(xscale="log", xlabel="MB/s", title=f"throughput at {sizes[-1]:,} studies")
    axes.grid(axis="x", alpha=0.3)
    axes.legend()
    return figure
