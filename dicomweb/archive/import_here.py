"""Files into this archive: the same Ingest that serves STOW-RS, without HTTP between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from blake3 import blake3

from dicomweb.archive.archive import Archive
from dicomweb.archive.encoding_ingest import ingest_into
from dicomweb.archive.import_ import Answer, Destination, Unreadable
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.source_files import NOT_READABLE, SourceFile
from dicomweb.catalog.columns import received_as
from dicomweb.catalog.digests import stored_digests

_CHUNK = 4 << 20


class ThisArchive(Destination):
    """The catalog itself tells what is stored, so a second run needs no memory of the first."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def present(self, batch: Sequence[SourceFile]) -> set[Path]:
        uids = [file.head.sop_instance_uid for file in batch if file.head.dataset_offset]
        stored = await stored_digests(self._archive.pool, self._archive.tenant_id, uids)
        known = [file for file in batch if file.head.sop_instance_uid in stored]
        return await asyncio.to_thread(_unchanged, known, stored)

    async def send(self, batch: Sequence[SourceFile]) -> list[Answer]:
        ingest = ingest_into(self._archive)
        try:
            for file in batch:
                await _feed(ingest, file)
            outcomes = await ingest.finish()
        except BaseException:
            await ingest.abort()
            raise
        return [Answer(one.sop_instance_uid, _reason(one.failure_reason, one.sentence)) for one in outcomes]


def _reason(failure_reason: int | None, sentence: str) -> str:
    return "" if failure_reason is None else sentence or f"Failure reason {failure_reason:04X}."


async def _feed(ingest: Ingest, file: SourceFile) -> None:
    """One part. A file that cannot be read to its end fails the request, so that no half of it is stored."""
    try:
        source = await asyncio.to_thread(file.path.open, "rb")
        with source:
            while chunk := await asyncio.to_thread(source.read, _CHUNK):
                await ingest.write(chunk)
                if len(chunk) < _CHUNK:
                    break
    except OSError as error:
        raise Unreadable(file.path, f"{NOT_READABLE} ({os.strerror(error.errno or 0)})") from error
    await ingest.end_part()


def _unchanged(known: Sequence[SourceFile], stored: dict[str, frozenset[str]]) -> set[Path]:
    """Files whose data set is the one that is kept, or that came: byte for byte, in that transfer syntax."""
    found = set()
    for file in known:
        there, uid = stored[file.head.sop_instance_uid], file.head.transfer_syntax_uid
        possible = any(one.startswith(f"{uid} ") for one in there)
        if possible and received_as(_digest(file), uid) in there:
            found.add(file.path)
    return found


def _digest(file: SourceFile) -> bytes:
    hasher = blake3()
    try:
        with file.path.open("rb", buffering=0) as source:
            source.seek(file.head.dataset_offset)
            while chunk := source.read(_CHUNK):
                hasher.update(chunk)
    except OSError:
        return b""
    return hasher.digest()
