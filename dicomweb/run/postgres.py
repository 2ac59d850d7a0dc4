"""The embedded PostgreSQL: made, started, watched and stopped by the process that owns the data.

It listens on a Unix socket in a private directory and nowhere else, so there is no password and no port.
It ends with its parent, however that ends: PR_SET_PDEATHSIG asks for a fast shutdown, and the next start
waits until the old server is gone. All calls belong to the main thread: Linux ties the death signal to the
thread that started the child.
"""

from __future__ import annotations

import locale
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from dicomweb.errors import Unavailable
from dicomweb.run.account import Account, database_account
from dicomweb.run.binaries import find_binaries
from dicomweb.run.child import ends_with_parent, working_directory
from dicomweb.run.private_directory import PrivateDirectory

_SUPERUSER = "dicomweb"
_DATABASE = "postgres"
_HERE = Path("/proc/self/cwd")
# A server killed with a full WAL replays it before it answers.
START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_LONGEST_LOG = 8 << 20

_INITDB = ("--encoding=UTF8", "--locale=C", "--data-checksums", "--auth=trust", "--no-instructions")
# Nothing of ours: PG* variables would steer the server, and a locale its messages.
_ENVIRONMENT = {"PATH": os.defpath, "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}

_OPTIONS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    # Parallel workers need /dev/shm, of which a container has 64 MB; our queries are small.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and DETAIL lines hold attribute values, which are patient data.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_startup_progress_interval": "0",
    "logging_collector": "off",
    "log_destination": "stderr",
}


