"""Storing instances: one act for STOW-RS, the command line and, later, C-STORE.

chunks → scan → validate → durable blob → one catalog transaction → outcomes. A part up to
`small_part_bytes` is held, scanned from memory and appended to a pack only when it can be stored, so that a
pack holds no dead bytes; a longer one streams into a blob of its own while a thread scans it, and so does any
part that the memory for all uploads has no room for. A request all of whose parts are held when it ends
shares its pack and its transaction with others that end then. Nothing is visible before its blob is durable
and its row is committed (invariants 1 and 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ParamSpec, TypeVar

from dicomweb.archive.archive import Archive
from dicomweb.archive.large_part import LargePart
from dicomweb.archive.request_blobs import Pack, RequestBlobs, remove_blobs
from dicomweb.archive.small_parts import PartBytes, PartScan, Pieces, Scanned, SmallPart, with_told
from dicomweb.archive.store_groups import HeldRequest, commit_steps
from dicomweb.archive.store_outcomes import refused
from dicomweb.archive.store_step import StoreStep
from dicomweb.archive.uploads import Share
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_report import StoreOutcome

P = ParamSpec("P")
T = TypeVar("T")

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
        self._scan = PartScan.of(archive.settings, study)
        self._share = Share(archive.uploads)
        self._outcomes: list[StoreOutcome] = []
        self._part = PartBytes()
        self._told: tuple[str, ...] = ()
        self._received = ""
        self._large: LargePart | None = None
        self._small: list[SmallPart] = []
        self._small_bytes = 0
        self._blobs = RequestBlobs(archive)
        self._begin_step()

    def _begin_step(self) -> None:
        self._step = StoreStep(duplicates=self._duplicates)
        self._pack = Pack(self._blobs)
        self._inflated_pack = Pack(self._blobs)
        self._step_share = 0

    async def write(self, chunk: bytes) -> None:
        """The next bytes of the current part. Raises Unavailable when the archive has no room for them."""
        await self._blobs.check_room(len(chunk))
        if self._large is None:
            if await self._can_hold(len(chunk)):
                self._part.add(chunk)
                return
            await self._settle_small()  # where other content replaces, the order of parts decides
            self._large = await self._spool(self._part.pieces())
            self._share.add(-self._part.size)
            self._part = PartBytes()
        await self._large.write(chunk)

    def warn(self, sentence: str) -> None:
        """Say something of the current part beside what its scan finds."""
        self._told = (*self._told, sentence)

    async def end_part(self) -> None:
        """The current part is complete."""
        told, self._told = self._told, ()
        received, self._received = self._received, ""
        if self._large is not None:
            await self._settle_large(self._large, told, received)
        else:
            self._small.append(SmallPart(self._part.pieces(), self._part.size, told, received))
            self._small_bytes += self._part.size
            self._part = PartBytes()
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
        self._share.add(-self._part.size)
        self._part = PartBytes()
        self.refuse_part(error)

    def refuse_part(self, error: InvalidDicom) -> None:
        """Record a part that is no Part 10 stream at all (a wrong media type, say)."""
        self._outcomes.append(refused(error))

    async def finish(self) -> Sequence[StoreOutcome]:
        """Make everything durable and visible; returns an outcome for every part, in no fixed order.

        Raises Unavailable when the catalog or the object store is: nothing of this step is visible then.
        """
        if not await self._finish_held():
            await self._settle_small()
            await self._commit()
        self._share.close()
        return self._outcomes

    async def _finish_held(self) -> bool:
        """Store together with other requests, where all that is left of this one is held."""
        if not self._small or self._step.accepted or not self._blobs.is_empty:
            return False
        held = HeldRequest(self._archive, self._scan, self._small, self._duplicates, self._small_bytes)
        outcomes = await held.store()
        if outcomes is None:
            return False
        self._outcomes += outcomes
        return True

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
        if self._part.size + more > self._settings.small_part_bytes:
            return False
        if not self._share.take(more):
            await self._settle_small()
            return self._share.take(more)
        return True

    async def _spool(self, begun: Iterable[bytes]) -> LargePart:
        """Go on with a part in a blob of its own. Raises Unavailable when too many do."""
        large = LargePart(self._archive.uploads, self._blobs, self._scan.limits)
        await large.open()
        try:
            for piece in begun:
                await large.write(piece)
        except BaseException:
            large.close()
            await large.tear()
            raise
        return large

    async def _settle_large(self, large: LargePart, told: tuple[str, ...], received: str) -> None:
        """Its bytes are durable when this returns, or gone."""
        try:
            found = with_told(await large.finish(), told, received)
            if not self._scan.folds(found, self._step):
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
            found = Scanned(
                Pieces(self._pack.key, self._pack.size),
                Pieces(self._inflated_pack.key, self._inflated_pack.size),
            )
            await self._pack.append_made(partial(self._scanned, parts, found))
            await self._inflated_pack.append(found.inflated.data)
            self._outcomes += found.refused
            if found.far is not None:
                self._large = await self._spool(found.far.pieces)
                await self._settle_large(self._large, found.far.told, found.far.received)
            parts = parts[found.count :]
        self._share.add(-self._small_bytes)
        self._small_bytes = 0

    def _scanned(self, parts: Sequence[SmallPart], found: Scanned) -> Sequence[bytes]:
        self._scan.run(parts, self._step, found)
        return found.taken.data

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
        found = await commit_steps(self._archive, [step], sizes)
        self._share.add(-share)
        self._outcomes += found.outcomes[0]
        # A resend or a refused duplicate. Ours alone, so safe to delete.
        await remove_blobs(self._archive, sizes.keys() - found.used)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
