"""What one transaction of a store request will write."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomweb.catalog.columns import BlobPlace, NewInstance, new_instance
from dicomweb.dicom.part10 import Scan

# Typed columns and objects of one row, roughly; of one repeat.
_ROW_BYTES = 4 << 10
_REPEAT_BYTES = 200


@dataclass(frozen=True, slots=True)
class Accepted:
    """An instance that has no row yet.

    told: the scan's warnings for every part of the request that is this instance, nearly always one.
    """

    instance: NewInstance
    told: list[tuple[str, ...]] = field(default_factory=list)


class StoreStep:
    """Accepted instances in the order they came; a part that repeats one is folded into it.

    A repeat has the same data set in the same transfer syntax (S-25), so what becomes of the first becomes of
    it, and the catalog, which takes no SOP Instance UID twice in a transaction, needs not see it. Where
    other content replaces (`duplicates`), only the latest can be repeated: A, B, A must end with A.
    """

    def __init__(self, *, duplicates: str) -> None:
        self.accepted: list[Accepted] = []
        self.held_bytes = 0
        self.duplicates = duplicates
        self._replaces = duplicates == "replace"
        self._known: dict[tuple[str, bytes, str], Accepted] = {}
        self._latest: dict[str, Accepted] = {}

    def fold(self, found: Scan) -> bool:
        """Whether this part repeats an accepted one, which then speaks for it."""
        first = self._known.get((found.sop_instance_uid, found.digest, found.transfer_syntax_uid))
        if first is None or (self._replaces and self._latest[found.sop_instance_uid] is not first):
            return False
        first.told.append(found.warnings)
        self.held_bytes += _REPEAT_BYTES
        return True

    def add(self, found: Scan, place: BlobPlace, inflated: BlobPlace | None) -> None:
        """Prepare the rows: work for a thread."""
        one = Accepted(new_instance(found, place, inflated=inflated), [found.warnings])
        self.accepted.append(one)
        self.held_bytes += _held_bytes(one.instance)
        self._known[found.sop_instance_uid, found.digest, found.transfer_syntax_uid] = one
        self._latest[found.sop_instance_uid] = one


def _held_bytes(one: NewInstance) -> int:
    return _ROW_BYTES + sum(
        map(
            len,
            (
                one.study_attributes,
                one.series_attributes,
                one.instance_attributes,
                one.file_meta,
                one.metadata,
                one.bulkdata or b"",
                one.frame_entries,
            ),
        )
    )
