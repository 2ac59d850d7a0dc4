"""Memory does not grow with the object or the number of clients (design invariant 5).

Proportional set size summed over all our processes, PostgreSQL apart, stays below 300 MiB.
DICOMWEB_TEST_LARGE_MIB: size of the large instance (default 256; the must-show is 2048).
"""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from random import Random

import httpx
import imagecodecs
import numpy as np
import pytest
from blake3 import blake3

from benchmarks.memory import (
    MOST_GAINED_MIB,
    MOST_MIB,
    gained,
    mixed,
    prepared,
    slow_clients,
    store_study,
)
from benchmarks.servers import Server, archive_server
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_instance
from tests.conftest import make_archive_directory
from tests.e2e.client import JSON, store
from tests.e2e.instances import BOUNDARY, RELATED, Instance, LargeInstance, make, make_large, uid_of
from tests.e2e.served import Served, watched_memory

_LIMIT_MIB = 300
_LARGE_MIB = int(os.environ.get("DICOMWEB_TEST_LARGE_MIB", "256"))
_CLIENTS = 16
_JPEG_LS = "1.2.840.10008.1.2.4.80"
# (7FE0,0010), OW, two reserved bytes, length.
_PIXEL_TAG, _PIXEL_HEADER_BYTES = b"\xe0\x7f\x10\x00OW", 12


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("memory is looked up in /proc")
    directory = make_archive_directory()
    try:
        with Served(directory, {"DICOMWEB_MIN_FREE_BYTES": "0"}) as running:
            yield running
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", params=["explicit", "implicit"])
def large(request: pytest.FixtureRequest, served: Served) -> LargeInstance:
    """Stored as a multipart body when explicit, as a single part when implicit; never held by anyone."""
    implicit = request.param == "implicit"
    made = make_large(_LARGE_MIB, implicit=implicit, random=Random(int(implicit)))
    content, length, content_type = _single_part(made) if implicit else _multipart(made)
    headers = {**JSON, **content_type, "Content-Length": str(length)}
    with watched_memory(served) as memory:
        response = httpx.post(f"{served.base}/studies", content=content, headers=headers, timeout=240)
    assert response.status_code == 200, response.text
    _check(memory.peak_mib, f"store, {request.param}")
    return made


def _single_part(made: LargeInstance) -> tuple[Iterator[bytes], int, dict[str, str]]:
    return made.chunks(), made.length, {"Content-Type": "application/dicom"}


def _multipart(made: LargeInstance) -> tuple[Iterator[bytes], int, dict[str, str]]:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    return chain([head], made.chunks(), [tail]), len(head) + made.length + len(tail), RELATED


def _check(peak_mib: int, what: str) -> None:
    print(f"{what}: {peak_mib} MiB")  # noqa: T201 -- shown by pytest -s
    assert 0 < peak_mib < _LIMIT_MIB


_INSTANCE_FORMS = {
    "as stored, multipart": 'multipart/related; type="application/dicom"; transfer-syntax=*',
    "as stored, single part": "application/dicom; transfer-syntax=*",
    "default, multipart": 'multipart/related; type="application/dicom"',
    "default, single part": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
}


@pytest.mark.parametrize("form", _INSTANCE_FORMS)
def test_a_large_instance_is_retrieved_in_little_memory(
    served: Served, large: LargeInstance, form: str
) -> None:
    with watched_memory(served) as memory:
        seen = _pixels(served, large.path, _INSTANCE_FORMS[form], large.pixel_bytes)
    assert seen == _digest(large.pixels())
    _check(memory.peak_mib, form)


def _pixels(served: Served, path: str, accept: str, pixel_bytes: int) -> bytes:
    """Digest of the pixel bytes of an answer that holds one instance in Explicit VR Little Endian."""
    with httpx.stream("GET", served.base + path, headers={"Accept": accept}, timeout=240) as response:
        assert response.status_code == 200, response.read()
        chunks = response.iter_raw()
        head = b""
        while _PIXEL_TAG not in head:
            head += next(chunks)
        start = head.index(_PIXEL_TAG) + _PIXEL_HEADER_BYTES
        return _digest(chain([head[start:]], chunks), pixel_bytes)


