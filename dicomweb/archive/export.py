"""Writing instances out as files: STUDY/SERIES/INSTANCE.dcm, named by UIDs and nothing else.

A file appears under its name only when it is whole, so an export that was interrupted is run again and
passes over what is there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from dicomweb.archive.archive import Archive
from dicomweb.archive.parts import Body, body_length
from dicomweb.archive.reading import read_body
from dicomweb.archive.represent import part10
from dicomweb.archive.search import find
from dicomweb.archive.sources import stored_form
from dicomweb.catalog.audit import all_studies
from dicomweb.catalog.lookup import InstanceSource, instance_pages
from dicomweb.catalog.search import read_rows
from dicomweb.dicom.target import Target
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import BlobMissing, DecodeFailed, Unavailable
from dicomweb.protocol.next_page import StudyPlace
from dicomweb.protocol.search_query import SearchQuery
from dicomweb.protocol.search_rows import StudyRow

_AT_ONCE = 4
_PARTIAL = ".partial"
# Bytes that are gathered for one write.
_WRITE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one instance. present: its file was there, whole. reason: why it failed."""

    target: Target
    state: Literal["written", "present", "failed"]
    size: int = 0
    reason: str = ""


async def every_study(archive: Archive) -> AsyncIterator[Target]:
    """All studies, by UID."""
    async for page in all_studies(archive.pool, archive.tenant_id):
        for uid in page:
            yield Target(uid)


async def export_study(
    archive: Archive, target: Target, directory: Path, *, decoded: bool, report: Callable[[Exported], None]
) -> None:
    """Write every instance of the target. decoded: in Explicit VR Little Endian instead of as stored.

    A damaged instance is reported and the rest goes on. Raises NotFound and Gone for the target itself,
    Unavailable when the directory cannot be written.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(source: InstanceSource) -> None:
        async with turns:
            report(await _export(archive, source, directory, decoded))

    async for page in instance_pages(archive.pool, archive.tenant_id, target):
        await asyncio.gather(*map(one, page))


async def studies_found(archive: Archive, query: SearchQuery) -> list[str]:
    """Study Instance UIDs of all matches, however many pages they are. Raises TooLarge."""
    found: list[str] = []
    while True:
        answer = await find(archive, query)
        rows = answer.rows or await read_rows(archive.pool, answer.selection, answer.ids)
        found += [row.study_instance_uid for row in rows if isinstance(row, StudyRow)]
        if not isinstance(answer.following, StudyPlace):
            return found
        query = replace(query, offset=0, after=answer.following)


async def _export(archive: Archive, source: InstanceSource, directory: Path, decoded: bool) -> Exported:
    target = source.target
    if not all(map(is_uid, (target.study, target.series, target.instance))):
        # Only dotted digits may become a path, whatever the object says its UIDs are.
        return Exported(target, "failed", reason="Its UIDs cannot be file names.")
    if decoded and not stored_form(source).decodable:
        return Exported(target, "failed", reason="Its pixel data cannot be decoded.")
    path = directory / target.study / target.series / f"{target.instance}.dcm"
    body = part10(archive, source, as_stored=not decoded)
    try:
        if await asyncio.to_thread(_is_there, path, body_length(body)):
            return Exported(target, "present")
        return Exported(target, "written", await _write(archive, body, path))
    except (BlobMissing, DecodeFailed) as error:
        return Exported(target, "failed", reason=error.message)
    except OSError as error:
        raise Unavailable(f"The export cannot be written: {os.strerror(error.errno or 0)}.") from error


def _is_there(path: Path, length: int | None) -> bool:
    """A name means a whole file; its size tells an older version of the instance."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    return length is None or size == length


async def _write(archive: Archive, body: Body, path: Path) -> int:
    unfinished = path.with_name(path.name + _PARTIAL)
    file = await asyncio.to_thread(_create, unfinished)
    size = 0
    try:
        with file:
            async for chunk in read_body(archive, body):
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(os.replace, unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return size


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb", buffering=_WRITE_BYTES)
