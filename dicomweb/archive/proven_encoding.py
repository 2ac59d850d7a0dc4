"""A native image encoded before it is stored, and the proof that it is still the same (V-08).

It is made what a retrieve in that syntax would give, and that is read again: attributes, long values and
decoded pixels must be those that came. Anything else, and whatever cannot be encoded or does not stand the
proof, is stored as it came. What is remembered of the received data set is its digest, so that a resend is
known (S-25).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import partial

import orjson

from dicomweb.archive.archive import Archive
from dicomweb.archive.derived import Derived
from dicomweb.archive.frames import FrameReader
from dicomweb.archive.reading import closing, read_body
from dicomweb.archive.represent import part10
from dicomweb.archive.small_parts import scan_limits
from dicomweb.archive.spool import Spool
from dicomweb.blobs.memory import MemoryBlobs
from dicomweb.blobs.protocol import STREAM_CHUNK
from dicomweb.catalog.columns import received_as
from dicomweb.catalog.digests import stored_digests
from dicomweb.catalog.lookup import InstanceSource
from dicomweb.dicom.element_json import BulkValue
from dicomweb.dicom.frame_index import unpack
from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.part10 import Scan, scan
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
)
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.errors import DecodeFailed, InvalidDicom, Unavailable
from dicomweb.pixels.codecs import decoded_length
from dicomweb.pixels.same_frame import same_frame_parameters
from dicomweb.pixels.transcode import can_transcode, native_length

_LOG = logging.getLogger(__name__)
_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
_RECEIVED, _ENCODED = "received", "encoded"
# What encoding changes of the attributes: the pixels, how colour is coded, tables of offsets.
_CHANGED = frozenset({"7FE00010", "00280004", "00280006", "7FE00001", "7FE00002"})
# Frames that are compared at a time.
_AT_ONCE = 4
# Rows that no instance has: they tell works in flight apart.
_rows = itertools.count(-1, -1)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A part as it is to be stored. received: what came (columns.received_as)."""

    spool: Spool
    received: str


async def encoded_part(archive: Archive, received: Spool) -> Encoded | None:
    """The part in the syntax of the settings, proven to be the same; None where it is kept as it came."""
    limits, uid = scan_limits(archive.settings), archive.settings.ingest_syntax
    try:
        came = await asyncio.to_thread(scan, received.chunks(0, received.size), limits=limits)
    except InvalidDicom:
        return None  # whoever stores it says why not
    what = received_as(came.digest, came.transfer_syntax_uid)
    if not _is_encodable(came, uid) or await _is_stored(archive, came, what):
        return None
    made = await asyncio.to_thread(Spool, archive)
    try:
        spools = _Spools({_RECEIVED: received, _ENCODED: made})
        aside = replace(archive, blobs=spools, derived=Derived())  # nothing of it is cached
        await _write(aside, _source(came, _RECEIVED, received.size), uid, made)
        kept = await asyncio.to_thread(scan, made.chunks(0, made.size), limits=limits)
        alike = await asyncio.to_thread(_has_same_values, came, kept, spools)
        if not alike or not await _is_same(aside, came, kept, spools):
            raise DecodeFailed("The encoded data set is not what it was.")
    except (DecodeFailed, InvalidDicom, Unavailable) as error:
        made.close()
        _LOG.warning("an image was stored as it came, not encoded: %s", type(error).__name__)
        return None
    except BaseException:
        made.close()
        raise
    return Encoded(made, what)


def _is_encodable(came: Scan, uid: str) -> bool:
    """Whether it is a native image with every frame there, and nothing that encoding would drop: bytes behind
    the last frame, or a preamble that makes a TIFF of the file (S-30)."""
    layout = came.pixel_layout
    return (
        layout is not None
        and came.transfer_syntax_uid in _NATIVE
        and came.preamble is None
        and layout.frames > 0
        and can_transcode(layout, EXPLICIT_LITTLE, uid)
        and 0 <= layout.value_length - native_length(layout) <= 1
    )


async def _is_stored(archive: Archive, came: Scan, what: str) -> bool:
    """A resend is recognised as it came, and need not be encoded again."""
    stored = await stored_digests(archive.pool, archive.tenant_id, [came.sop_instance_uid])
    return what in stored.get(came.sop_instance_uid, ())