@dataclass(slots=True)
class EmbeddedPostgres:
    """One PostgreSQL server over `data`/postgres. The caller owns the data directory (see owner.py).

    binaries: directory of PostgreSQL's programs, or empty to look for one.
    options: added to or put over our own, such as fsync=off for a test.
    """

    data: Path
    binaries: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    _account: Account = field(init=False)
    _programs: Path = field(init=False)
    _private: PrivateDirectory | None = field(init=False, default=None)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.data = Path(os.path.abspath(self.data))
        self._account = database_account()

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.data / "postgres"

    @property
    def log(self) -> Path:
        return self.data / "postgres.log"

    @property
    def url(self) -> str:
        assert self._private is not None, "the server was never started"
        return f"postgresql://{_SUPERUSER}@/{_DATABASE}?host={quote(str(self._private.path), safe='/')}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, *, while_waiting: Callable[[], None] = lambda: None) -> str:
        """Start and wait until the server answers; its URL. Raises Unavailable with one plain sentence.

        while_waiting: called every few milliseconds; what it raises ends the wait.
        """
        try:
            self.prepare()
            self.launch()
            self._wait_until_ready(while_waiting)
        except BaseException:
            self.stop()
            raise
        return self.url

    def _wait_until_ready(self, while_waiting: Callable[[], None]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            while_waiting()
            if self._process is not None and self._process.poll() is not None:
                # The remains of a killed server may still hold its shared memory for a moment.
                self._give_up_unless_passing(deadline)
                self.launch()
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"PostgreSQL did not become ready in {START_SECONDS:.0f} s; see {self.log}."
                )
            time.sleep(0.02)

    def prepare(self) -> None:
        """All that comes before the first launch: programs, directories, initdb, the old server's end."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._wait_for_old_server()
        self._private = PrivateDirectory.make(self.data, self._account)
        self._programs = find_binaries(
            self.binaries, self._private.path, self._account, major=_cluster_major(self.cluster)
        )
        if not self.cluster.exists():
            self._initdb()

    def launch(self) -> None:
        """Start the server process, without waiting for it to answer."""
        assert self._private is not None
        self._old_server_lives()
        options = {**_OPTIONS, "unix_socket_directories": str(self._private.path), **self.options}
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        with self._open_log() as log:
            self._process = subprocess.Popen(  # noqa: S603
                [self._programs / "postgres", "-D", self._seen(self.cluster), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.cluster,
                env=_ENVIRONMENT,
                # Its own session: Ctrl-C in the terminal reaches the parent alone, which stops in order.
                start_new_session=True,
                preexec_fn=ends_with_parent(signal.SIGINT),  # fast shutdown
                **self._account.popen,
            )

    def ready(self) -> bool:
        """Whether the server says that it takes connections (the last line of its postmaster.pid)."""
        if self.pid is None:
            return False
        lines = _postmaster_lines(self.cluster)
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].startswith("ready")

    def reap(self) -> bool:
        """Whether the server ended since it was launched; says so once."""
        if self._process is None or self._process.poll() is None:
            return False
        self._process = None
        return True

    def stop(self) -> None:
        """Fast shutdown; SIGKILL only when that hangs. Removes the socket directory."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._private is not None:
            self._private.remove()
            self._private = None

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _seen(self, cluster: Path) -> str:
        """The cluster's directory as the server sees it, which starts in it.

        `nobody` may be unable to pass through the directories above (/root, say). It need not: this link
        leads straight to where the process stands.
        """
        if not self._account.switch:
            return str(cluster)
        if not _HERE.exists():
            raise Unavailable("PostgreSQL refuses to run as root here; run the archive as a normal user.")
        return str(_HERE)

    def _initdb(self) -> None:
        """A new cluster, whole or not at all: made beside its place and renamed."""
        fresh = self.data / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._account.give(fresh)
        outcome = subprocess.run(  # noqa: S603
            [self._programs / "initdb", "-D", self._seen(fresh), "-U", _SUPERUSER, *_INITDB, _lc_ctype()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=fresh,
            env=_ENVIRONMENT,
            preexec_fn=ends_with_parent(signal.SIGKILL),
            start_new_session=True,
            **self._account.popen,
        )
        if outcome.returncode != 0:
            self.log.write_bytes(outcome.stdout)
            raise Unavailable(f"PostgreSQL could not make its database in {self.cluster}; see {self.log}.")
        fresh.rename(self.cluster)

    def _wait_for_old_server(self) -> None:
        """Wait for a server that lost its parent."""
        deadline = time.monotonic() + _STOP_SECONDS
        while self._old_server_lives():
            if time.monotonic() > deadline:
                raise Unavailable(f"Another PostgreSQL still runs over {self.cluster}.")
            time.sleep(0.05)

    def _old_server_lives(self) -> bool:
        """Whether a former server, or a part of it, still runs; where not, its postmaster.pid is removed.

        The number in there may be taken again: by a zombie where nobody reaps (a container without init),
        or by another program after a restart of the container. PostgreSQL would take that for its
        predecessor and refuse to start; the owner's lock on the data directory rules out a second server.
        """
        lines = _postmaster_lines(self.cluster)
        if not lines or not lines[0].isdigit() or not _HERE.exists():
            return False
        if working_directory(int(lines[0])) == os.path.realpath(self.cluster) or _attached(lines[6:7]):
            return True
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        return False

    def _give_up_unless_passing(self, deadline: float) -> None:
        passing = "pre-existing shared memory block" in self._last_words()
        if not passing or time.monotonic() > deadline:
            raise Unavailable(f"PostgreSQL ended as it started; see {self.log}.")
        time.sleep(0.1)

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
            return log.read().decode("utf-8", "replace")

    def _open_log(self) -> BinaryIO:
        full = self.log.exists() and self.log.stat().st_size > _LONGEST_LOG
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | (os.O_TRUNC if full else 0)
        return open(os.open(self.log, flags, 0o600), "ab")


def _cluster_major(cluster: Path) -> int | None:
    """The PostgreSQL version that an existing cluster belongs to."""
    try:
        return int((cluster / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None


def _postmaster_lines(cluster: Path) -> list[str]:
    """postmaster.pid: process, directory, start time, port, socket directory, address, memory, status."""
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return []


def _attached(memory: list[str]) -> bool:
    """Whether a process holds the shared memory of this key and number (Linux: /proc/sysvipc/shm)."""
    try:
        segments = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
        names = [tuple(int(number) % 2**32 for number in line.split()) for line in memory]
    except (OSError, ValueError):
        return False
    held = {(int(segment[0]) % 2**32, int(segment[1])) for segment in segments if segment[6] != "0"}
    return not held.isdisjoint(names)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _lc_ctype() -> str:
    """Characters by Unicode where the system can: with ctype C, pg_trgm sees no letter beyond ASCII, and a
    search for a Cyrillic or Japanese name gets no help from its index. Order stays that of bytes."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "--lc-ctype=C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "--lc-ctype=C.UTF-8"
