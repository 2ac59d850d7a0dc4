"""The account that PostgreSQL runs under: it refuses to run as root, so root lends it `nobody`."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomweb.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Account:
    """uid, gid: of the database's processes. switch: whether that is another than our own."""

    name: str
    uid: int
    gid: int
    switch: bool

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments of subprocess.Popen that start a child under this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def give(self, path: Path) -> None:
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, directory: Path) -> bool:
        """Whether the account can pass through every directory down to this one, asked of the kernel."""
        if not self.switch:
            return os.access(directory, os.X_OK)
        command = ["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)]
        asked = subprocess.run(command, cwd="/", stderr=subprocess.DEVNULL, **self.popen)  # noqa: S603
        return asked.returncode == 0


def database_account() -> Account:
    if os.geteuid() != 0:
        return Account("the same user", os.geteuid(), os.getegid(), switch=False)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Unavailable(
            "PostgreSQL refuses to run as root, and there is no account nobody to run it as."
        ) from None
    return Account("nobody", nobody.pw_uid, nobody.pw_gid, switch=True)
