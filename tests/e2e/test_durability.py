"""kill -9 of anything at any moment: what was acknowledged is there and whole (design invariant 1).

DICOMWEB_TEST_KILLS: how many kills (default 4).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import httpx
import imagecodecs
import numpy as np

from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_instance, new_uid
from tests.e2e.client import JSON, Sent, check_study, patient_client, sent, store
from tests.e2e.instances import Instance, make, uid_of
from tests.e2e.served import Served
from tests.run.processes import wait_until

_KILLS = int(os.environ.get("DICOMWEB_TEST_KILLS", "4"))
_SENDERS = 4
_STUDIES_A_ROUND = 2
# Parts up to 4 MiB share a pack, longer ones get a blob of their own: both occur.
_SMALLEST, _LARGEST = 10_000, 6_000_000


def _one(pids: list[int], random: Random) -> list[int]:
    return [random.choice(pids)] if pids else []


def _parent(served: Served) -> list[int]:
    return served.processes()[:1]


# Whom to kill -> the candidates; of "everything" all are killed at once, of others one.
_VICTIMS: dict[str, Callable[[Served], list[int]]] = {
    "worker": Served.workers,
    "parent": _parent,
    "backend": Served.backends,
    "postmaster": Served.postmaster,
    "everything": Served.processes,
}


def test_nothing_acknowledged_is_lost_whatever_is_killed(served: Served) -> None:
    random = Random(2)
    books = list[_Book]()
    for kill in range(_KILLS):
        name = list(_VICTIMS)[kill % len(_VICTIMS)]
        book = _Book(random.randrange(10**9))
        with _sending(served, book):
            book.wait_for_traffic()
            time.sleep(random.uniform(0.0, 1.0))
            candidates = _VICTIMS[name](served)
            _kill(candidates if name == "everything" else _one(candidates, random))
            _recover(served, name)
            time.sleep(random.uniform(0.0, 0.3))  # life goes on
        _check(served, book)
        books.append(book)
    visible = sum(_check(served, book) for book in books)
    _report(books, visible)
    assert served.verify()["instances"] == visible
    _check_nothing_is_left_over(served, visible)


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # went with the one before it
            os.kill(pid, signal.SIGKILL)


def _recover(served: Served, name: str) -> None:
    """The parent's end takes all with it, and needs a new start; all else comes back by itself."""
    if name in ("parent", "everything"):
        served.forget()
        served.start()
    wait_until(served.is_ready)


def _check_nothing_is_left_over(served: Served, visible: int) -> None:
    """With no server and no grace: the sweep takes what the kills left, and not one byte more."""
    served.stop()
    swept = served.command("sweep", "--grace-hours", "0")
    assert swept.returncode == 0, swept.stderr
    tally = served.verify("--grace-hours", "0")
    assert tally["instances"] == visible
    assert not tally["recent"]


def _report(books: list[_Book], visible: int) -> None:
    acknowledged = sum(len(book.acknowledged) for book in books)
    attempted = sum(len(book.attempted) for book in books)
    failed = sum(book.failed_requests for book in books)
    print(  # noqa: T201 -- shown by pytest -s
        f"{len(books)} kills: {attempted} instances sent, {acknowledged} acknowledged, {visible} visible;"
        f" {failed} requests failed"
    )


@dataclass(slots=True)
class _Book:
    """What one round's senders tried, and what they were promised."""

    seed: int
    attempted: dict[str, Sent] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    requests: list[set[str]] = field(default_factory=list)
    failed_requests: int = 0
    errors: list[BaseException] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def studies(self) -> list[tuple[str, list[str]]]:
        """Studies of the round with their series: the same for all its senders."""
        random = Random(self.seed)
        return [(uid_of(random), [uid_of(random), uid_of(random)]) for _ in range(_STUDIES_A_ROUND)]

    def wait_for_traffic(self) -> None:
        wait_until(lambda: self.acknowledged or self.errors)

    def begin(self, instances: list[Instance]) -> None:
        with self._lock:
            self.requests.append({one.uid for one in instances})
            self.attempted.update((one.uid, sent(one)) for one in instances)

    def settle(self, acknowledged: set[str]) -> None:
        with self._lock:
            self.acknowledged |= acknowledged

    def fail(self, error: httpx.HTTPError) -> None:
        """A torn connection, or an answer that asks to come again; any other answer would be a bug."""
        if isinstance(error, httpx.HTTPStatusError):
            assert error.response.status_code == 503, error.response.text
        with self._lock:
            self.failed_requests += 1


