"""The log never repeats what an exception says, unless the sentence is our own."""

from __future__ import annotations

import logging
import sys

from dicomweb.errors import Unavailable
from dicomweb.run.logs import PrivateFormatter


def _logged(error: Exception) -> str:
    try:
        raise error
    except Exception:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "It failed", None, sys.exc_info())
    return PrivateFormatter().format(record)


def test_a_foreign_exception_shows_its_type_and_place_only() -> None:
    said = _logged(ValueError("invalid literal for int() with base 10: 'DOE^JOHN'"))
    assert said.endswith("\nValueError")
    assert "test_logs.py" in said
    assert "DOE" not in said


def test_our_own_sentences_are_shown() -> None:
    assert _logged(Unavailable("The disk is full.")).endswith("\nUnavailable: The disk is full.")
