"""Logging to standard error, without patient data: an exception shows its type and place, never its text."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

from dicomweb.errors import ArchiveError

_FORMAT = "%(asctime)s %(levelname)s %(name)s [%(process)d] %(message)s"


class PrivateFormatter(logging.Formatter):
    """Leaves out what exceptions say: int('DOE^JOHN') would put the name into the log.

    Our own errors may speak: their sentences hold no values (errors.py).
    """

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        _, error, place = ei
        lines = [line.rstrip() for line in traceback.format_tb(place)]
        said = f": {error.message}" if isinstance(error, ArchiveError) else ""
        return "\n".join([*lines, type(error).__qualname__ + said])


def configure_logging(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(PrivateFormatter(_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
