"""kill -9 of parent, workers and PostgreSQL at random moments of storing loses nothing acknowledged.

DICOMWEB_TEST_KILLS sets how many; a few run always.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.builders import make_instance, new_uid
from tests.conftest import make_archive_directory
from tests.run.processes import RunningServer, running, start, wait_until

_KILLS = int(os.environ.get("DICOMWEB_TEST_KILLS", "6"))
_KINDS = ("worker", "postgres", "parent", "worker", "postgres", "all")
_SENDERS = 3
_STUDIES = [new_uid() for _ in range(3)]
_ARCHIVE = ("dicomweb.cli", "serve")


@dataclass
class Storm:
    """What was sent, and what the archive acknowledged."""

    directory: Path
    url: str = ""
    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)
    over: bool = False

    def send_until_over(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self.over:
            batch = {new_uid(): b"" for _ in range(chance.choice([1, 1, 4]))}
            study = chance.choice(_STUDIES)
            for uid in batch:
                size = chance.choice([8, 64, 256])
                batch[uid] = make_instance(
                    study_instance_uid=study, sop_instance_uid=uid, rows=size, columns=size
                )
            self.sent.update(batch)
            self._send_until_acknowledged(batch)

    def _send_until_acknowledged(self, batch: dict[str, bytes]) -> None:
        """As a modality does: again and again, the same bytes."""
        while not self.over:
            try:
                answer = httpx.post(
                    self.url + "/dicomweb/studies",
                    content=_related(batch.values()),
                    headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=storm'},
                    timeout=30,
                )
            except httpx.HTTPError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                self.acknowledged.update(batch)
                return
            if answer.status_code != 503:
                self.unexpected.append(f"{answer.status_code} {answer.text}")
            time.sleep(0.05)


def _related(parts: Iterable[bytes]) -> bytes:
    head = b"--storm\r\nContent-Type: application/dicom\r\n\r\n"
    return b"".join(head + part + b"\r\n" for part in parts) + b"--storm--\r\n"


def _dataset(part10: bytes) -> bytes:
    """The bytes after the file meta information, whose length stands in (0002,0000) (PS3.10 7.1)."""
    return part10[144 + int.from_bytes(part10[140:144], "little") :]


@pytest.fixture
def directory() -> Iterator[Path]:
    directory = make_archive_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _senders(storm: Storm) -> Iterator[None]:
    threads = [threading.Thread(target=storm.send_until_over, args=(seed,)) for seed in range(_SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        storm.over = True
        for thread in threads:
            thread.join()


def _victims(server: RunningServer) -> dict[str, list[int]]:
    postmaster = server.postmaster()
    return {
        "worker": server.workers()[:1],
        "postgres": [] if postmaster is None else [postmaster],
        "parent": [server.pid],
        "all": [server.pid, *server.descendants()],
    }


def _kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(directory: Path) -> None:
    storm = Storm(directory)
    chance = random.Random(2)
    kinds = itertools.islice(
        itertools.cycle(["worker", "postgres", "parent", "worker", "postgres", "all"]), _KILLS
    )
    with ExitStack() as stack:
        server = stack.enter_context(running(directory, command=_ARCHIVE))
        storm.url = server.url
        with _senders(storm):
            for kind in kinds:
                time.sleep(chance.uniform(0.1, 0.8))
                _kill(_victims(server)[kind])
                if kind in ("parent", "all"):
                    server = stack.enter_context(running(directory, command=_ARCHIVE))
                    storm.url = server.url
            seen = len(storm.acknowledged)
            wait_until(lambda: len(storm.acknowledged) > seen or storm.unexpected)  # it still serves
        assert storm.unexpected == []
        _check(storm)
        _verify(directory)


def _check(storm: Storm) -> None:
    """Every acknowledged instance is there, and every visible one is whole, with exact counts."""
    assert storm.acknowledged
    with httpx.Client(base_url=storm.url + "/dicomweb", timeout=30) as client:
        visible = _get(client, "/instances?limit=20000").json()
        uids = {instance["00080018"]["Value"][0] for instance in visible}
        assert len(uids) == len(visible)
        assert storm.acknowledged <= uids <= set(storm.sent)
        studies = _get(client, "/studies").json()
        assert sum(study["00201208"]["Value"][0] for study in studies) == len(uids)
        for instance in visible:
            study, series, uid = (instance[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
            url = f"/studies/{study}/series/{series}/instances/{uid}"
            answer = _get(client, url, "application/dicom; transfer-syntax=*")
            assert _dataset(answer.content) == _dataset(storm.sent[uid])


def _get(client: httpx.Client, path: str, accept: str = "application/dicom+json") -> httpx.Response:
    """A worker may answer 503 until it noticed that PostgreSQL is back; nothing else but 200 will do."""
    for _ in range(20):
        answer = client.get(path, headers={"Accept": accept})
        if answer.status_code != 503:
            break
        time.sleep(0.5)
    assert answer.status_code == 200, answer.text
    return answer


def _verify(directory: Path) -> None:
    process = start(directory, command=["dicomweb.cli", "verify"])
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
