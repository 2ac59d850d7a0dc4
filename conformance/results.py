"""`python -m conformance.results 'NAME VERSION=FILE' ...`: reports of several servers as one Markdown page.

The files are what `python -m conformance --json FILE` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.suite.requirements import LEVELS
from conformance.suite.runner import FAILED, PASSED, SKIPPED

__all__ = ["main"]

_WORDS = {PASSED: "pass", FAILED: "**fail**", SKIPPED: "skipped"}
_OUTCOMES = (PASSED, FAILED, SKIPPED)


@dataclass(frozen=True, slots=True)
class Column:
    """One server: its name with version, the report of its run, the verdicts by requirement."""

    name: str
    report: Mapping[str, Any]
    verdicts: Mapping[str, Mapping[str, Any]]

    def outcome(self, id_: str) -> str:
        """What became of a requirement, empty where nothing of it ran."""
        outcome = str(self.verdicts.get(id_, {}).get("outcome", ""))
        return outcome if outcome in _OUTCOMES else ""

    def count(self, level: str, outcome: str) -> int:
        """Requirements of a level with this outcome."""
        return sum(one["level"] == level and one["outcome"] == outcome for one in self.verdicts.values())


def main(arguments: list[str] | None = None) -> int:
    """Print the document."""
    parser = argparse.ArgumentParser(prog="python -m conformance.results", description=__doc__)
    parser.add_argument("reports", nargs="+", metavar="NAME=FILE", help="a server and its report")
    options = parser.parse_args(arguments)
    sys.stdout.write(document([read(*report.rpartition("=")[::2]) for report in options.reports]))
    return 0


def read(name: str, path: str) -> Column:
    """The report of one server."""
    report = json.loads(Path(path).read_text())
    return Column(name, report, {one["id"]: one for one in report["requirements"]})


def document(columns: Sequence[Column]) -> str:
    """The whole page."""
    ids = list(dict.fromkeys(id_ for column in columns for id_ in column.verdicts if column.outcome(id_)))
    lines = [
        "# Results of the conformance suite",
        "",
        "Made by `python -m conformance.results` from reports of `python -m conformance --json`.",
        "A requirement fails when one of its checks does, even where others pass.",
        "Skipped: what its checks need is not there.",
        "",
        *_table(["Server", "Date", *LEVELS, "checks"], [_summary(column) for column in columns]),
        "",
        "Each cell: passed / failed / skipped. Checks are single functions of the suite:",
        "one looks at several cases and fails with the first that is wrong; a requirement may have several.",
        "",
        *[line for column in columns for line in _restarted(column)],
        *_table(
            ["Requirement", "Level", "What", *(column.name for column in columns)],
            [_row(columns, id_) for id_ in ids],
        ),
        "",
        *_failures(columns[0]),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _summary(column: Column) -> list[str]:
    counts = [" / ".join(str(column.count(level, one)) for one in _OUTCOMES) for level in LEVELS]
    outcomes = [one["outcome"] for one in column.report["checks"]]
    checks = " / ".join(str(outcomes.count(one)) for one in _OUTCOMES)
    return [column.name, column.report["date"], *counts, checks]


def _restarted(column: Column) -> list[str]:
    restarts = column.report.get("restarts", 0)
    if not restarts:
        return []
    times = "once" if restarts == 1 else f"{restarts} times"
    return [f"{column.name} ended {times} during the run and was started again.", ""]


def _row(columns: Sequence[Column], id_: str) -> list[str]:
    entry = next(column.verdicts[id_] for column in columns if id_ in column.verdicts)
    outcomes = [_WORDS.get(column.outcome(id_), "") for column in columns]
    return [id_, entry["level"], entry["title"], *outcomes]


def _failures(column: Column) -> list[str]:
    """What was seen where the first server fails."""
    rows = [[id_, one["seen"]] for id_, one in column.verdicts.items() if one["outcome"] == FAILED]
    if not rows:
        return []
    return [f"What was seen where {column.name} fails:", "", *_table(["Requirement", "Seen"], rows)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
