"""What one HTTP/1.1 connection may use."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.settings import Settings


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bytes of a request's target and head, seconds for a head to arrive, and seconds without progress."""

    uri_bytes: int
    head_bytes: int
    head_seconds: float
    idle_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> HttpLimits:
        return cls(settings.uri_bytes, settings.head_bytes, settings.head_seconds, settings.body_idle_seconds)
