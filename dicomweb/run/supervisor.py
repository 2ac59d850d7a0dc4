"""The parent of all processes: starts PostgreSQL and the HTTP workers, restarts what dies, stops all.

It is one thread without an event loop and imports no server, no database client and no codec, so it stays
small and has little that can break. Whatever ends it, its children end: the kernel signals them
(PR_SET_PDEATHSIG), and the workers' channel to it closes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from dicomweb.errors import Unavailable
from dicomweb.run.child import ends_with_parent
from dicomweb.run.connection_counts import Counts, Place
from dicomweb.run.postgres import EmbeddedPostgres
from dicomweb.settings import Settings, env_name

APP = "dicomweb.app:create_app"

# Workers finish what is in flight in worker.GRACE_SECONDS; what still runs after this is killed.
_STOP_SECONDS = 9.0
_START_SECONDS = 60.0
# Restart delays: at once, then doubling; a process that lived this long starts from zero again.
_FIRST_DELAY, _LONGEST_DELAY, _HEALTHY_SECONDS = 0.1, 5.0, 10.0
_TICK_SECONDS = 1.0


class Stopped(Exception):
    """Someone asked us to stop."""


@dataclass(slots=True)
class Backoff:
    """When something that keeps dying may start again."""

    failures: int = 0
    not_before: float = 0.0
    started: float = 0.0

    def begin(self) -> None:
        self.started = time.monotonic()

    def fail(self) -> None:
        """Note an end; sets the earliest time of the next start."""
        now = time.monotonic()
        self.failures = 0 if now - self.started > _HEALTHY_SECONDS else self.failures + 1
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(self.failures, 10)) if self.failures > 1 else 0.0
        self.not_before = now + delay

    def may_start(self) -> bool:
        return time.monotonic() >= self.not_before


@dataclass(slots=True)
class Worker:
    """A place for one HTTP worker process."""

    place: Place
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    ready: bool = False
    backoff: Backoff = field(default_factory=Backoff)

    def spawn(self, settings: Settings, listening: socket.socket, app: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = (listening.fileno(), theirs.fileno(), self.place.counts.descriptor)
            arguments = map(str, (*descriptors, self.place.index))
            self.process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "dicomweb.run.worker", *arguments, app],
                stdin=subprocess.DEVNULL,
                pass_fds=descriptors,
                env=_worker_environment(settings),
                start_new_session=True,  # Ctrl-C reaches the parent alone
                preexec_fn=ends_with_parent(signal.SIGKILL),
            )
        ours.setblocking(False)
        self.channel, self.ready = ours, False
        self.backoff.begin()

    def listen(self) -> None:
        """Take what the worker said, if anything."""
        if self.channel is not None:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                self.ready = bool(self.channel.recv(64)) or self.ready

    def ended(self) -> int | None:
        """Reap the process if it ended: its exit code, once."""
        if self.process is None or self.process.poll() is None:
            return None
        code: int = self.process.returncode
        self.forget()
        return code

    def forget(self) -> None:
        if self.channel is not None:
            self.channel.close()
        self.place.clear()
        self.process, self.channel, self.ready = None, None, False


class Supervisor:
    """Runs until told to stop. settings: absolute, with the listening socket already open."""

    def __init__(self, settings: Settings, listening: socket.socket, *, app: str = APP) -> None:
        self.settings = settings
        self.listening = listening
        self.app = app
        counts = Counts.make(settings.workers)
        self.workers = [Worker(Place(counts, index)) for index in range(settings.workers)]
        self.postgres = (
            None if settings.database_url else EmbeddedPostgres(settings.data, settings.postgres_binaries)
        )
        self._postgres_backoff = Backoff()
        self._stops = 0
        self._wake, self._wake_sender = socket.socketpair()

    def run(self, when_ready: Callable[[Settings], None]) -> None:
        """Start all, call when_ready with the completed settings, keep all running until a signal comes.

        Raises Unavailable when the start fails; nothing is left running then, either.
        """
        with self._signals():
            try:
                self._start()
                when_ready(self.settings)
                while True:
                    self._step()
            except Stopped:
                pass
            finally:
                self._stop()

    def _start(self) -> None:
        if self.postgres is not None:
            url = self.postgres.start(while_waiting=self._check_stop)
            self.settings = replace(self.settings, database_url=url)
        self._migrate()
        for worker in self.workers:
            worker.spawn(self.settings, self.listening, self.app)
        deadline = time.monotonic() + _START_SECONDS
        while not all(worker.ready for worker in self.workers):
            self._wait()
            for worker in self.workers:
                if (code := worker.ended()) is not None:
                    raise Unavailable(f"An HTTP worker ended as it started ({_how_ended(code)}).")
            if time.monotonic() > deadline:
                raise Unavailable(f"The HTTP workers did not start in {_START_SECONDS:.0f} s.")

    def _migrate(self) -> None:
        """In a process of its own: see run/migration.py."""
        process = subprocess.Popen(
            [sys.executable, "-m", "dicomweb.run.migration"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_worker_environment(self.settings),
            start_new_session=True,
            preexec_fn=ends_with_parent(signal.SIGKILL),
        )
        _, said = process.communicate()
        self._check_stop()
        if process.returncode != 0:
            raise Unavailable(
                said.decode("utf-8", "replace").strip() or "The database could not be migrated."
            )

    def _step(self) -> None:
        self._wait()
        self._keep_postgres()
        for worker in self.workers:
            self._keep(worker)

    def _keep(self, worker: Worker) -> None:
        if (code := worker.ended()) is not None:
            _say(f"An HTTP worker ended ({_how_ended(code)}); starting another.")
            worker.backoff.fail()
        if worker.process is None and worker.backoff.may_start():
            worker.spawn(self.settings, self.listening, self.app)

    def _keep_postgres(self) -> None:
        if self.postgres is None or self.postgres.pid is not None:
            return
        if self.postgres.reap():
            _say("PostgreSQL ended; starting it again.")
            self._postgres_backoff.fail()
        if self._postgres_backoff.may_start():
            self._postgres_backoff.begin()
            self.postgres.launch()

    def _wait(self) -> None:
        """Until a child ends or speaks, a signal comes, or a restart is due."""
        channels = [
            worker.channel for worker in self.workers if worker.channel is not None and not worker.ready
        ]
        readable, _, _ = select.select([self._wake, *channels], [], [], self._patience())
        if self._wake in readable:
            self._wake.recv(4096)
        for worker in self.workers:
            worker.listen()
        self._check_stop()

    def _patience(self) -> float:
        backoffs = [worker.backoff for worker in self.workers if worker.process is None]
        due = [backoff.not_before - time.monotonic() for backoff in (*backoffs, self._postgres_backoff)]
        return min([_TICK_SECONDS, *(max(0.02, seconds) for seconds in due if seconds > 0)])

    def _check_stop(self) -> None:
        if self._stops:
            raise Stopped

    def _stop(self) -> None:
        """Workers first: they finish what is in flight, for which they need the database."""
        self.listening.close()
        self._signal_workers(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while any(worker.process is not None and worker.process.poll() is None for worker in self.workers):
            if time.monotonic() > deadline or self._stops > 1:  # a second Ctrl-C
                self._signal_workers(signal.SIGKILL)
            time.sleep(0.02)
        for worker in self.workers:
            worker.forget()
        if self.postgres is not None:
            self.postgres.stop()

    def _signal_workers(self, sent: signal.Signals) -> None:
        for worker in self.workers:
            if worker.process is not None:
                worker.process.send_signal(sent)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM, SIGINT and SIGHUP stop us; they and SIGCHLD wake the select."""

        def stop(*_: object) -> None:
            self._stops += 1

        for end in (self._wake, self._wake_sender):
            end.setblocking(False)
        handlers = {
            signal.SIGTERM: stop,
            signal.SIGINT: stop,
            signal.SIGHUP: stop,
            signal.SIGCHLD: lambda *_: None,
        }
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # started by nohup
            del handlers[signal.SIGHUP]
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        wakeup = signal.set_wakeup_fd(self._wake_sender.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)


def _worker_environment(settings: Settings) -> dict[str, str]:
    """Ours with the settings put over it, so that flags reach the workers too."""
    ours = {name: value for name, value in os.environ.items() if name not in _SETTING_NAMES}
    return {**_MEMORY, **ours, **_python_path(ours), **settings.to_env()}


_SETTING_NAMES = frozenset(env_name(item) for item in fields(Settings))
# glibc keeps an arena for each thread and OpenBLAS a buffer for each core, which nothing here needs. glibc
# also raises both thresholds to the largest block freed so far, and then never gives back what a burst of
# uploads took: 16 clients left 170 MB behind them, and with fixed thresholds 90. What is trimmed is taken
# page by page again for the next answer: with 1 MiB, ten frames of 0.5 MB cost 14 ms of CPU, with 16 MiB 6.
_MEMORY = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "OPENBLAS_NUM_THREADS": "1",
}


def _python_path(ours: Mapping[str, str]) -> dict[str, str]:
    """Our children import from where we did, never from the directory the operator stands in."""
    package_parent = str(Path(__file__).resolve().parents[2])
    paths = [package_parent, *filter(None, [ours.get("PYTHONPATH")])]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(paths)}


def _how_ended(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
