"""`reduce`, a query parameter of frames: how often their sides are halved (V-08; no part of PS3.18)."""

from __future__ import annotations

import re

from dicomweb.errors import InvalidRequest
from dicomweb.protocol.rendered_query import given, parameters

REDUCE = "reduce"
MOST_HALVINGS = 10
"""The longest side that PS3.3 knows, 65,535 pixels, comes down to 64."""
_COUNT = re.compile(r"[0-9]{1,2}", re.ASCII)


def parse_reduction(query: bytes) -> int:
    """How often each side is halved, rounded up; 0 without the parameter. Raises InvalidRequest.

    >>> parse_reduction(b"reduce=2")
    2
    """
    return given(parameters(query, (REDUCE,)), REDUCE, _halvings) or 0 if query else 0


def _halvings(text: str) -> int:
    if not _COUNT.fullmatch(text) or int(text) > MOST_HALVINGS:
        raise InvalidRequest(f"The parameter {REDUCE} is not an integer from 0 to {MOST_HALVINGS}.")
    return int(text)
