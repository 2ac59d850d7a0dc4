"""Storing instances: one act for STOW-RS, the command line and, later, C-STORE.

chunks → scan → validate → durable blob → one catalog transaction → outcomes. A part up to
`small_part_bytes` is held, scanned from memory and appended to the request's pack only when it can be
stored, so that a pack holds no dead bytes; a longer one streams into a blob of its own while a thread
scans it. Nothing is visible before its blob is durable and its row is committed (invariants 1 and 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dicomweb.archive.archive import Archive
from dicomweb.archive.chunk_pipe import ChunkPipe
from dicomweb.archive.through_thread import BRIDGES
from dicomweb.blobs import BlobWriter, new_key
from dicomweb.catalog.columns import BlobPlace, NewInstance, new_instance
from dicomweb.catalog.instances import Added, add_instances
from dicomweb.dicom.part10 import Scan, ScanLimits, scan
from dicomweb.dicom.target import Target
from dicomweb.errors import InvalidDicom, Unavailable
from dicomweb.protocol.store_report import StoreOutcome
from dicomweb.settings import Settings

# Failure and warning reasons: PS3.18 I.2, PS3.4 B.2.3 and our ranges (S-20..S-25, S-45).
STUDY_MISMATCH = 0xA901
DUPLICATE = 0x0111
PROCESSING_FAILURE = 0x0110
ELEMENTS_DISCARDED = 0xB006
DOES_NOT_MATCH_SOP_CLASS = 0xB007

# Small parts wait in memory until this many bytes make one thread hop and one write worth while.
_BATCH_BYTES = 4 << 20
# Rows that wait for one transaction; a request with more is committed in steps, so memory stays bounded.
_BATCH_ROWS = 2000
_PIPE_BYTES = 1 << 20
_WATERMARK_STEP = 64 << 20


@dataclass(slots=True)
class _Held:
    """An accepted instance whose blob is not committed yet."""

    instance: NewInstance
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a part was not stored."""

    error: InvalidDicom


