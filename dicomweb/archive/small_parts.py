"""Parts of a store request that are short enough to be held: gathered on the loop, scanned in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dicomweb.archive.store_outcomes import refused
from dicomweb.archive.store_step import StoreStep
from dicomweb.catalog.columns import BlobPlace
from dicomweb.dicom.part10 import Scan, ScanLimits, scan
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_report import StoreOutcome
from dicomweb.settings import Settings

STUDY_MISMATCH = 0xA901  # PS3.4 B.2.3

# Inflated copies of deflated parts that are held at once.
_INFLATED_BYTES = 4 << 20
# A shorter piece costs more as an object of its own than its copy: a client may send a byte at a time.
_PIECE_BYTES = 16 << 10


class PartBytes:
    """A part while it comes: long pieces are kept as they are, short ones joined."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._joined = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if len(data) < _PIECE_BYTES:
            self._joined += data
            return
        self._end_joined()
        self._pieces.append(data)

    def _end_joined(self) -> None:
        if self._joined:
            self._pieces.append(bytes(self._joined))
            self._joined = bytearray()

    def pieces(self) -> Sequence[bytes]:
        """All of it, in order."""
        self._end_joined()
        return self._pieces


@dataclass(frozen=True, slots=True)
class SmallPart:
    """A part that is held. told: warnings of whoever wrote it. received: Scan.received."""

    pieces: Sequence[bytes]
    size: int
    told: tuple[str, ...] = ()
    received: str = ""


@dataclass(slots=True)
class Pieces:
    """What will be appended to the blob `key`, of which there are `offset` bytes already."""

    key: str
    offset: int = 0
    data: list[bytes] = field(default_factory=list)

    def place(self, size: int) -> BlobPlace:
        """Where the next piece comes to lie."""
        return BlobPlace(self.key, self.offset, size)

    def append(self, pieces: Sequence[bytes], size: int) -> None:
        self.data += pieces
        self.offset += size


@dataclass(slots=True)
class Scanned:
    """What became of the first `count` parts.

    taken: bytes of those that can be stored, and nothing else, so that a pack holds no dead bytes. inflated:
    the copies of deflated ones. far: the last of them, whose inflated copy is too long to be held.
    """

    taken: Pieces
    inflated: Pieces
    refused: list[StoreOutcome] = field(default_factory=list)
    count: int = 0
    far: SmallPart | None = None


@dataclass(frozen=True, slots=True)
class PartScan:
    """How the parts of one request are scanned.

    study: the Study Instance UID of the URL, which every instance must carry, or None. held_bytes: longest
    inflated copy that is held.
    """

    study: str | None
    limits: ScanLimits
    held_bytes: int

    @classmethod
    def of(cls, settings: Settings, study: str | None) -> PartScan:
        return cls(study, scan_limits(settings), settings.small_part_bytes)

    def run(self, parts: Sequence[SmallPart], step: StoreStep, found: Scanned) -> None:
        """Scan parts into a step, until the copies of deflated ones are enough. Work for a thread."""
        begin = found.inflated.offset
        for part in parts:
            found.count += 1
            try:
                self._scan(part, step, found)
            except _InflatesFar:
                found.far = part
                return
            except InvalidDicom as error:  # not kept itself: its traceback would hold what was inflated
                found.refused.append(refused(error))
            if found.inflated.offset - begin >= _INFLATED_BYTES:
                return

    def _scan(self, part: SmallPart, step: StoreStep, found: Scanned) -> None:
        inflated = bytearray()

        def keep(piece: bytes) -> None:
            if len(inflated) + len(piece) > self.held_bytes:
                raise _InflatesFar
            inflated.extend(piece)

        result = with_told(scan(part.pieces, limits=self.limits, on_inflated=keep), part.told, part.received)
        if self.folds(result, step):
            return
        is_deflated = result.inflated_length is not None
        copy = found.inflated.place(len(inflated)) if is_deflated else None
        step.add(result, found.taken.place(part.size), copy)
        found.taken.append(part.pieces, part.size)
        if inflated:
            found.inflated.append([bytes(inflated)], len(inflated))

    def folds(self, found: Scan, step: StoreStep) -> bool:
        """Check what the URL demands, and whether the part repeats another. Raises InvalidDicom."""
        if self.study is not None and found.study_instance_uid != self.study:
            raise InvalidDicom(
                "The Study Instance UID of the instance is not the one of the request URL.",
                failure_reason=STUDY_MISMATCH,
                sop_class_uid=found.sop_class_uid,
                sop_instance_uid=found.sop_instance_uid,
            )
        return step.fold(found)


class _InflatesFar(Exception):
    """Ends the scan of a part whose inflated copy is too long to be held."""


def with_told(found: Scan, told: tuple[str, ...], received: str) -> Scan:
    """The scan with sentences beside its own, and with what came where other bytes are stored."""
    if not told and not received:
        return found
    return replace(found, warnings=(*found.warnings, *told), received=received)


def scan_limits(settings: Settings) -> ScanLimits:
    """The parser limits that the settings name (B-02)."""
    return ScanLimits(
        inline_bytes=settings.inline_bytes,
        sequence_depth=settings.sequence_depth,
        dataset_bytes=settings.dataset_bytes,
        value_bytes=settings.value_bytes,
        inflate_bytes=settings.inflate_bytes,
        inflate_ratio=settings.inflate_ratio,
    )
