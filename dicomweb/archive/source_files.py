"""Files below some paths, sorted into what may be an instance and what is not, without reading them whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from dicomweb.archive.file_head import HEAD_BYTES, FileHead, read_head

NOT_DICOM = "not a DICOM file"
DICOM_DIRECTORY = "a DICOMDIR, which indexes other files"
NOT_READABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may be an instance. modified: nanoseconds, only to notice a change."""

    path: Path
    size: int
    modified: int
    head: FileHead


@dataclass(frozen=True, slots=True)
class Passed:
    """A file that is not sent. unreadable: it might have been an instance."""

    path: Path
    reason: str
    unreadable: bool = False


Found: TypeAlias = SourceFile | Passed


def count_files(paths: Iterable[Path]) -> int:
    """How many files `find_files` will look at."""
    return sum(1 for _ in _walk(paths))


def find_files(paths: Iterable[Path]) -> Iterator[Found]:
    """Every file below the paths, by name, directories recursively. Links to directories are not followed."""
    for found in _walk(paths):
        if isinstance(found, Passed):
            yield found
            continue
        try:
            yield _look(found)
        except OSError as error:
            yield _unreadable(found, error)


def _walk(paths: Iterable[Path]) -> Iterator[Path | Passed]:
    refused: list[OSError] = []
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for directory, folders, names in os.walk(path, onerror=refused.append):
            folders.sort()
            for name in sorted(names):
                yield Path(directory, name)
        while refused:
            error = refused.pop()
            yield _unreadable(Path(str(error.filename)), error)


def _unreadable(path: Path, error: OSError) -> Passed:
    return Passed(path, f"{NOT_READABLE} ({os.strerror(error.errno or 0)})", unreadable=True)


def _look(path: Path) -> Found:
    # Not open() first: opening a FIFO waits for its writer.
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return Passed(path, NOT_DICOM)
    with path.open("rb", buffering=0) as file:
        head = read_head(file.read(HEAD_BYTES))
    if head is None:
        return Passed(path, NOT_DICOM)
    if head.is_directory:
        return Passed(path, DICOM_DIRECTORY)
    return SourceFile(path, status.st_size, status.st_mtime_ns, head)
