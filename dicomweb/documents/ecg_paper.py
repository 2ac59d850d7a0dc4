"""Electrocardiograms on their paper: 25 mm a second, 10 mm a millivolt, leads in the usual order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicomweb.documents.drawing import Drawing, Label, Path, Points, points, rectangle
from dicomweb.documents.trace import Values, strokes, thinned
from dicomweb.documents.waveform import Channel, Group

_MM_PER_SECOND, _MM_PER_MILLIVOLT = 25.0, 10.0
_PIXELS_PER_MM = 5.0
_MARGIN, _TEXT_HEIGHT, _LINE_HEIGHT = 8.0, 3.6, 5.0
# A strip is ten seconds, the length of a standard recording; longer ones go on below, up to a page.
_STRIP_SECONDS = 10.0
_MOST_STRIPS = 24
_COLUMN_SECONDS = 2.5
# Room above and below the level of a row; taller waves are cut off.
_LEAST_REACH, _MOST_REACH = 10.0, 50.0
_MOST_MILLIVOLTS = 100.0
_POINTS_PER_MM = 10
_FINE, _COARSE, _INK = "#f6d5d5", "#e9a5a5", "#101418"
_PAPER = "#fffafa"

_MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "nV": 1e-6, "V": 1e3}
_LEAD = re.compile(r"(?<![A-Za-z0-9])(aV[RLF]|V[1-9]R?|III|II|I|MCL\d|[XYZ])(?![A-Za-z0-9])", re.IGNORECASE)
_STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_COLUMNS = 4
_RHYTHM_LEAD = "II"
# Leads beside the twelve (V7, V3R, X, Y, Z), in rows of their own.
_MOST_FURTHER = 8


@dataclass(frozen=True, slots=True)
class _Cell:
    """A piece of a lead: millivolts around its resting level. lead: its name, "" where a strip goes on."""

    lead: str
    values: Values
    frequency: float


# Pieces beside each other: a whole strip, or one in each column.
_Row = Sequence[_Cell]


def fits_paper(group: Group) -> bool:
    """Whether every channel is a voltage of a size that paper is made for."""
    return all(channel.unit in _MILLIVOLTS for channel in group.channels) and all(
        _peak(_millivolts(channel)) <= _MOST_MILLIVOLTS for channel in group.channels
    )


def ecg_drawing(groups: Sequence[Group], lines: Sequence[str]) -> Drawing:
    """Each group of leads below the one before; lines: text above them all."""
    ink: list[Path | Label] = []
    y = _MARGIN
    for line in lines:
        y += _LINE_HEIGHT
        ink.append(Label(_MARGIN, y - 1, line, _TEXT_HEIGHT, _INK))
    rows_of = [_rows(group) for group in groups]
    top, width = y, _width([row for rows in rows_of for row in rows])
    for group, rows in zip(groups, rows_of, strict=True):
        y += _LINE_HEIGHT
        ink.append(Label(_MARGIN, y, _caption(group), _TEXT_HEIGHT, _INK, bold=True))
        y = _rows_drawn(rows, y, ink)
    return _on_paper(ink, width, top, y)


def ecg_thumbnail(group: Group) -> Drawing:
    """The leads of a group, without any text but the names of leads: what else a device writes could be a
    patient's name (R-20)."""
    known = [replace(channel, name=_known(channel.name)) for channel in group.channels]
    ink: list[Path | Label] = []
    rows = _rows(replace(group, channels=known))
    return _on_paper(ink, _width(rows), _MARGIN, _rows_drawn(rows, _MARGIN, ink))


def _width(rows: Sequence[_Row]) -> float:
    """Of the paper that holds the widest row."""
    seconds = [
        _COLUMN_SECONDS * len(row) if len(row) > 1 else len(row[0].values) / row[0].frequency for row in rows
    ]
    return 2 * _MARGIN + max(_COLUMN_SECONDS, *seconds) * _MM_PER_SECOND


def _on_paper(ink: list[Path | Label], width: float, top: float, bottom: float) -> Drawing:
    height = bottom + _MARGIN
    return Drawing(
        width, height, [*_grid(width, top, height), *ink], _PAPER, "Electrocardiogram", _PIXELS_PER_MM
    )


def _rows_drawn(rows: Sequence[_Row], y: float, ink: list[Path | Label]) -> float:
    """Draw rows from y on; returns where they end."""
    for row in rows:
        above, below = _reach(row)
        ink += _drawn(row, y, y + above)
        y += above + below
    return y


def _caption(group: Group) -> str:
    scale = "25 mm/s   10 mm/mV"
    return "   ".join(filter(None, [group.label, group.shown_time, f"{group.frequency:g} Hz", scale]))


def lead_name(name: str) -> str:
    """The short name of a lead in whatever a device calls it (`Lead I (Einthoven)` is I)."""
    found = _LEAD.search(name)
    if found is None:
        return name
    short = found[1].upper()
    return "a" + short[1:] if short.startswith("AV") else short


def _known(name: str) -> str:
    return lead_name(name) if _LEAD.search(name) else ""