def _digest(chunks: Iterator[bytes], length: int | None = None) -> bytes:
    """Of the first `length` bytes; all is read."""
    hasher, left = blake3(), length
    for chunk in chunks:
        piece = chunk if left is None else chunk[:left]
        hasher.update(piece)
        if left is not None:
            left -= len(piece)
    assert not left
    return hasher.digest()


def test_bulkdata_of_a_large_instance_is_retrieved_in_little_memory(
    served: Served, large: LargeInstance
) -> None:
    with httpx.Client(timeout=60) as client:
        metadata = client.get(f"{served.base}{large.path}/metadata", headers=JSON).raise_for_status().json()
    url = metadata[0]["7FE00010"]["BulkDataURI"]
    headers = {"Accept": "application/octet-stream; transfer-syntax=*"}
    with (
        watched_memory(served) as memory,
        httpx.stream("GET", url, headers=headers, timeout=240) as response,
    ):
        assert response.status_code == 200, response.read()
        seen = _digest(response.iter_raw())
    assert seen == _digest(large.pixels())
    _check(memory.peak_mib, "bulkdata")


def test_frames_of_a_large_instance_are_retrieved_in_little_memory(
    served: Served, large: LargeInstance
) -> None:
    headers = {"Accept": "application/octet-stream; transfer-syntax=*"}
    with watched_memory(served) as memory, httpx.Client(timeout=60) as client:
        for number in {1, large.frames // 2 or 1, large.frames}:
            response = client.get(f"{served.base}{large.path}/frames/{number}", headers=headers)
            assert response.status_code == 200, response.text
            assert response.content == large.frame(number)
    _check(memory.peak_mib, "one frame")


def _store_small(served: Served, client: httpx.Client, random: Random) -> None:
    """Parts just under the size to which a part is held (4 MiB)."""
    study, series = uid_of(random), uid_of(random)
    instances = [_made(study, series, 4_100_000, number, random) for number in range(4)]
    assert len(store(client, served.base, instances)) == len(instances)


def _store_medium(served: Served, client: httpx.Client, random: Random) -> None:
    """Parts that stream, each into a blob of its own."""
    instance = _made(uid_of(random), uid_of(random), 8_000_000, 1, random)
    assert store(client, served.base, [instance]) == {instance.uid}


def _made(study: str, series: str, pixel_bytes: int, number: int, random: Random) -> Instance:
    return make(study, series, uid_of(random), pixel_bytes=pixel_bytes, number=number, random=random)


def _read_decoded(served: Served, client: httpx.Client, random: Random) -> None:
    """All frames of a compressed object, decoded."""
    response = client.get(f"{served.base}/studies/{_COMPRESSED_STUDY}")
    assert response.status_code == 200, response.text
    assert all(frame.tobytes() in response.content for frame in random.sample(_frames(), 2))


_ACTS: dict[str, Callable[[Served, httpx.Client, Random], None]] = {
    "store, held parts": _store_small,
    "store, streamed parts": _store_medium,
    "read, decoded": _read_decoded,
}
_COMPRESSED_STUDY = uid_of(Random(77))


def _frames() -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint16]]]:
    generator = np.random.default_rng(7)
    return [generator.integers(0, 4096, (1024, 1024), dtype=np.uint16) for _ in range(8)]


@pytest.fixture(scope="module")
def compressed(served: Served) -> None:
    """A multi-frame JPEG-LS object."""
    part10 = make_instance(
        study_instance_uid=_COMPRESSED_STUDY,
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
        transfer_syntax_uid=_JPEG_LS,
        rows=1024,
        columns=1024,
        frames=8,
        bits_stored=12,
        codestreams=[imagecodecs.jpegls_encode(frame) for frame in _frames()],
    )
    headers = {**JSON, "Content-Type": "application/dicom"}
    response = httpx.post(f"{served.base}/studies", content=part10, headers=headers, timeout=60)
    assert response.status_code == 200, response.text