async def _write(archive: Archive, source: InstanceSource, uid: str, made: Spool) -> None:
    chunks = read_body(archive, part10(archive, source, as_stored=False, transfer_syntax_uid=uid))
    async with closing(chunks):
        async for chunk in chunks:
            await made.write(bytes(chunk))
    await made.flush()


# --- proof -----------------------------------------------------------------------------------------------


async def _is_same(archive: Archive, came: Scan, kept: Scan, spools: _Spools) -> bool:
    """Whether attributes and pixels are those that came. Raises DecodeFailed where pixels are not."""
    before, after = came.pixel_layout, kept.pixel_layout
    if before is None or after is None or after.frames != before.frames or _rest(came) != _rest(kept):
        return False
    native = FrameReader(archive, _source(came, _RECEIVED, spools.length(_RECEIVED)), before, {}, [])
    numbers = range(1, before.frames + 1)
    entries = dict(zip(numbers, unpack(kept.frame_entries), strict=True))
    source = _source(kept, _ENCODED, spools.length(_ENCODED))
    encoded = FrameReader(archive, source, after, entries, [])
    parameters = same_frame_parameters(after, kept.transfer_syntax_uid, before)
    length = 2 * decoded_length(after, kept.transfer_syntax_uid)

    async def both(number: int) -> list[bytes]:
        return [*await encoded.stored(number), *await native.stored(number)]

    for start in range(0, before.frames, _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        await asyncio.gather(
            *(
                archive.workers.run("same_frame", parameters, partial(both, number), result_bytes=length)
                for number in some
            )
        )
    return True


def _rest(found: Scan) -> bytes:
    """What must not change: all other attributes, as they are given to clients."""
    return orjson.dumps({tag: value for tag, value in found.attributes.items() if tag not in _CHANGED})


def _has_same_values(came: Scan, kept: Scan, spools: _Spools) -> bool:
    """Whether the values that attributes only point to are the same too, all but the pixels. In a thread."""
    before, after = _values(came), _values(kept)
    if [(one.path, one.length) for one in before] != [(one.path, one.length) for one in after]:
        return False
    big = not TRANSFER_SYNTAXES[came.transfer_syntax_uid].little
    for one, other in zip(before, after, strict=True):
        known = VALUE_REPRESENTATIONS.get(one.vr)
        word = known.word if big and known else 1
        old, new = spools.chunks(_RECEIVED, one), spools.chunks(_ENCODED, other)
        if any(little_endian(was, word) != now for was, now in zip(old, new, strict=True)):
            return False
    return True


def _values(found: Scan) -> list[BulkValue]:
    return sorted((one for one in found.bulkdata if one.path not in _CHANGED), key=lambda one: one.path)


def _source(found: Scan, key: str, length: int) -> InstanceSource:
    """A scanned file as if it were stored."""
    return InstanceSource(
        target=Target(found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid),
        instance_row=next(_rows),
        revision=0,
        sop_class_uid=found.sop_class_uid,
        transfer_syntax_uid=found.transfer_syntax_uid,
        blob_key=key,
        blob_offset=0,
        blob_length=length,
        dataset_offset=found.dataset_offset,
        digest=found.digest,
        file_meta=found.file_meta,
        preamble=found.preamble,
        inflated_key=None,
        inflated_offset=0,
        inflated_length=0,
        pixel_layout=found.pixel_layout,
        is_damaged=False,
    )


class _Spools(MemoryBlobs):
    """Spooled files read as blobs are, by nobody but their request."""

    def __init__(self, spools: dict[str, Spool]) -> None:
        super().__init__()
        self._spools = spools

    def length(self, key: str) -> int:
        return self._spools[key].size

    def chunks(self, key: str, value: BulkValue) -> Iterator[bytes]:
        """A value, in pieces whose lengths are those of whole words. In a thread."""
        for start in range(0, value.length, STREAM_CHUNK):
            length = min(STREAM_CHUNK, value.length - start)
            yield self._spools[key].read(value.offset + start, length)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        spool = self._spools[key]
        length = spool.size - offset if length is None else length
        return await asyncio.to_thread(spool.read, offset, length)

    async def stream(
        self, key: str, offset: int, length: int, *, chunk: int = STREAM_CHUNK
    ) -> AsyncIterator[bytes]:
        for start in range(offset, offset + length, chunk):
            yield await self.read(key, start, min(chunk, offset + length - start))
