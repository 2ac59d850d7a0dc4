"""Pixel data by its BulkDataURI: whatever is stored, and however many frames it has (W-38, M-16)."""

from __future__ import annotations

import io
import sys
import tracemalloc
from itertools import pairwise
from typing import Any

import pydicom
import pytest

from dicomweb.archive import bulkdata, frames
from dicomweb.archive.bulkdata import plan_bulkdata
from dicomweb.archive.instance_bulkdata import plan_instance_bulkdata
from dicomweb.archive.reading import close
from dicomweb.dicom.target import Target
from dicomweb.protocol.negotiate import Resource, acceptable
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, fake_codestreams, make_instance
from tests.web.conftest import Client, parts

JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
AS_STORED = 'multipart/related; type="image/jp2"; transfer-syntax=*'


def _store(client: Client, *, count: int, syntax: str = JPEG_2000) -> Target:
    """An instance whose codestreams no codec reads."""
    data = make_instance(
        transfer_syntax_uid=syntax,
        frames=count,
        codestreams=fake_codestreams(count),
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
    )
    assert client.store(data).status_code == 200
    found = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return Target(found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID)


def _path(target: Target) -> str:
    return f"{target.path}/bulkdata/7FE00010"


@pytest.mark.parametrize("syntax", [JPEG_2000, JPEG_BASELINE])
@pytest.mark.parametrize("count", [1, 3])
def test_what_no_codec_reads_goes_as_stored_to_who_takes_anything(
    client: Client, syntax: str, count: int
) -> None:
    path = _path(_store(client, count=count, syntax=syntax))
    for accept in ("", "*/*", "application/octet-stream, */*;q=0.1", 'multipart/related; type="*/*"'):
        response = client.get(path, accept)
        assert response.status_code == 200, accept
        if response.headers["content-type"].startswith("multipart"):
            bodies = [body for _, body in parts(response)]
        else:
            assert response.headers["content-type"].endswith(syntax)
            bodies = [response.content]
        assert len(bodies) == count
        assert all(body.startswith(b"\xff\xd8\xff\xe0frame 00000%d" % n) for n, body in enumerate(bodies))


def test_the_answer_in_stead_of_pixels_has_a_tag_and_a_head_of_its_own(client: Client) -> None:
    path = _path(_store(client, count=3))
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = client.request("HEAD", path)
    assert head.status_code == 200
    assert head.headers["content-type"] == first.headers["content-type"]
    assert head.headers["etag"] == first.headers["etag"]


def test_who_takes_only_pixels_is_refused_what_no_codec_reads(client: Client) -> None:
    response = client.get(_path(_store(client, count=3)), "application/octet-stream")
    assert response.status_code == 406
    assert "transfer-syntax" in response.json()["hint"]


def test_very_many_frames_are_sent_page_by_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    target = _store(client, count=23)
    held = client.get(_path(target), AS_STORED)
    whole = client.get(target.path, 'multipart/related; type="application/octet-stream"; transfer-syntax=*')
    monkeypatch.setattr(bulkdata, "_HELD_PARTS", 22)
    monkeypatch.setattr(frames, "_PAGE", 5)
    streamed = client.get(_path(target), AS_STORED)
    assert streamed.status_code == held.status_code == 200
    assert streamed.content == held.content
    assert "content-length" in held.headers
    assert "content-length" not in streamed.headers
    assert streamed.headers["etag"] == held.headers["etag"]
    assert (
        client.get(_path(target), AS_STORED, headers={"If-None-Match": held.headers["etag"]}).status_code
        == 304
    )
    assert [body for _, body in parts(whole)] == [body for _, body in parts(streamed)]
    numbers = [body[:18] for _, body in parts(streamed)]
    assert all(earlier < later for earlier, later in pairwise(numbers))


def test_a_plan_does_not_grow_with_the_frames(client: Client) -> None:
    target = _store(client, count=20_000)
    accept = acceptable([AS_STORED], [], Resource.BULKDATA)

    async def planned() -> int:
        tracemalloc.start()
        try:
            plan = await plan_bulkdata(client.archive, target, "7FE00010", accept)
            first = [await anext(plan.stream()) for _ in range(2)]
            assert plan.parts is None
            assert [part.length for part in first] == [20, 20]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert client._run(planned()) < 4 << 20


@pytest.mark.parametrize("resource", [Resource.BULKDATA, Resource.PIXELDATA])
def test_nothing_goes_on_being_made_for_who_left(client: Client, resource: Resource) -> None:
    """An async generator that is only dropped ends when the garbage collector comes by."""
    target = _store(client, count=23)
    accept = acceptable([AS_STORED], [], resource)

    async def left() -> list[object]:
        planned = await plan_bulkdata(client.archive, target, "7FE00010", accept)
        found = await plan_instance_bulkdata(client.archive, Target(target.study), accept)
        running: list[Any] = []
        before, _ = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=running.append)
        try:
            for stream in (planned.stream(), found.stream()):
                await anext(stream)
                await close(stream)
        finally:
            sys.set_asyncgen_hooks(firstiter=before)
        assert len(running) > 6
        return [one for one in running if one.ag_frame is not None]

    assert client._run(left()) == []