def _rows(group: Group) -> list[_Row]:
    leads = {lead_name(channel.name): channel for channel in reversed(group.channels)}
    if all(name in leads for name in _STANDARD):
        return _twelve_leads(group, leads)
    rows: list[_Row] = []
    for channel in group.channels:
        rows += _strips(group, channel, most=max(1, _MOST_STRIPS // len(group.channels)))
    return rows[:_MOST_STRIPS]


def _twelve_leads(group: Group, leads: dict[str, Channel]) -> list[_Row]:
    """Three rows of four leads, each column a later part of the time, and one lead over all of it.

    Columns of a recording shorter than ten seconds overlap in time; an average beat is whole in each.
    """
    length = min(group.seconds, _STRIP_SECONDS)
    part = min(length, _COLUMN_SECONDS)
    step = (length - part) / (_COLUMNS - 1)
    per_row = len(_STANDARD) // _COLUMNS
    rows: list[_Row] = [
        [_cell(group, leads[name], name, n * step, part) for n, name in enumerate(_STANDARD[row::per_row])]
        for row in range(per_row)
    ]
    others = [name for name in reversed(leads) if name not in _STANDARD][:_MOST_FURTHER]
    whole = [_RHYTHM_LEAD, *others] if length > part else others
    return rows + [[_cell(group, leads[name], name, 0, length)] for name in whole]


def _strips(group: Group, channel: Channel, *, most: int) -> list[_Row]:
    count = min(most, max(1, int(np.ceil(len(channel.values) / group.frequency / _STRIP_SECONDS - 0.01))))
    name = lead_name(channel.name)
    return [
        [_cell(group, channel, name if n == 0 else "", n * _STRIP_SECONDS, _STRIP_SECONDS)]
        for n in range(count)
    ]


def _cell(group: Group, channel: Channel, lead: str, begin: float, seconds: float) -> _Cell:
    """A piece of a lead around its own resting level, as an amplifier draws it."""
    millivolts = _millivolts(channel)
    first, last = round(begin * group.frequency), round((begin + seconds) * group.frequency)
    level = np.nanmedian(millivolts) if np.isfinite(millivolts).any() else 0.0
    return _Cell(lead, millivolts[first:last] - level, group.frequency)


def _millivolts(channel: Channel) -> Values:
    return channel.values * _MILLIVOLTS.get(channel.unit, 1.0)


def _peak(values: Values) -> float:
    there = values[np.isfinite(values)]
    return float(np.ptp(there)) if len(there) else 0.0


def _reach(row: _Row) -> tuple[float, float]:
    """Millimetres that the row's waves take above and below their level, in whole large squares."""
    low = min((float(np.nanmin(cell.values)) for cell in row if np.isfinite(cell.values).any()), default=0.0)
    high = max((float(np.nanmax(cell.values)) for cell in row if np.isfinite(cell.values).any()), default=0.0)
    above, below = (
        np.clip(np.ceil((value * _MM_PER_MILLIVOLT + 2) / 5) * 5, _LEAST_REACH, _MOST_REACH)
        for value in (high, -low)
    )
    return float(above), float(below)


def _drawn(row: _Row, top: float, level: float) -> list[Path | Label]:
    """The pieces of a row beside each other, behind a calibration pulse of 1 mV and 0.2 s."""
    shapes: list[Path | Label] = [Path([_pulse(level)], _INK, 0.3)]
    for number, cell in enumerate(row):
        left = _MARGIN + number * _COLUMN_SECONDS * _MM_PER_SECOND
        most = int(len(cell.values) / cell.frequency * _MM_PER_SECOND * _POINTS_PER_MM)
        at, values = thinned(cell.values, max(2, most))
        x = left + at / cell.frequency * _MM_PER_SECOND
        y = level - np.clip(values * _MM_PER_MILLIVOLT, -_MOST_REACH, _MOST_REACH)
        if number:
            shapes.append(Path([points([(left, level - 5), (left, level + 5)])], _INK, 0.25))
        shapes.append(Path(strokes(x, y), _INK, 0.3))
        shapes.append(Label(left + 1, top + _LINE_HEIGHT, cell.lead, _TEXT_HEIGHT, _INK, bold=True))
    return shapes


def _pulse(level: float) -> Points:
    left = _MARGIN - 7
    return points(
        [
            (left, level),
            (left + 1, level),
            (left + 1, level - 10),
            (left + 6, level - 10),
            (left + 6, level),
            (left + 7, level),
        ]
    )


def _grid(width: float, top: float, bottom: float) -> list[Path]:
    """Millimetre paper: a fine line each millimetre, a strong one each five."""
    left, right = _MARGIN, width - _MARGIN
    across = np.arange(left, right + 0.5)
    down = np.arange(bottom - _MARGIN / 2, top, -1.0)[::-1]
    vertical = [points([(x, down[0]), (x, down[-1])]) for x in across]
    horizontal = [points([(left, y), (right, y)]) for y in down]
    return [
        Path(vertical + horizontal, _FINE, 0.12),
        Path(vertical[::5] + horizontal[::-5], _COARSE, 0.2),
        Path(
            [rectangle(left, float(down[0]), right - left, float(down[-1] - down[0]))],
            _COARSE,
            0.2,
            closed=True,
        ),
    ]
