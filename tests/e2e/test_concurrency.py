"""Many senders of one study at once, while others read it (must show of the first issue)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx

from tests.e2e.client import JSON, check_study, search, sent, store, value
from tests.e2e.instances import Instance, grouped, make, uid_of
from tests.e2e.served import Served

_SENDERS, _READERS = 16, 3
_SERIES, _INSTANCES = 5, 200
_PAGE = 50
_SOP_INSTANCE_UID, _STUDY_INSTANCES = "00080018", "00201208"


def test_sixteen_clients_store_the_same_study_at_once(served: Served) -> None:
    random = Random(1)
    instances = _study(random)
    study = instances[0].study
    seeds = [random.random() for _ in range(_SENDERS)]
    done = threading.Event()
    with ThreadPoolExecutor(_SENDERS + _READERS) as pool:
        readers = [pool.submit(_page_through, served, study, done) for _ in range(_READERS)]
        senders = [pool.submit(_send, served, instances, Random(seed)) for seed in seeds]
        try:
            for sender in senders:
                sender.result()
        finally:
            done.set()
        assert all(reader.result() for reader in readers)
    with httpx.Client(timeout=60) as client:
        assert len(check_study(client, served.base, study, map(sent, instances))) == _INSTANCES
    assert served.verify()["instances"] == _INSTANCES
    assert 'File "' not in served.log(), "a traceback, as logs.py writes it"


def _study(random: Random) -> list[Instance]:
    study, series = uid_of(random), [uid_of(random) for _ in range(_SERIES)]
    return [
        make(
            study,
            series[number % _SERIES],
            uid_of(random),
            pixel_bytes=random.randint(4_000, 40_000),
            number=number + 1,
            random=random,
        )
        for number in range(_INSTANCES)
    ]


def _send(served: Served, instances: Sequence[Instance], random: Random) -> None:
    """All of them, in an order of its own; each answer acknowledges all that the request held."""
    with httpx.Client(timeout=120) as client:
        for group in grouped(instances, random, most=20):
            assert store(client, served.base, group) == {one.uid for one in group}


def _page_through(served: Served, study: str, done: threading.Event) -> int:
    """Read pages, counts, and some bytes until the senders are done. Returns how many pages."""
    pages, count = 0, 0
    with httpx.Client(timeout=120) as client:
        while not done.is_set() or not pages:
            for offset in range(0, _INSTANCES, _PAGE):
                page = search(
                    client,
                    f"{served.base}/studies/{study}/instances",
                    limit=str(_PAGE),
                    offset=str(offset),
                )
                uids = [value(one, _SOP_INSTANCE_UID) for one in page]
                assert len(set(uids)) == len(uids) <= _PAGE
                pages += 1
            count = _count_grows(client, served.base, study, count)
    return pages


def _count_grows(client: httpx.Client, base: str, study: str, before: int) -> int:
    """The study's count is never behind what can be fetched, and never falls."""
    found = search(client, f"{base}/studies", StudyInstanceUID=study)
    count = int(str(value(found[0], _STUDY_INSTANCES))) if found else 0
    assert before <= count <= _INSTANCES
    if found:
        metadata = client.get(f"{base}/studies/{study}/metadata", headers=JSON)
        assert metadata.status_code == 200, metadata.text
        assert len(metadata.json()) >= count
    return count