@contextmanager
def _sending(served: Served, book: _Book) -> Iterator[None]:
    threads = [
        threading.Thread(target=_send, args=(served, book, Random(book.seed + number)))
        for number in range(_SENDERS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        book.stopping.set()
        for thread in threads:
            thread.join()
    assert not book.errors, book.errors


def _send(served: Served, book: _Book, random: Random) -> None:
    try:
        with httpx.Client(timeout=60) as client:
            while not book.stopping.is_set():
                _send_one_request(client, served, book, random)
    except BaseException as error:
        book.errors.append(error)


def _send_one_request(client: httpx.Client, served: Served, book: _Book, random: Random) -> None:
    """Some instances of one study. After a failure, half of the senders try again, as real ones do."""
    study, series = random.choice(book.studies())
    instances = [
        make(
            study,
            random.choice(series),
            uid_of(random),
            pixel_bytes=int(_SMALLEST * (_LARGEST / _SMALLEST) ** random.random()),
            number=number,
            random=random,
        )
        for number in range(random.choice((1, 1, 2, 5)))
    ]
    book.begin(instances)
    while True:
        try:
            book.settle(store(client, served.base, instances))
            return
        except httpx.HTTPError as error:
            book.fail(error)
            time.sleep(0.05)
            if book.stopping.is_set() or random.random() < 0.5:
                return


def _check(served: Served, book: _Book) -> int:
    """All that was promised is there, all that is there is whole; returns how many instances are."""
    visible = set[str]()
    with patient_client() as client:
        for study, _ in book.studies():
            attempted = [one for one in book.attempted.values() if one.study == study]
            visible |= check_study(client, served.base, study, attempted)
    assert book.acknowledged <= visible
    # A request of this size is one transaction: all of it, or nothing.
    assert all(request <= visible or not request & visible for request in book.requests)
    return len(visible)


_FRAMES, _FRAME_SIDE = 12, 1024
_READERS = 3
_JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"


def test_decode_workers_may_be_killed_while_frames_are_read(served: Served) -> None:
    """A frame is right, or the failure is visible; what is asked for again is there."""
    random = Random(3)
    frames = _noise_frames()
    path = _store_compressed(served, frames)
    reading = _Reading()
    threads = [
        threading.Thread(target=_read_frames, args=(served, path, frames, reading, Random(number)))
        for number in range(_READERS)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in range(_KILLS):
            before = reading.right
            wait_until(lambda: reading.right > before or reading.errors)  # noqa: B023 -- called at once
            wait_until(lambda: served.decode_workers() or reading.errors)
            time.sleep(random.uniform(0.0, 0.3))
            _kill(_one(served.decode_workers(), random))
    finally:
        reading.stopping.set()
        for thread in threads:
            thread.join()
    assert not reading.errors, reading.errors
    print(f"{_KILLS} kills: {reading.right} answers right, {reading.failed} failed")  # noqa: T201
    assert reading.right
    with httpx.Client(timeout=60) as client:
        assert _read_all(client, served, path) == b"".join(frames)


@dataclass(slots=True)
class _Reading:
    """How the readers fared."""

    right: int = 0
    failed: int = 0
    errors: list[BaseException] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)


def _noise_frames() -> list[bytes]:
    generator = np.random.default_rng(3)
    shape = (_FRAME_SIDE, _FRAME_SIDE)
    return [generator.integers(0, 4096, shape, dtype=np.uint16).tobytes() for _ in range(_FRAMES)]


def _store_compressed(served: Served, frames: list[bytes]) -> str:
    study, series, uid = new_uid(), new_uid(), new_uid()
    shape = (_FRAME_SIDE, _FRAME_SIDE)
    part10 = make_instance(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=uid,
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
        transfer_syntax_uid=_JPEG_2000_LOSSLESS,
        rows=_FRAME_SIDE,
        columns=_FRAME_SIDE,
        frames=_FRAMES,
        bits_stored=12,
        codestreams=[
            imagecodecs.jpeg2k_encode(np.frombuffer(one, np.uint16).reshape(shape), codecformat="j2k")
            for one in frames
        ],
    )
    headers = {**JSON, "Content-Type": "application/dicom"}
    response = httpx.post(f"{served.base}/studies", content=part10, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    return f"/studies/{study}/series/{series}/instances/{uid}"


def _read_frames(served: Served, path: str, frames: list[bytes], reading: _Reading, random: Random) -> None:
    """One frame at a time: a 200 that is whole must be right."""
    try:
        with httpx.Client(timeout=60) as client:
            while not reading.stopping.is_set():
                number = random.randint(1, _FRAMES)
                body = _one_frame(client, served, path, number)
                assert body is None or body == frames[number - 1]
                reading.failed += body is None
                reading.right += body is not None
    except BaseException as error:
        reading.errors.append(error)


_OCTETS = {"Accept": "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"}


def _one_frame(client: httpx.Client, served: Served, path: str, number: int) -> bytes | None:
    """None when the server says that it failed, or cuts the answer off."""
    try:
        response = client.get(f"{served.base}{path}/frames/{number}", headers=_OCTETS)
    except httpx.HTTPError:
        return None
    assert response.status_code in (200, 503), response.text
    return response.content if response.status_code == 200 else None


def _read_all(client: httpx.Client, served: Served, path: str) -> bytes:
    found = [_one_frame(client, served, path, number) for number in range(1, _FRAMES + 1)]
    return b"".join(one or b"" for one in found)
