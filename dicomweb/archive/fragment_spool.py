"""Frames of one object while the rest of them is made: the offset table goes out before the first of them."""

from __future__ import annotations

import asyncio
import os
import tempfile
from array import array
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from dicomweb.archive.archive import Archive
from dicomweb.dicom.offset_tables import fragment
from dicomweb.errors import Unavailable

# Up to here no file is made: most objects are one slice.
_HELD_BYTES = 4 << 20
_CHUNK = 1 << 20


class FragmentSpool:
    """Fragments in order, on the disk when they are large. A context; nothing is left after it."""

    def __init__(self, archive: Archive) -> None:
        self._directory = archive.settings.data / "cache"
        self._file = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES, dir=str(self._directory))  # noqa: SIM115
        self.lengths = array("Q")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()

    async def append(self, frame: bytes) -> None:
        """The next frame. Raises Unavailable when the disk takes no more."""
        await asyncio.to_thread(self._write, fragment(frame))
        self.lengths.append(len(frame))

    async def fragments(self) -> AsyncIterator[bytes]:
        """All fragments with their item headers, in chunks."""
        self._file.seek(0)
        while chunk := await asyncio.to_thread(self._file.read, _CHUNK):
            yield chunk

    def _write(self, data: bytes) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file.write(data)
        except OSError as error:
            raise Unavailable(
                f"A transcoded object cannot be put together: {os.strerror(error.errno or 0)}.",
                retry_after=60,
            ) from error
