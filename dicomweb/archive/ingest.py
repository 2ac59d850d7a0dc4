"""Storing instances: one act for STOW-RS, the command line and, later, C-STORE.

chunks → scan → validate → durable blob → one catalog transaction → outcomes. A part up to
`small_part_bytes` is held, scanned from memory and appended to the request's pack only when it can be
stored, so that a pack holds no dead bytes; a longer one streams into a blob of its own while a thread
scans it, and so does any part that the memory for all uploads has no room for. Nothing is visible before
its blob is durable and its row is committed (invariants 1 and 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import ParamSpec, TypeVar

from dicomweb.archive.archive import Archive
from dicomweb.archive.large_part import LargePart
from dicomweb.archive.request_blobs import Pack, RequestBlobs
from dicomweb.archive.store_outcomes import refused, settled
from dicomweb.archive.store_step import Accepted, StoreStep
from dicomweb.archive.uploads import Share
from dicomweb.catalog.columns import BlobPlace
from dicomweb.catalog.instances import Added, add_instances
from dicomweb.dicom.part10 import Scan, ScanLimits, scan
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_report import StoreOutcome
from dicomweb.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

STUDY_MISMATCH = 0xA901  # PS3.4 B.2.3

# Small parts wait in memory until this many bytes make one thread hop and one write worth while.
_BATCH_BYTES = 4 << 20
# What waits for one transaction; a request with more is committed in steps, so memory stays bounded.
_STEP_ROWS = 2000
_STEP_BYTES = 16 << 20


class Ingest:
    """One store request: feed it parts, then `finish`, or `abort` to leave the archive unchanged.

    study: the Study Instance UID of the URL, which every instance must carry, or None. duplicates: what other
    content under a known SOP Instance UID means, where that is not the setting.
    """

    def __init__(self, archive: Archive, *, study: str | None = None, duplicates: str = "") -> None:
        self._archive = archive
        self._settings = archive.settings
        self._duplicates = duplicates or archive.settings.duplicates
        self._study = study
        self._limits = scan_limits(archive.settings)
        self._share = Share(archive.uploads)
        self._outcomes: list[StoreOutcome] = []
        self._part = bytearray()
        self._told: tuple[str, ...] = ()
        self._large: LargePart | None = None
        self._small: list[_Small] = []
        self._small_bytes = 0
        self._blobs = RequestBlobs(archive)
        self._begin_step()

    def _begin_step(self) -> None:
        self._step = StoreStep(duplicates=self._duplicates)
        self._pack = Pack(self._blobs)
        self._inflated_pack = Pack(self._blobs)
        self._step_share = 0

    async def write(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the current part. Raises Unavailable when the archive has no room for them."""
        await self._blobs.check_room(len(chunk))
        if self._large is None:
            if await self._can_hold(len(chunk)):
                self._part += chunk
                return
            await self._settle_small()  # where other content replaces, the order of parts decides
            self._large = await self._spool(self._part)
            self._share.add(-len(self._part))
            self._part = bytearray()
        await self._large.write(chunk)

    def warn(self, sentence: str) -> None:
        """Say something of the current part beside what its scan finds."""
        self._told = (*self._told, sentence)

    async def end_part(self) -> None:
        """The current part is complete."""
        told, self._told = self._told, ()
        if self._large is not None:
            await self._settle_large(self._large, told)
        else:
            self._small.append(_Small(bytes(self._part), told))
            self._small_bytes += len(self._part)
            self._part = bytearray()
            if self._small_bytes >= _BATCH_BYTES or self._share.is_exceeded:
                await self._settle_small()
        if self._is_step_full():
            await self._commit()

    async def fail_part(self, error: InvalidDicom) -> None:
        """Drop the current part: it turned out that there is no whole instance."""
        self._told = ()
        large, self._large = self._large, None
        if large is not None:
            large.close()
            await large.tear()
            await large.drop()
        self._share.add(-len(self._part))
        self._part = bytearray()
        self.refuse_part(error)

    def refuse_part(self, error: InvalidDicom) -> None:
        """Record a part that is no Part 10 stream at all (a wrong media type, say)."""
        self._outcomes.append(refused(error))

    async def finish(self) -> Sequence[StoreOutcome]:
        """Make everything durable and visible; returns an outcome for every part, in no fixed order.

        Raises Unavailable when the catalog or the object store is: nothing of this step is visible then.
        """
        await self._settle_small()
        await self._commit()
        self._share.close()
        return self._outcomes

    async def abort(self) -> None:
        """Drop all that is not committed."""
        self._share.close()
        large, self._large = self._large, None
        if large is not None:
            large.close()
            await large.tear()
        await self._blobs.abort()

    # --- parts -------------------------------------------------------------------------------------

    async def _can_hold(self, more: int) -> bool:
        if len(self._part) + more > self._settings.small_part_bytes:
            return False
        if not self._share.take(more):
            await self._settle_small()
            return self._share.take(more)
        return True

    async def _spool(self, begun: bytes | bytearray) -> LargePart:
        """Go on with a part in a blob of its own. Raises Unavailable when too many do."""
        large = LargePart(self._archive.uploads, self._blobs, self._limits)
        await large.open()
        try:
            await large.write(begun)
        except BaseException:
            large.close()
            await large.tear()
            raise
        return large

    async def _settle_large(self, large: LargePart, told: tuple[str, ...]) -> None:
        """Its bytes are durable when this returns, or gone."""
        try:
            found = _with_warnings(await large.finish(), told)
            if not self._folds(found):
                await _in_thread(self._step.add, found, *large.places)
                await large.commit()
        except InvalidDicom as error:
            self._outcomes.append(refused(error))
        await large.drop()  # what was not committed
        self._large = None
        large.close()

    async def _settle_small(self) -> None:
        """Scan the small parts that wait, and append those that can be stored to the pack."""
        parts, self._small = self._small, []
        while parts:
            verdicts = await _in_thread(self._scan_small, parts)
            for part, verdict in zip(parts, verdicts, strict=False):
                await self._settle(part, verdict)
            parts = parts[len(verdicts) :]
        self._share.add(-self._small_bytes)
        self._small_bytes = 0

    async def _settle(self, part: _Small, verdict: _Verdict) -> None:
        if isinstance(verdict, StoreOutcome):
            self._outcomes.append(verdict)
        elif verdict is _Other.INFLATES_FAR:
            self._large = await self._spool(part.data)
            await self._settle_large(self._large, part.told)
        elif isinstance(verdict, _Taken):
            await self._pack.append(part.data)
            if verdict.inflated:
                await self._inflated_pack.append(verdict.inflated)

    def _scan_small(self, parts: Sequence[_Small]) -> list[_Verdict]:
        """Scan whole parts in one thread hop, until the inflated copies of deflated ones are a batch."""
        verdicts: list[_Verdict] = []
        offset, inflated_offset = self._pack.size, self._inflated_pack.size
        begin = inflated_offset
        for part in parts:
            verdict = self._scan_one(part, offset, inflated_offset)
            verdicts.append(verdict)
            if isinstance(verdict, _Taken):
                offset += len(part.data)
                inflated_offset += len(verdict.inflated)
            if verdict is _Other.INFLATES_FAR or inflated_offset - begin >= _BATCH_BYTES:
                break
        return verdicts

    def _scan_one(self, part: _Small, offset: int, inflated_offset: int) -> _Verdict:
        """Scan a part; the offsets are those that it and its inflated copy will have in the packs."""
        inflated = bytearray()

        def keep(piece: bytes) -> None:
            if len(inflated) + len(piece) > self._settings.small_part_bytes:
                raise _InflatesFar
            inflated.extend(piece)

        try:
            found = scan([part.data], limits=self._limits, on_inflated=keep)
            found = _with_warnings(found, part.told)
            if self._folds(found):
                return _Other.FOLDED
            place, copy = BlobPlace(self._pack.key, offset, len(part.data)), None
            if found.inflated_length is not None:
                copy = BlobPlace(self._inflated_pack.key, inflated_offset, len(inflated))
            self._step.add(found, place, copy)
        except _InflatesFar:
            return _Other.INFLATES_FAR
        except InvalidDicom as error:  # not kept itself: its traceback would hold what was inflated
            return refused(error)
        return _Taken(inflated)

    def _folds(self, found: Scan) -> bool:
        """Check what the URL demands, and whether the part repeats another. Raises InvalidDicom."""
        if self._study is not None and found.study_instance_uid != self._study:
            raise InvalidDicom(
                "The Study Instance UID of the instance is not the one of the request URL.",
                failure_reason=STUDY_MISMATCH,
                sop_class_uid=found.sop_class_uid,
                sop_instance_uid=found.sop_instance_uid,
            )
        return self._step.fold(found)

    # --- steps -------------------------------------------------------------------------------------

    def _is_step_full(self) -> bool:
        step = self._step
        held = step.held_bytes + self._pack.held_bytes + self._inflated_pack.held_bytes
        self._share.add(held - self._step_share)
        self._step_share = held
        return (
            len(step.accepted) >= _STEP_ROWS
            or step.held_bytes >= _STEP_BYTES
            or self._pack.size >= self._settings.pack_bytes
            or self._inflated_pack.size >= self._settings.pack_bytes
            or (self._share.is_exceeded and bool(step.accepted))
        )

    async def _commit(self) -> None:
        """Blobs first, then one transaction; what it did not take is removed again."""
        step, share = self._step, self._step_share
        await self._pack.commit()
        await self._inflated_pack.commit()
        # From here on the blobs stay whatever happens: a commit whose answer was lost may have happened.
        sizes = self._blobs.hand_over()
        self._begin_step()
        if not step.accepted:
            return
        added = await add_instances(
            self._archive.pool,
            self._archive.tenant_id,
            [one.instance for one in step.accepted],
            duplicates=self._duplicates,
            blobs=sizes,
        )
        self._share.add(-share)
        for one, what in zip(step.accepted, added, strict=True):
            self._outcomes += settled(one, what)
        # A resend or a refused duplicate. Ours alone, so safe to delete.
        await self._blobs.remove(sizes.keys() - _used(step.accepted, added))


@dataclass(frozen=True, slots=True)
class _Small:
    """A part that is held. told: warnings of whoever wrote it."""

    data: bytes
    told: tuple[str, ...]


def _with_warnings(found: Scan, told: tuple[str, ...]) -> Scan:
    return replace(found, warnings=(*found.warnings, *told)) if told else found


@dataclass(frozen=True, slots=True)
class _Taken:
    """A small part that goes to the pack. inflated: its copy, empty when it is not deflated."""

    inflated: bytearray


class _Other(Enum):
    """FOLDED: another part speaks for it. INFLATES_FAR: its inflated copy is too long to be held."""

    FOLDED = auto()
    INFLATES_FAR = auto()


# What the scan of a small part came to; an outcome is a refusal.
_Verdict = StoreOutcome | _Taken | _Other


class _InflatesFar(Exception):
    """Ends the scan of a part whose inflated copy is too long to be held."""


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))


def _used(accepted: Sequence[Accepted], added: Sequence[Added]) -> set[str]:
    """Blobs that a new row points to."""
    written = [one for one, what in zip(accepted, added, strict=True) if what.state in ("stored", "replaced")]
    return {key for one in written for key in one.instance.blob_keys}


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
