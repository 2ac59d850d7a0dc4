"""The short-lived directory of the embedded PostgreSQL: its socket and, where needed, its programs."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dicomweb.errors import Unavailable
from dicomweb.run.account import Account

_PREFIX = "dicomweb-"
# sun_path of a Unix socket holds 107 bytes and a NUL.
_LONGEST_SOCKET_PATH = 107
_LONGEST_NAME = len(f"/{_PREFIX}12345678/.s.PGSQL.5432")
_PLACES = ("/tmp", "/run", "/dev/shm")  # noqa: S108 -- mkdtemp makes it ours alone


@dataclass(frozen=True, slots=True)
class PrivateDirectory:
    """A directory with a short path that only one account (and root) can enter.

    note: a file that tells those who come after a killed parent what to clear away.
    """

    path: Path
    note: Path
    _hold: int

    @classmethod
    def make(cls, data: Path, account: Account) -> PrivateDirectory:
        """Clears away what a killed parent left. The caller made sure that its server is gone."""
        note = data / "postgres.socket"
        _remove_noted(note)
        path = _short_directory(account)
        note.write_text(str(path), encoding="utf-8")
        # systemd-tmpfiles leaves a directory alone while someone holds a lock on it.
        hold = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(hold, fcntl.LOCK_SH)
        return cls(path, note, hold)

    def remove(self) -> None:
        os.close(self._hold)
        _remove_noted(self.note)


def _remove_noted(note: Path) -> None:
    try:
        directory = Path(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    if directory.name.startswith(_PREFIX):
        shutil.rmtree(directory, ignore_errors=True)
    note.unlink()


def _short_directory(account: Account) -> Path:
    for parent in (tempfile.gettempdir(), *_PLACES):
        if len(os.fsencode(parent)) + _LONGEST_NAME > _LONGEST_SOCKET_PATH or not os.access(parent, os.W_OK):
            continue
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        account.give(directory)
        if account.can_enter(directory):
            return directory
        directory.rmdir()
    raise Unavailable("There is no short temporary directory for PostgreSQL's socket; set TMPDIR to one.")
