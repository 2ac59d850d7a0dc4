"""What one data set may make the reader hold (B-02)."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.errors import InvalidDicom

_OUT_OF_RESOURCES = 0xA700


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Bounds of what one data set may make us hold (B-02).

    inline_bytes: longest byte string that goes inline into JSON; inline_text_bytes: longest text or list of
    numbers, of the VRs that may be bulkdata. sequence_depth: levels of sequences, at most 80.
    dataset_bytes: memory for all that is not bulkdata. value_bytes: longest value that cannot be bulkdata.
    inflate_bytes, inflate_ratio: bounds of a deflated data set, the ratio after the first 64 MiB.
    """

    inline_bytes: int = 1024
    sequence_depth: int = 64
    dataset_bytes: int = 64 << 20
    value_bytes: int = 4 << 20
    inflate_bytes: int = 4 << 30
    inflate_ratio: int = 250
    inline_text_bytes: int = 16 << 10


class Budget:
    """Memory that the parsed data set takes, counted in `held` while it grows."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def charge(self, cost: int) -> None:
        """Count memory. Raises InvalidDicom beyond the limit."""
        self.held += cost
        if self.held > self.limit:
            raise too_large()


def too_large() -> InvalidDicom:
    """The refusal of a data set beyond its budget."""
    return InvalidDicom(
        "The data set without its bulkdata is larger than the configured limit.",
        failure_reason=_OUT_OF_RESOURCES,
    )


def value_too_long() -> InvalidDicom:
    """The refusal of a value beyond value_bytes."""
    return InvalidDicom("A value is longer than the configured limit.", failure_reason=_OUT_OF_RESOURCES)
