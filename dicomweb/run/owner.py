"""Who owns a data directory: one process at a time, and what others may read about it.

The lock is an flock on `data`/lock, which the kernel drops however its holder ends. What the owner tells
others (where its database is, where its blobs are) stands in `data`/owner.json, readable by this account
alone, since a database URL may hold a password.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

from dicomweb.errors import Unavailable
from dicomweb.settings import Settings, env_name

# What a command must share with the owner to see the same archive.
_SHARED = (
    "database_url",
    "blobs",
    "s3_endpoint",
    "s3_region",
    "s3_access_key",
    "s3_secret_key",
    "s3_allow_http",
)


class DirectoryInUse(Unavailable):
    """Another process owns the data directory."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that owns a data directory. command: such as 'serve'; environment: its shared settings."""

    pid: int
    command: str
    environment: Mapping[str, str]

    def share(self, settings: Settings) -> Settings:
        """`settings` with the owner's database and blobs."""
        theirs = Settings.from_env(self.environment)
        return replace(settings, **{name: getattr(theirs, name) for name in _SHARED})


def absolute(settings: Settings) -> Settings:
    """The same settings, whatever directory a later process stands in."""
    blobs = settings.blobs
    if blobs and "://" not in blobs:
        blobs = os.path.abspath(os.path.expanduser(blobs))
    return replace(settings, data=Path(os.path.abspath(settings.data)), blobs=blobs)


@contextmanager
def owned(data: Path, command: str) -> Iterator[None]:
    """Hold the data directory, made where it is missing. Raises DirectoryInUse, Unavailable."""
    descriptor = _open_lock(data)
    try:
        _lock(descriptor, data, command)
        (data / "owner.json").unlink(missing_ok=True)  # a killed owner's
        yield
        (data / "owner.json").unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def publish(settings: Settings, command: str) -> None:
    """Tell others about this owner, once its database answers. settings: absolute, database_url filled in."""
    shared = {env_name(item) for item in fields(Settings) if item.name in _SHARED}
    environment = {name: value for name, value in settings.to_env().items() if name in shared}
    text = json.dumps({"pid": os.getpid(), "command": command, "environment": environment}, indent=1)
    fresh = settings.data / "owner.json.new"
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.rename(settings.data / "owner.json")


def current_owner(data: Path) -> Owner | None:
    """What the owner published; None before it did. The caller knows that the lock is held."""
    try:
        told = json.loads((data / "owner.json").read_text(encoding="utf-8"))
        return Owner(told["pid"], told["command"], told["environment"])
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Unavailable(f"The archive in {data} belongs to a server of another account.") from None


def _open_lock(data: Path) -> int:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(data / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise Unavailable(f"The data directory {data} cannot be used: {error.strerror}.") from None


def _lock(descriptor: int, data: Path, command: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "another process"
        raise DirectoryInUse(
            f"The data directory {data} is in use by {holder}.",
            hint="Stop it, or choose another directory with --data.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"dicomweb {command} (process {os.getpid()})\n".encode(), 0)
