"""Storing native images in another transfer syntax than they come in (DICOMWEB_INGEST_SYNTAX; V-08).

Each part waits on the disk until it is whole, and while it is encoded (proven_encoding); then it goes the way
of every other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.archive.archive import Archive
from dicomweb.archive.ingest import Ingest
from dicomweb.archive.proven_encoding import Encoded, encoded_part
from dicomweb.archive.spool import Spool
from dicomweb.blobs.protocol import STREAM_CHUNK
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_report import StoreOutcome

# Parts that are encoded while the next ones come in: enough for every worker, and a few files.
_AHEAD = 4


def ingest_into(archive: Archive, *, study: str | None = None, duplicates: str = "") -> Ingest:
    """A store request, as the settings have it. Parameters as of Ingest."""
    kind = EncodingIngest if archive.settings.ingest_syntax else Ingest
    return kind(archive, study=study, duplicates=duplicates)


class EncodingIngest(Ingest):
    """An Ingest whose parts are encoded before they are stored, a few at a time."""

    def __init__(self, archive: Archive, *, study: str | None = None, duplicates: str = "") -> None:
        super().__init__(archive, study=study, duplicates=duplicates)
        self._incoming: Spool | None = None
        self._sentences: list[str] = []
        self._encoding: deque[_Part] = deque()

    async def write(self, chunk: bytes) -> None:
        """The next bytes of the current part. Raises Unavailable."""
        if self._incoming is None:
            self._incoming = await asyncio.to_thread(Spool, self._archive)
        await self._incoming.write(chunk)

    def warn(self, sentence: str) -> None:
        """Say something of the current part beside what its scan finds."""
        self._sentences.append(sentence)

    async def end_part(self) -> None:
        """The current part is complete."""
        if self._incoming is None:
            self._incoming = await asyncio.to_thread(Spool, self._archive)
        await self._incoming.flush()  # abort closes it where this fails
        spool, self._incoming = self._incoming, None
        sentences, self._sentences = self._sentences, []
        task = asyncio.ensure_future(encoded_part(self._archive, spool))
        self._encoding.append(_Part(spool, sentences, task))
        if len(self._encoding) > _AHEAD:
            await self._store_next()

    async def fail_part(self, error: InvalidDicom) -> None:
        """Drop the current part: it turned out that there is no whole instance."""
        if self._incoming is not None:
            self._incoming.close()
        self._incoming, self._sentences = None, []
        await super().fail_part(error)

    async def finish(self) -> Sequence[StoreOutcome]:
        """As Ingest.finish."""
        while self._encoding:
            await self._store_next()
        return await super().finish()

    async def abort(self) -> None:
        """Drop all that is not committed."""
        parts, self._encoding = self._encoding, deque()
        for part in parts:
            part.task.cancel()
        await asyncio.gather(*(part.task for part in parts), return_exceptions=True)
        for spool in [part.spool for part in parts] + [self._incoming]:
            if spool is not None:
                spool.close()
        self._incoming = None
        await super().abort()

    async def _store_next(self) -> None:
        """Pass on the part that came first: where other content replaces, the order of parts decides."""
        part = self._encoding[0]
        encoded = await part.task
        self._encoding.popleft()
        kept = part.spool if encoded is None else encoded.spool
        try:
            for offset in range(0, kept.size, STREAM_CHUNK):
                length = min(STREAM_CHUNK, kept.size - offset)
                await super().write(await asyncio.to_thread(kept.read, offset, length))
        finally:
            kept.close()
            part.spool.close()
        for sentence in part.sentences:
            super().warn(sentence)
        self._received = "" if encoded is None else encoded.received
        await super().end_part()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that is being encoded; its task gives None where it is to be stored as it came."""

    spool: Spool
    sentences: Sequence[str]
    task: asyncio.Task[Encoded | None]
