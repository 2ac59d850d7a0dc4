"""How far a store request may grow while its instances are put together (B-02).

Instances may share a part: a colour profile or a palette is sent once and written into each. Without a bound,
a request of a megabyte that names one part over and over would fill the disk.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.errors import InvalidDicom

_OUT_OF_RESOURCES = 0xA700
# Shared values are small beside pixels, which are an instance's own: honest requests hardly grow.
TIMES = 4
FREE_BYTES = 64 << 20
# What a part costs beside its bytes: many empty ones are work too.
_PART_BYTES = 64


@dataclass(slots=True)
class Growth:
    """What has been made of a request so far; once that is too much, so is everything after it.

    size: bytes that came. inflate_ratio: most bytes that one of a compressed picture may become.
    """

    size: int
    inflate_ratio: int
    written: int = 0
    unfolded: int = 0

    def write(self, length: int, parts: int = 1) -> None:
        """A value goes into an instance. Raises InvalidDicom."""
        self.written += length + parts * _PART_BYTES
        _check(self.written, FREE_BYTES + TIMES * self.size)

    def unfold(self, length: int) -> None:
        """A picture becomes native pixels. Raises InvalidDicom."""
        self.unfolded += length
        _check(self.unfolded, FREE_BYTES + self.inflate_ratio * self.size)


def _check(made: int, limit: int) -> None:
    if made > limit:
        raise InvalidDicom(
            "The instances of the request hold its bulkdata too many times, or pictures that unfold too far.",
            failure_reason=_OUT_OF_RESOURCES,
        )
