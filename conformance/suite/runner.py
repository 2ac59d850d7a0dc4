"""Runs checks one by one, each under its deadline; one that fails, crashes or hangs never stops the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from conformance.suite.check import Check, Failed, Skipped
from conformance.suite.session import Session

PASSED, FAILED, SKIPPED = "pass", "FAIL", "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check. seen: what was observed, one line. seconds: how long it took."""

    check: str
    outcome: str
    seen: str
    seconds: float


def run_checks(
    session: Session, checks: Iterable[Check], progress: Callable[[Result], None]
) -> dict[str, Result]:
    """Results by name of check, in the order given."""
    results: dict[str, Result] = {}
    for check in sorted(checks, key=lambda one: (one.last, one.bad_input)):
        results[check.name] = result = run_check(session, check)
        progress(result)
    return results


def run_check(session: Session, check: Check) -> Result:
    """Run one check in a thread of its own, so that a hung one can be left behind."""
    started = time.monotonic()
    outcome: list[tuple[str, str]] = []

    def run() -> None:
        kind, seen = _outcome(session, check)
        outcome.append((kind, seen.replace(session.root, "~")))

    thread = threading.Thread(target=run, name=check.name, daemon=True)
    thread.start()
    thread.join(check.seconds)
    seconds = time.monotonic() - started
    if not outcome:
        return Result(check.name, FAILED, f"no end within {check.seconds:.0f} s", seconds)
    return Result(check.name, outcome[0][0], outcome[0][1], seconds)


def _outcome(session: Session, check: Check) -> tuple[str, str]:
    try:
        return PASSED, _line(check.function(session))
    except Skipped as skipped:
        return SKIPPED, _line(str(skipped))
    except Failed as failed:
        return FAILED, _line(str(failed))
    except Exception as error:
        return FAILED, _line(f"{type(error).__name__}: {error}")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
