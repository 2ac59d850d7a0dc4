"""What an import did: counted for the summary, and listed line by line for --report."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dicomweb.archive.import_ import FileOutcome
from dicomweb.errors import InvalidSettings

# Refused files named in the summary itself; all of them stand in the report.
_NAMED = 10


class ImportReport:
    """Takes outcomes as they come. file: where every file that was not newly stored is listed, or None."""

    def __init__(self, file: IO[str] | None = None) -> None:
        self._rows = csv.writer(file) if file else None
        self._states: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._stored_bytes = 0
        self._refused: list[FileOutcome] = []
        if self._rows:
            self._rows.writerow(("path", "result", "reason"))

    @property
    def refused(self) -> int:
        """Files that the destination should have and has not."""
        return self._states["refused"]

    def add(self, outcome: FileOutcome) -> None:
        self._states[outcome.state] += 1
        if outcome.state == "stored":
            self._stored_bytes += outcome.size
            return
        if outcome.state in ("passed", "refused"):
            self._reasons[outcome.reason] += 1
        if outcome.state == "refused" and len(self._refused) < _NAMED:
            self._refused.append(outcome)
        if self._rows:
            self._rows.writerow((outcome.path, outcome.state, outcome.reason))

    def lines(self) -> Iterator[str]:
        """The summary."""
        yield f"{self._states['stored']:,} stored ({self._stored_bytes / 1e6:,.1f} MB)"
        if self._states["present"]:
            yield f"{self._states['present']:,} were there already"
        skipped = self._states["passed"] + self.refused
        if skipped:
            yield f"{skipped:,} skipped:"
        for reason, count in self._reasons.most_common(_NAMED):
            yield f"  {count:,} x {reason}"
        for outcome in self._refused:
            yield f"  {outcome.path}: {outcome.reason}"
        if self.refused > len(self._refused):
            yield f"  and {self.refused - len(self._refused):,} more refused: list all with --report FILE"


@contextmanager
def import_report(path: Path | None) -> Iterator[ImportReport]:
    """A report that is written to `path` while the block runs. Raises InvalidSettings."""
    if path is None:
        yield ImportReport()
        return
    try:
        # File names need not be text: what is none goes out as it came.
        file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise InvalidSettings(f"--report cannot be written: {error.strerror}.") from error
    with file:
        yield ImportReport(file)
