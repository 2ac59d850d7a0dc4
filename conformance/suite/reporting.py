"""Results of checks turned into results of requirements: the table, the JSON, the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from conformance.suite.requirements import Requirement
from conformance.suite.runner import FAILED, PASSED, SKIPPED, Result

NOT_RUN = "-"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One requirement: fails if one of its checks failed, passes if one passed and none failed."""

    id: str
    section: str
    level: str
    title: str
    outcome: str
    seen: str
    checks: tuple[str, ...]


def verdicts(requirements: Iterable[Requirement], results: Mapping[str, Result]) -> list[Verdict]:
    """A verdict for every requirement, in their order."""
    return [_verdict(requirement, results) for requirement in requirements]


def _verdict(requirement: Requirement, results: Mapping[str, Result]) -> Verdict:
    own = [results[name] for name in requirement.checks if name in results]
    outcome, seen = NOT_RUN, _not_run(requirement)
    for wanted in (FAILED, PASSED, SKIPPED):
        chosen = [result for result in own if result.outcome == wanted]
        if chosen:
            outcome = wanted
            seen = "; ".join(f"{one.check}: {one.seen}" if wanted == FAILED else one.seen for one in chosen)
            break
    return Verdict(
        requirement.id,
        requirement.section,
        requirement.level,
        requirement.title,
        outcome,
        seen,
        requirement.checks,
    )


def _not_run(requirement: Requirement) -> str:
    if requirement.status == "unit":
        return "not observable from outside: " + (", ".join(requirement.shown_by) or "shown by unit tests")
    return "belongs to a later issue" if requirement.status == "later" else "not run"


def exit_code(found: Iterable[Verdict], *, strict: bool) -> int:
    """1 when a core requirement failed or could not be judged, with strict when any did."""
    return int(any(one.outcome in (FAILED, SKIPPED) and (strict or one.level == "core") for one in found))


def table(found: Iterable[Verdict], *, width: int = 150) -> str:
    """The printed table: ID, section, level, result, what was seen."""
    rows = [(one.id, one.section, one.level, one.outcome, one.seen or one.title) for one in found]
    sizes = [max([len(row[column]) for row in rows] + [4]) for column in range(4)]
    lines = []
    for row in [("ID", "section", "level", "result", "seen"), *rows]:
        head = "  ".join(cell.ljust(size) for cell, size in zip(row[:4], sizes, strict=True))
        lines.append(f"{head}  {row[4]}"[:width].rstrip())
    return "\n".join(lines)


def summary(found: Iterable[Verdict]) -> str:
    """One line a level: how many pass, fail, were skipped."""
    lines = []
    everything = list(found)
    for level in ("core", "expected", "beyond"):
        outcomes = [one.outcome for one in everything if one.level == level]
        lines.append(
            f"{level:9} {outcomes.count(PASSED):4} pass {outcomes.count(FAILED):4} fail "
            f"{outcomes.count(SKIPPED):4} skipped {outcomes.count(NOT_RUN):4} not run here"
        )
    return "\n".join(lines)


def as_json(
    base_url: str, found: Iterable[Verdict], results: Mapping[str, Result], restarts: int = 0
) -> dict[str, Any]:
    """Everything, for machines."""
    return {
        "base_url": base_url,
        "date": datetime.now(UTC).date().isoformat(),
        "restarts": restarts,
        "requirements": [asdict(one) for one in found],
        "checks": [asdict(one) for one in results.values()],
    }
