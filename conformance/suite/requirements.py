"""requirements.toml as data: one entry per requirement id."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("core", "expected", "beyond")

# checked: shown by checks of this suite. unit: shown by a test of the project, not observable from outside.
# later: belongs to a later issue.
STATUSES = ("checked", "unit", "later")

PATH = Path(__file__).resolve().parent.parent / "requirements.toml"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement. section: of PS3.18 unless another part is named. shown_by: path of a test."""

    id: str
    section: str
    level: str
    title: str
    status: str
    checks: tuple[str, ...]
    shown_by: tuple[str, ...]


def load(path: Path = PATH) -> dict[str, Requirement]:
    """Every requirement by id, in the order of the file. Raises ValueError on an entry that is not sound."""
    with path.open("rb") as file:
        entries = tomllib.load(file)["requirement"]
    found: dict[str, Requirement] = {}
    for entry in entries:
        requirement = Requirement(
            id=entry["id"],
            section=entry["section"],
            level=entry["level"],
            title=entry["title"],
            status=entry["status"],
            checks=tuple(entry.get("check", ())),
            shown_by=tuple(entry.get("shown_by", ())),
        )
        if requirement.id in found:
            raise ValueError(f"requirement {requirement.id} stands twice")
        if requirement.level not in LEVELS or requirement.status not in STATUSES:
            raise ValueError(f"requirement {requirement.id} has an unknown level or status")
        found[requirement.id] = requirement
    return found
