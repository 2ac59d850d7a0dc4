"""Importing files: batches of them to a destination, and the truth about each one.

A destination answers for instances, not for files. A batch goes in one request, and its answers are
matched to the files by the SOP Instance UID that each file's head names; a file whose answer is not clear
(a wrong or missing head, a part that was no DICOM) is sent once more alone, which is safe because sending
again what is stored changes nothing.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from dicomweb.archive.source_files import Found, Passed, SourceFile

# A batch is one request: one shared blob, one fsync, one transaction.
BATCH_BYTES = 32 << 20
BATCH_FILES = 200
# One batch is read and scanned while another one waits for disk or wire.
_AT_ONCE = 3
_FIND_STEP = 256


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file.

    stored: it is there now. present: it was before. passed: it is no instance, so nothing to store.
    refused: the destination does not take it, or it cannot be read. reason: one plain sentence or empty.
    """

    path: Path
    state: Literal["stored", "present", "passed", "refused"]
    reason: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination says of one instance. reason: why it was refused, empty when it is stored."""

    sop_instance_uid: str
    reason: str


class Destination(ABC):
    """Where files go."""

    async def present(self, batch: Sequence[SourceFile]) -> set[Path]:  # noqa: ARG002
        """Those of a batch that need not be sent."""
        return set()

    @abstractmethod
    async def send(self, batch: Sequence[SourceFile]) -> list[Answer]:
        """Send files in one request. Raises ArchiveError when the destination cannot take any just now,
        Unreadable when one of the files cannot be read."""


class Unreadable(Exception):
    """A file could not be read while it was sent."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


async def import_files(
    files: Iterator[Found], destination: Destination, report: Callable[[FileOutcome], None]
) -> None:
    """Send all that may be an instance, and report every file once, in no fixed order.

    files: is pulled in a thread. Raises what the destination raises: then what was reported is done, and
    running the same import again goes on from there.
    """
    batches = _batches(files, report)
    lock = asyncio.Lock()

    async def sender() -> None:
        while True:
            async with lock:
                batch = await anext(batches, None)
            if batch is None:
                return
            for outcome in await _settle(batch, destination):
                report(outcome)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(sender())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _batches(
    files: Iterator[Found], report: Callable[[FileOutcome], None]
) -> AsyncIterator[list[SourceFile]]:
    """Files in order, grouped by count and size; never two of one SOP Instance UID in a batch."""
    batch: list[SourceFile] = []
    uids: set[str] = set()
    held = 0
    async for found in _pulled(files):
        if isinstance(found, Passed):
            report(FileOutcome(found.path, "refused" if found.unreadable else "passed", found.reason))
            continue
        full = held + found.size > BATCH_BYTES or len(batch) == BATCH_FILES
        if batch and (full or found.head.sop_instance_uid in uids):
            yield batch
            batch, uids, held = [], set(), 0
        batch.append(found)
        uids.add(found.head.sop_instance_uid or str(found.path))
        held += found.size
    if batch:
        yield batch


async def _pulled(files: Iterator[Found]) -> AsyncIterator[Found]:
    while step := await asyncio.to_thread(lambda: list(islice(files, _FIND_STEP))):
        for found in step:
            yield found


async def _settle(batch: Sequence[SourceFile], destination: Destination) -> list[FileOutcome]:
    """The outcome of every file of a batch."""
    present = await destination.present(batch)
    outcomes = [FileOutcome(file.path, "present", size=file.size) for file in batch if file.path in present]
    sent = [file for file in batch if file.path not in present]
    if len(sent) > 1:
        clear, sent = await _send_together(sent, destination)
        outcomes += clear
    return outcomes + [await _send_alone(file, destination) for file in sent]


async def _send_together(
    batch: Sequence[SourceFile], destination: Destination
) -> tuple[list[FileOutcome], list[SourceFile]]:
    """Outcomes that are clear, and the files that must be sent alone."""
    try:
        answers = await destination.send(batch)
    except Unreadable:
        return [], list(batch)
    by_uid: dict[str, list[Answer]] = {}
    for answer in answers:
        by_uid.setdefault(answer.sop_instance_uid, []).append(answer)
    outcomes, unclear = [], []
    for file in batch:
        uid = file.head.sop_instance_uid
        matching = by_uid.get(uid, []) if uid else []
        if len(matching) == 1:
            outcomes.append(_outcome(file, matching[0]))
        else:
            unclear.append(file)
    return outcomes, unclear


async def _send_alone(file: SourceFile, destination: Destination) -> FileOutcome:
    try:
        answers = await destination.send([file])
    except Unreadable as error:
        return FileOutcome(error.path, "refused", error.reason)
    if not answers:
        return FileOutcome(file.path, "refused", "The destination says nothing about it.", file.size)
    return _outcome(file, answers[0])


def _outcome(file: SourceFile, answer: Answer) -> FileOutcome:
    return FileOutcome(file.path, "refused" if answer.reason else "stored", answer.reason, file.size)
