"""Lists of names with weights, as Accept-Encoding and Accept-Charset are (RFC 9110 12.4.2, 12.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dicomweb.protocol.media_types import split_outside_quotes

# RFC 9110 12.4.2, and Java's `q=.2`.
_QUALITY = re.compile(r"q\s*=\s*(0?\.[0-9]{1,6}|0|0\.|1(?:\.0{0,6})?)", re.IGNORECASE)


def weights(headers: Iterable[str]) -> dict[str, float]:
    """Each name of all header lines in lower case, and its weight from 0 to 1; 1 where it is none."""
    found: dict[str, float] = {}
    for member in (member for value in headers for member in split_outside_quotes(value, ",")):
        name, _, parameter = member.partition(";")
        match = _QUALITY.fullmatch(parameter.strip())
        found.setdefault(name.strip().lower(), float(match[1]) if match else 1.0)
    return found


def choose_coding(headers: Iterable[str], offered: Sequence[str]) -> str:
    """The content coding of an answer: of the offered ones, the better first, or identity (H-03).

    headers: Accept-Encoding lines. Identity is always there, and comes last where it has no weight.
    """
    asked = weights(headers)
    best, best_weight = "identity", 0.0
    for name in offered:
        weight = asked.get(name, asked.get("*", 0.0))
        if weight > best_weight:
            best, best_weight = name, weight
    return best if best_weight >= asked.get("identity", 0.0) else "identity"
