"""How far a long command is: a bar on a terminal, a line now and then elsewhere. On standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

# A log file should not grow by a line a second for hours.
_LINE_SECONDS = 10.0


class Progress(Protocol):
    """Told of every unit done. total: units in all, 0 while unknown."""

    def advance(self, units: int = 1) -> None: ...

    def expect(self, total: int) -> None: ...


@contextmanager
def progress(title: str, unit: str, total: int = 0) -> Iterator[Progress]:
    """Show progress while the block runs."""
    if not sys.stderr.isatty():
        yield _Lines(title, unit, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        yield _Bar(bars, bars.add_task(title, total=total or None))


class _Bar:
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, units: int = 1) -> None:
        self._bars.advance(self._task, units)

    def expect(self, total: int) -> None:
        self._bars.update(self._task, total=total)


class _Lines:
    def __init__(self, title: str, unit: str, total: int) -> None:
        self._title, self._unit, self._total = title, unit, total
        self._done = 0
        self._next = time.monotonic() + _LINE_SECONDS

    def advance(self, units: int = 1) -> None:
        self._done += units
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_SECONDS
            of = f" of {self._total:,}" if self._total else ""
            click.echo(f"{self._title}: {self._done:,}{of} {self._unit}", err=True)

    def expect(self, total: int) -> None:
        self._total = total
