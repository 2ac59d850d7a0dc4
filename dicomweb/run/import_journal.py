"""Which files an import has already sent to a server: a line a file, appended once the server has it.

A server need not offer a way to ask whether it has an instance, so we remember. A line is a digest of the
server's URL, the file's path, size and time: a changed file is sent again, and the journal names nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO

from blake3 import blake3

from dicomweb.archive.source_files import SourceFile
from dicomweb.errors import InvalidSettings

_DIGEST_BYTES = 12


class ImportJournal:
    """Use as a context manager. forget: begin it anew."""

    def __init__(self, path: Path, url: str, *, forget: bool = False) -> None:
        self._path, self._url, self._forget = path, url, forget
        self._sent: set[bytes] = set()
        self._file: IO[str] | None = None

    def __enter__(self) -> ImportJournal:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._forget and self._path.exists():
                self._sent = _read(self._path)
            self._file = self._path.open("w" if self._forget else "a", encoding="ascii")
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise InvalidSettings(
                f"The journal of the import cannot be written ({why}).", hint="Name a file with --journal."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __contains__(self, file: SourceFile) -> bool:
        return self._digest(file) in self._sent

    def add(self, files: Iterable[SourceFile]) -> None:
        """Note files that the server has."""
        digests = [self._digest(file) for file in files]
        assert self._file is not None, "the journal is open"
        self._file.writelines(digest.hex() + "\n" for digest in digests)
        self._file.flush()
        self._sent.update(digests)

    def _digest(self, file: SourceFile) -> bytes:
        parts = (self._url, os.fsencode(file.path.absolute()), str(file.size), str(file.modified))
        text = b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        return blake3(text).digest(_DIGEST_BYTES)


def _read(path: Path) -> set[bytes]:
    """Whole lines only: the last one may be torn by a power cut."""
    lines = path.read_text("ascii", errors="replace").splitlines()
    found = set()
    for line in lines:
        try:
            digest = bytes.fromhex(line)
        except ValueError:
            continue
        if len(digest) == _DIGEST_BYTES:
            found.add(digest)
    return found


def default_journal(url: str, environment: dict[str, str] | os._Environ[str]) -> Path:
    """In the user's state directory (XDG), one for each server."""
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state, "dicomweb", f"import-{blake3(url.encode()).hexdigest(8)}.journal")
