"""What a retrieve answer is made of: parts whose bodies are stretches of blobs, literals and flows.

A body without flows has a known length, and any range of it can be cut out without reading the rest: that
is how Content-Length and Range work for instances, frames, bulkdata and whole multipart answers alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes at hand."""

    data: bytes

    @property
    def length(self) -> int:
        """Size in bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Stretch:
    """`length` bytes at `offset` of a blob, sent as they lie there.

    instance_row: whose bytes these are, so that damage found while reading is noted on the right row.
    """

    key: str
    offset: int
    length: int
    instance_row: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Bytes that are made while they are sent (decoded, re-encoded).

    length: in bytes, None if unknown. instance_row: as of a Stretch.
    """

    chunks: Callable[[], AsyncIterator[bytes]]
    length: int | None = None
    instance_row: int = 0


# What need not be made.
Ready = Literal | Stretch
Segment = Ready | Flow
Body = Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an answer, or the single part of it.

    content_type: with its parameters. location: resource path below the base, for Content-Location.
    content_range: of a part that is a stretch of its resource, as the header says it.
    """

    content_type: str
    body: Body
    location: str = ""
    content_range: str = ""

    @property
    def length(self) -> int | None:
        """Bytes of the body, None when a flow does not know."""
        return body_length(self.body)


def body_length(body: Body) -> int | None:
    """Total size in bytes, or None."""
    total = 0
    for segment in body:
        if segment.length is None:
            return None
        total += segment.length
    return total


def is_seekable(body: Body) -> TypeGuard[Sequence[Ready]]:
    """True when any range can be cut out without making what comes before."""
    return not any(isinstance(segment, Flow) for segment in body)


def cut(body: Body, start: int, stop: int) -> list[Ready]:
    """The segments that hold bytes `start` to `stop` (exclusive) of a seekable body."""
    assert is_seekable(body), "a flow cannot be cut"
    found: list[Ready] = []
    position = 0
    for segment in body:
        first, last = max(start - position, 0), min(stop - position, segment.length)
        if first < last:
            found.append(part_of(segment, first, last))
        position += segment.length
    return found


def part_of(segment: Ready, first: int, last: int) -> Ready:
    """Bytes `first` to `last` (exclusive) of a segment."""
    if first == 0 and last == segment.length:
        return segment
    if isinstance(segment, Literal):
        return Literal(segment.data[first:last])
    return replace(segment, offset=segment.offset + first, length=last - first)
