"""What a URL names: a study, one of its series, one of its instances (PS3.18 10.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A study, series or instance by its UIDs; a level that is not named is the empty string."""

    study: str = ""
    series: str = ""
    instance: str = ""

    @property
    def level(self) -> str:
        """study, series or instance."""
        return "instance" if self.instance else "series" if self.series else "study"

    @property
    def uids(self) -> tuple[str, ...]:
        """The UIDs that are named, the study's first."""
        return tuple(uid for uid in (self.study, self.series, self.instance) if uid)

    @property
    def path(self) -> str:
        """The resource path below the DICOMweb base, beginning with a slash."""
        path = f"/studies/{self.study}"
        if self.series:
            path += f"/series/{self.series}"
        if self.instance:
            path += f"/instances/{self.instance}"
        return path
