"""The frame list of a URL: `frames/1,4,2` (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

import re

from dicomweb.errors import InvalidRequest

# Eighteen digits: far beyond Number of Frames, an Integer String, so the answer to one that large is 404;
# more are no number that anybody means.
_FRAME_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def parse_frame_list(text: str) -> tuple[int, ...]:
    """Frame numbers, counted from 1, in the order given; repeats are kept (W-30).

    text: percent-decoded, so an encoded comma separates too (G-08). Raises InvalidRequest.

    >>> parse_frame_list("1,4,2")
    (1, 4, 2)
    """
    numbers = tuple(_frame_number(item.strip(" ")) for item in text.split(","))
    if 0 in numbers:
        raise InvalidRequest("A frame number is 0.", hint="Frames are counted from 1.")
    return numbers


def _frame_number(text: str) -> int:
    if not _FRAME_NUMBER.fullmatch(text):
        raise InvalidRequest(
            "The frame list of the URL is not a list of frame numbers.",
            hint="Frame numbers are integers from 1, separated by commas: frames/1,2,3.",
        )
    return int(text)
