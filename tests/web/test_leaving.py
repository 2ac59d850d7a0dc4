"""A client that leaves in the middle of an answer: nothing goes on being made for it."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy
import pydicom
import pytest
from pydicom.uid import RLELossless

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.errors import ClientGone
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_dataset
from tests.web.conftest import BASE, Client

# Tasks that make a frame, and that share it with others who want it.
_WORK = ("FrameReader._make", "Derived._found_or_made")


def _store(client: Client) -> str:
    """Frames that each take a while to decode; returns their path."""
    side, count = 512, 8
    pixels = numpy.random.default_rng(1).integers(0, 4096, side * side * count, dtype="<u2").tobytes()
    dataset = make_dataset(
        rows=side, columns=side, frames=count, pixels=pixels, sop_class_uid=MULTIFRAME_GRAYSCALE_WORD
    )
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE
    dataset.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    assert client.store(buffer.getvalue()).status_code == 200
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


async def _leave(client: Client, path: str, accept: str = "*/*", *, at_once: bool = False) -> int:
    """Ask, and be gone when the first piece comes, or before it. Returns how many frames are still wanted."""
    left = asyncio.Event()
    if at_once:
        asyncio.get_running_loop().call_later(0.05, left.set)
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        left.set()
        await asyncio.sleep(0)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": BASE.removeprefix("http://127.0.0.1:8080") + path,
        "raw_path": (BASE.removeprefix("http://127.0.0.1:8080") + path).encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8080"), (b"accept", accept.encode())],
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 50000),
        "state": {"archive": client.archive},
    }
    try:
        await client.app(scope, receive, send)  # type: ignore[arg-type]
    except ClientGone:
        pass
    for _ in range(9):
        await asyncio.sleep(0)
    return sum(name in repr(task) for task in asyncio.all_tasks() for name in _WORK)


@pytest.mark.parametrize("resource", ["/frames/1,2,3,4,5,6,7,8", "/bulkdata/7FE00010", ""])
def test_frames_are_not_decoded_ahead_for_who_left(make_client: Any, resource: str) -> None:
    client: Client = make_client(decode_workers=1)
    path = _store(client)
    assert client.get(path + "/frames/1").status_code == 200
    assert client._run(_leave(client, path + resource)) == 0


@pytest.mark.parametrize("resource", ["", "/frames/1,2,3,4,5,6,7,8"])
def test_frames_are_not_encoded_for_who_left_before_the_first_byte(make_client: Any, resource: str) -> None:
    """The offset table wants all frames: a client may be long gone before it goes out."""
    client: Client = make_client(decode_workers=1, cache_bytes=0)
    path = _store(client)
    media_type = "image/jp2" if resource else "application/dicom"
    accept = f'multipart/related; type="{media_type}"; transfer-syntax=1.2.840.10008.1.2.4.90'
    assert client._run(_leave(client, path + resource, accept, at_once=True)) == 0
    assert client.get(path + "/frames/2").status_code == 200


def test_one_frame_that_waits_for_a_worker_is_not_waited_for_by_who_left(make_client: Any) -> None:
    """It is made before the answer begins, so that its length is known."""
    client: Client = make_client(decode_workers=1, cache_bytes=0)
    path = _store(client)

    async def scenario() -> None:
        free = asyncio.Event()

        async def buffers() -> list[bytes]:
            await free.wait()
            return []

        busy = asyncio.ensure_future(client.archive.workers.run("transcode", {}, buffers))
        await asyncio.sleep(0)
        accept = "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"
        async with asyncio.timeout(20):
            assert await _leave(client, path + "/frames/3", accept, at_once=True) == 0
        free.set()
        await asyncio.gather(busy, return_exceptions=True)

    client._run(scenario())


def test_pictures_are_not_made_for_who_left_before_the_first_byte(
    make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Client = make_client(decode_workers=1, cache_bytes=0)
    path = _store(client)
    begun: list[str] = []
    run = client.archive.workers.run

    async def counted(job: str, *arguments: Any, **options: Any) -> bytes:
        begun.append(job)
        return await run(job, *arguments, **options)

    monkeypatch.setattr(client.archive.workers, "run", counted)
    client._run(_leave(client, path + "/rendered", 'multipart/related; type="image/png"', at_once=True))
    assert 0 < begun.count("render") < 8
    assert client.get(path + "/frames/2/rendered").status_code == 200
