"""From scanned parts to visible instances; requests that end together share one blob and one transaction.

What a small request costs is mostly a file made durable and a transaction committed, and both are as dear for
one instance as for fifty. So requests all of whose parts are still held when they end go in groups: one
thread job scans their parts, writes what can be stored and makes it durable.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.request_blobs import remove_blobs
from dicomweb.archive.small_parts import PartScan, Pieces, Scanned, SmallPart
from dicomweb.archive.store_outcomes import settled
from dicomweb.archive.store_step import StoreStep
from dicomweb.blobs import new_key
from dicomweb.catalog.instances import add_instances
from dicomweb.errors import Unavailable
from dicomweb.protocol.store_report import StoreOutcome


@dataclass(slots=True)
class HeldRequest:
    """A request all of whose parts are held; size: their bytes.

    outcomes: of every part when it is done; None: it has to be stored by itself, and nothing of it is yet.
    error: what failed, for this request alone.
    """

    archive: Archive
    scan: PartScan
    parts: Sequence[SmallPart]
    duplicates: str
    size: int
    step: StoreStep = field(init=False)
    outcomes: list[StoreOutcome] | None = field(init=False, default=None)
    error: Exception | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.step = StoreStep(duplicates=self.duplicates)

    @property
    def kind(self) -> Hashable:
        return self.archive.tenant_id, self.duplicates

    async def store(self) -> list[StoreOutcome] | None:
        """Make it durable and visible, together with others. Raises Unavailable."""
        await self.archive.store_groups.join(self, _store)
        if self.error is not None:
            raise self.error
        return self.outcomes

    def prepare(self, pack: Pieces) -> None:
        """Scan its parts, and append those that can be stored. Called in a thread."""
        found = Scanned(Pieces(pack.key, pack.offset), Pieces(""))
        step = StoreStep(duplicates=self.duplicates)
        try:
            self.scan.run(self.parts, step, found)
        except Exception as error:
            self.error = error
            return
        if not found.inflated.data and found.far is None:  # else it takes more blobs than one
            self.step, self.outcomes = step, found.refused
            pack.append(found.taken.data, found.taken.offset - pack.offset)


async def _store(group: Sequence[HeldRequest]) -> None:
    """Blob first, then one transaction; what it did not take is removed again."""
    archive, pack = group[0].archive, Pieces(new_key())
    writer = await archive.blobs.create(pack.key)
    try:
        await writer.write_made(partial(_prepared, group, pack), last=True)
    except BaseException:
        await writer.abort()
        raise
    # From here on the blob stays whatever happens: a commit whose answer was lost may have happened.
    sizes = {pack.key: writer.size} if writer.size else {}
    accepted = [request for request in group if request.step.accepted]
    try:
        used = await _commit(archive, accepted, sizes)
        # A resend or a refused duplicate. Ours alone, so safe to delete.
        await remove_blobs(archive, sizes.keys() - used)
    except Unavailable:
        raise
    except Exception:
        if len(accepted) == 1:
            raise
        await _commit_each(archive, accepted, sizes)


def _prepared(group: Sequence[HeldRequest], pack: Pieces) -> Sequence[bytes]:
    for request in group:
        request.prepare(pack)
    return pack.data


async def _commit(archive: Archive, requests: Sequence[HeldRequest], sizes: Mapping[str, int]) -> set[str]:
    """One transaction; the blobs that new rows point to."""
    found = await commit_steps(archive, [request.step for request in requests], sizes)
    for request, outcomes in zip(requests, found.outcomes, strict=True):
        assert request.outcomes is not None
        request.outcomes += outcomes
    return found.used


async def _commit_each(archive: Archive, requests: Sequence[HeldRequest], sizes: Mapping[str, int]) -> None:
    """One of them is more than the catalog takes: the others must not suffer for it."""
    for request in requests:
        try:
            await _commit(archive, [request], sizes)
        except Exception as error:
            request.error = error


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of each part, by step; and the blobs that new rows point to."""

    outcomes: list[list[StoreOutcome]]
    used: set[str]


async def commit_steps(archive: Archive, steps: Sequence[StoreStep], sizes: Mapping[str, int]) -> Committed:
    """One transaction for all that steps of one policy accepted.

    sizes: of the blobs that they point to, which are durable. Raises Unavailable.
    """
    accepted = [one for step in steps for one in step.accepted]
    if not accepted:
        return Committed([[] for _ in steps], set())
    new = [one.instance for one in accepted]
    added = await add_instances(
        archive.pool, archive.tenant_id, new, duplicates=steps[0].duplicates, blobs=sizes
    )
    states = iter(added)
    outcomes = [[out for one in step.accepted for out in settled(one, next(states))] for step in steps]
    written = [one for one, what in zip(new, added, strict=True) if what.state in ("stored", "replaced")]
    return Committed(outcomes, {key for one in written for key in one.blob_keys})