class Ingest:
    """One store request: feed it parts, then `finish`, or `abort` to leave the archive unchanged.

    study: the Study Instance UID of the URL, which every instance must carry, or None.
    """

    def __init__(self, archive: Archive, *, study: str | None = None) -> None:
        self._archive = archive
        self._settings = archive.settings
        self._study = study
        self._limits = scan_limits(archive.settings)
        self._outcomes: list[StoreOutcome] = []
        self._small: list[bytes] = []
        self._small_bytes = 0
        self._pack: BlobWriter | None = None
        self._pack_key = ""
        self._writers: dict[str, BlobWriter] = {}
        self._held: list[_Held] = []
        self._part = bytearray()
        self._large: _LargePart | None = None
        self._unchecked = _WATERMARK_STEP

    async def write(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the current part. Raises Unavailable when the disk is nearly full."""
        await self._check_watermark(len(chunk))
        if self._large is not None:
            await self._large.write(bytes(chunk))
            return
        self._part += chunk
        if len(self._part) > self._settings.small_part_bytes:
            self._large = await self._open_large()
            head, self._part = bytes(self._part), bytearray()
            await self._large.write(head)

    async def end_part(self) -> None:
        """The current part is complete."""
        if self._large is not None:
            large, self._large = self._large, None
            await self._settle_large(large)
        else:
            self._small.append(bytes(self._part))
            self._small_bytes += len(self._part)
            self._part = bytearray()
            if self._small_bytes >= _BATCH_BYTES:
                await self._settle_small()
        if len(self._held) >= _BATCH_ROWS or (self._pack and self._pack.size >= self._settings.pack_bytes):
            await self._commit()

    def refuse_part(self, error: InvalidDicom) -> None:
        """Record a part that is no Part 10 stream at all (a wrong media type, say)."""
        self._outcomes.append(_failure(error))

    async def finish(self) -> Sequence[StoreOutcome]:
        """Make everything durable and visible; returns an outcome for every part, in no fixed order.

        Raises Unavailable when the catalog or the object store is: nothing of this step is visible then.
        """
        await self._settle_small()
        await self._commit()
        return self._outcomes

    async def abort(self) -> None:
        """Drop all that is not committed."""
        if self._large is not None:
            await self._large.tear()
            self._large = None
        writers, self._writers, self._held = self._writers, {}, []
        self._pack = None
        for writer in writers.values():
            await writer.abort()

    async def _check_watermark(self, length: int) -> None:
        self._unchecked += length
        if self._unchecked >= _WATERMARK_STEP:
            self._unchecked = 0
            await check_free_space(self._archive)

    async def _new_writer(self) -> tuple[str, BlobWriter]:
        key = new_key()
        writer = await self._archive.blobs.create(key)
        self._writers[key] = writer
        return key, writer

    async def _drop_writer(self, key: str) -> None:
        writer = self._writers.pop(key, None)
        if writer is not None:
            await writer.abort()

    async def _settle_small(self) -> None:
        """Scan the small parts that wait, and append those that can be stored to the pack."""
        parts, self._small, self._small_bytes = self._small, [], 0
        if not parts:
            return
        if self._pack is None:
            self._pack_key, self._pack = await self._new_writer()
        results = await asyncio.get_running_loop().run_in_executor(
            None, self._scan_small, parts, self._pack_key, self._pack.size
        )
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, _Refusal):
                self._outcomes.append(_failure(result.error))
            elif isinstance(result, _Deflated):
                await self._store_deflated(part)
            else:
                await self._pack.write(part)
                self._held.append(result)

    def _scan_small(
        self, parts: Sequence[bytes], key: str, offset: int
    ) -> list[_Held | _Refusal | _Deflated]:
        """Scan whole parts in one thread hop; offsets are those that the accepted ones will have."""
        results: list[_Held | _Refusal | _Deflated] = []
        for part in parts:
            try:
                found = scan([part], limits=self._limits, on_inflated=_refuse_inflated)
                place = BlobPlace(key, offset, len(part))
                results.append(self._accept(found, place))
                offset += len(part)
            except _IsDeflated:
                results.append(_Deflated())
            except InvalidDicom as error:
                results.append(_Refusal(error))
        return results

    def _accept(self, found: Scan, place: BlobPlace, inflated: BlobPlace | None = None) -> _Held:
        """Check what the URL demands, and prepare the rows. Raises InvalidDicom."""
        if self._study is not None and found.study_instance_uid != self._study:
            raise InvalidDicom(
                "The Study Instance UID of the instance is not the one of the request URL.",
                failure_reason=STUDY_MISMATCH,
                sop_class_uid=found.sop_class_uid,
                sop_instance_uid=found.sop_instance_uid,
            )
        return _Held(new_instance(found, place, inflated=inflated), found.warnings)

    async def _store_deflated(self, part: bytes) -> None:
        """A deflated data set gets an inflated copy beside it, so it takes the road of the large parts."""
        large = await self._open_large()
        await large.write(part)
        await self._settle_large(large)

    async def _open_large(self) -> _LargePart:
        key, writer = await self._new_writer()
        return _LargePart(self, key, writer)

    async def _settle_large(self, large: _LargePart) -> None:
        try:
            found, inflated = await large.finish()
            place = BlobPlace(large.key, 0, large.writer.size)
            held = await asyncio.get_running_loop().run_in_executor(
                None, partial(self._accept, found, place, inflated)
            )
        except InvalidDicom as error:
            await large.drop()
            self._outcomes.append(_failure(error))
        else:
            self._held.append(held)

    async def _commit(self) -> None:
        """Blobs first, then one transaction; what it did not take is removed again."""
        held, self._held = self._held, []
        self._pack = None
        sizes: dict[str, int] = {}
        while self._writers:
            key, writer = next(iter(self._writers.items()))
            if held and writer.size:
                await writer.commit()
                sizes[key] = writer.size
            else:
                await writer.abort()
            del self._writers[key]
        if not held:
            return
        # From here on the blobs stay whatever happens: a commit whose answer was lost may have happened.
        added = await add_instances(
            self._archive.pool,
            self._archive.tenant_id,
            [one.instance for one in held],
            duplicates=self._settings.duplicates,
            blobs=sizes,
        )
        self._outcomes += [_outcome(one, what) for one, what in zip(held, added, strict=True)]
        await self._remove_unused(sizes, held, added)

    async def _remove_unused(
        self, sizes: dict[str, int], held: Sequence[_Held], added: Sequence[Added]
    ) -> None:
        """Blobs that no new row points to: a resend or a refused duplicate. Ours alone, so safe to delete."""
        used: set[str] = set()
        for one, what in zip(held, added, strict=True):
            if what.state in ("stored", "replaced"):
                used.update(one.instance.blob_keys)
        for key in sizes.keys() - used:
            await self._archive.blobs.delete(key)


class _LargePart:
    """A part that streams into its own blob while a thread scans the same bytes."""

    def __init__(self, ingest: Ingest, key: str, writer: BlobWriter) -> None:
        self.key = key
        self.writer = writer
        self._ingest = ingest
        self._pipe = ChunkPipe(capacity=_PIPE_BYTES)
        self._loop = asyncio.get_running_loop()
        self._inflated_key = ""
        self._inflated: BlobWriter | None = None
        self._failed = False
        self._scan = self._loop.run_in_executor(BRIDGES, self._run)

    def _run(self) -> Scan:
        try:
            return scan(self._pipe, limits=self._ingest._limits, on_inflated=self._write_inflated)
        except BaseException:
            self._failed = True
            raise
        finally:
            self._pipe.abandon()

    def _write_inflated(self, data: bytes) -> None:
        """Called in the scan thread: the copy is written with the same backpressure as the part itself."""
        asyncio.run_coroutine_threadsafe(self._append_inflated(data), self._loop).result()

    async def _append_inflated(self, data: bytes) -> None:
        if self._inflated is None:
            self._inflated_key, self._inflated = await self._ingest._new_writer()
        await self._ingest._check_watermark(len(data))
        await self._inflated.write(data)

    async def write(self, chunk: bytes) -> None:
        if self._failed:  # refused already: the rest of the part is read and dropped
            return
        await self._pipe.put(chunk)
        await self.writer.write(chunk)

    async def finish(self) -> tuple[Scan, BlobPlace | None]:
        """What the scan found. Raises InvalidDicom."""
        self._pipe.end()
        found = await self._scan
        if self._inflated is None:
            return found, None
        return found, BlobPlace(self._inflated_key, 0, self._inflated.size)

    async def tear(self) -> None:
        """The upload ended in the middle of this part."""
        self._pipe.tear()
        await asyncio.gather(self._scan, return_exceptions=True)

    async def drop(self) -> None:
        """Remove the bytes of a refused part."""
        await self._ingest._drop_writer(self.key)
        await self._ingest._drop_writer(self._inflated_key)


class _IsDeflated(Exception):
    """The part inflates: it must be stored on the other road."""


@dataclass(frozen=True, slots=True)
class _Deflated:
    """Marks a small part whose data set is deflated."""


def _refuse_inflated(_data: bytes) -> None:
    raise _IsDeflated


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


async def check_free_space(archive: Archive) -> None:
    """Refuse early, before a full disk can hurt what is stored. Raises Unavailable (503)."""
    free = await archive.blobs.free_bytes()
    if free is not None and free < archive.settings.min_free_bytes:
        raise Unavailable(
            "The archive's disk is nearly full; nothing more is stored until space is made.",
            retry_after=60,
            hint="Free space on the volume of the data directory, or lower DICOMWEB_MIN_FREE_BYTES.",
        )


def _failure(error: InvalidDicom) -> StoreOutcome:
    return StoreOutcome(
        sop_class_uid=error.sop_class_uid,
        sop_instance_uid=error.sop_instance_uid,
        study_instance_uid="",
        retrieve_path="",
        failure_reason=error.failure_reason,
        warning_reason=None,
        sentence=error.message,
    )


def _stored(held: _Held) -> tuple[int | None, int | None, str]:
    if held.warnings:
        return None, DOES_NOT_MATCH_SOP_CLASS, " ".join(held.warnings)
    return None, None, ""


def _kept(_held: _Held) -> tuple[int | None, int | None, str]:
    sentence = (
        "Another instance with this SOP Instance UID is stored; by policy it was kept and this one not."
    )
    return None, ELEMENTS_DISCARDED, sentence


def _conflict(_held: _Held) -> tuple[int | None, int | None, str]:
    sentence = "Another instance with this SOP Instance UID and other content is stored already."
    return DUPLICATE, None, sentence


# What became of an instance in the catalog -> failure reason, warning reason, sentence.
_REASONS: dict[str, Callable[[_Held], tuple[int | None, int | None, str]]] = {
    "stored": _stored,
    "identical": _stored,
    "replaced": _stored,
    "kept": _kept,
    "conflict": _conflict,
}


def _outcome(held: _Held, added: Added) -> StoreOutcome:
    failure, warning, sentence = _REASONS[added.state](held)
    one = held.instance
    target = Target(one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid)
    return StoreOutcome(
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        study_instance_uid=one.study_instance_uid,
        retrieve_path=target.path,
        failure_reason=failure,
        warning_reason=warning,
        sentence=sentence,
    )
