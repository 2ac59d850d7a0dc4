"""What a check is: a function over a session, the requirement ids that it shows, a deadline.

A check returns one line that says what was seen. It fails by raising Failed (through `expect`) or any other
exception, and it is left out by raising Skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.suite.session import Session

CheckFunction = Callable[["Session"], str]


class Failed(Exception):
    """The server did otherwise than the requirement says. The text tells what was seen."""


class Skipped(Exception):
    """The check cannot judge this server (something it needs beforehand is not there)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. bad_input: sends hostile bytes (see --skip-bad-input). last: runs after the others."""

    name: str
    requirements: tuple[str, ...]
    function: CheckFunction
    seconds: float
    bad_input: bool
    last: bool


REGISTRY: dict[str, Check] = {}


def shows(
    *requirements: str, seconds: float = 60, bad_input: bool = False, last: bool = False
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check for these requirement ids (requirements.toml names the check for each of them)."""

    def register(function: CheckFunction) -> CheckFunction:
        name = function.__name__
        if name in REGISTRY:
            raise ValueError(f"two checks are called {name}")
        REGISTRY[name] = Check(name, requirements, function, seconds, bad_input, last)
        return function

    return register


def expect(condition: object, seen: str) -> None:
    """Fail with what was seen unless the condition holds."""
    if not condition:
        raise Failed(seen)


def expect_equal(seen: object, wanted: object, what: str) -> None:
    """Fail unless seen equals wanted; long values are cut."""
    if seen != wanted:
        raise Failed(f"{what}: {_short(seen)}, wanted {_short(wanted)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