@pytest.mark.usefixtures("compressed")
@pytest.mark.parametrize("act", _ACTS)
def test_sixteen_clients_at_once_fit_in_memory(served: Served, act: str) -> None:
    def run(seed: int) -> None:
        random = Random(f"{act} {seed}")
        with httpx.Client(timeout=240) as client:
            for _ in range(3):
                _ACTS[act](served, client, random)

    with watched_memory(served) as memory, ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(run, range(_CLIENTS)))
    _check(memory.peak_mib, f"{_CLIENTS} clients: {act}")


@pytest.mark.parametrize("form", ["a part of its own", "inline"])
def test_large_bulkdata_of_metadata_is_stored_in_little_memory(served: Served, form: str) -> None:
    content = _inline(_uids(form)) if form == "inline" else _apart(_uids(form))
    media_type = 'multipart/related; type="application/dicom+json"; boundary=x'
    with watched_memory(served) as memory:
        response = httpx.post(
            f"{served.base}/studies",
            content=content,
            headers={**JSON, "Content-Type": media_type},
            timeout=240,
        )
    assert response.status_code == 200, response.text
    _check(memory.peak_mib, f"store metadata, {form}")


def _uids(form: str) -> dict[str, object]:
    """The identity of an instance."""
    tags = ("00080016", "00080018", "0020000D", "0020000E")
    return {tag: {"vr": "UI", "Value": [f"2.25.{len(form)}.{at}"]} for at, tag in enumerate(tags)}


_METADATA_HEAD = b"--x\r\nContent-Type: application/dicom+json\r\n\r\n"


def _apart(attributes: dict[str, object]) -> Iterator[bytes]:
    pixels = {"7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}}
    yield _METADATA_HEAD + json.dumps([attributes | pixels]).encode()
    yield b"\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Location: pixels\r\n\r\n"
    yield from repeat(Random(1).randbytes(1 << 20), _LARGE_MIB)
    yield b"\r\n--x--\r\n"


def _inline(attributes: dict[str, object]) -> Iterator[bytes]:
    pixels = {"7FE00010": {"vr": "OW", "InlineBinary": "@"}}
    head, _, tail = json.dumps([attributes | pixels]).encode().partition(b"@")
    yield _METADATA_HEAD + head
    yield from repeat(b64encode(Random(2).randbytes(3 << 18)), _LARGE_MIB)
    yield tail + b"\r\n--x--\r\n"


@pytest.fixture
def fresh() -> Iterator[tuple[Server, Path]]:
    """A server with a catalog that may be filled, and its data directory."""
    directory = make_archive_directory()
    try:
        with archive_server(directory / "data") as server:
            yield server, directory / "data"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_memory_stays_over_mixed_requests(fresh: tuple[Server, Path]) -> None:
    """The short form of `python -m benchmarks.memory`: a leak of 20 KiB a request would show."""
    held = prepared(*fresh)
    seen = mixed(fresh[0], held, 2500, seconds=0.2)
    print(f"mixed requests: {seen.peak:.0f} MiB, {gained(seen):+.1f}")  # noqa: T201 -- shown by pytest -s
    assert 0 < seen.peak < MOST_MIB
    assert gained(seen) < MOST_GAINED_MIB


def test_slow_clients_of_one_study_fit_in_memory(fresh: tuple[Server, Path]) -> None:
    """Each has far more to receive than the sockets between hold; together more than memory may."""
    server, _ = fresh
    series = store_study(server, 52)
    seen = slow_clients(server, series, _CLIENTS, 10 << 20)
    print(f"slow clients: {seen.peak:.0f} MiB")  # noqa: T201 -- shown by pytest -s
    assert 0 < seen.peak < MOST_MIB
