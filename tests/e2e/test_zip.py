"""A ZIP archive of something large is sent in little memory, and is whole (M-08)."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from random import Random

import httpx

from tests.e2e.client import JSON
from tests.e2e.instances import make_large
from tests.e2e.served import Served, watched_memory

_LARGE_MIB = int(os.environ.get("DICOMWEB_TEST_LARGE_MIB", "256"))
_LIMIT_MIB = 300


def test_a_large_archive_is_sent_in_little_memory(served: Served, tmp_path: Path) -> None:
    made = make_large(_LARGE_MIB, implicit=False, random=Random(7))
    headers = {**JSON, "Content-Type": "application/dicom", "Content-Length": str(made.length)}
    stored = httpx.post(served.base + "/studies", content=made.chunks(), headers=headers, timeout=240)
    assert stored.status_code == 200, stored.text
    target, study = tmp_path / "study.zip", made.path.partition("/series/")[0]
    with (
        watched_memory(served) as memory,
        target.open("wb") as file,
        httpx.stream(
            "GET", served.base + study, headers={"Accept": "application/zip"}, timeout=240
        ) as response,
    ):
        assert response.status_code == 200
        for chunk in response.iter_raw():
            file.write(chunk)
    assert target.stat().st_size == int(response.headers["content-length"])
    print(f"ZIP of {_LARGE_MIB} MiB: {memory.peak_mib} MiB")  # noqa: T201 -- shown by pytest -s
    assert 0 < memory.peak_mib < _LIMIT_MIB
    with zipfile.ZipFile(target) as archive, archive.open(archive.namelist()[0]) as member:
        for chunk in made.chunks():
            assert member.read(len(chunk)) == chunk
        assert member.read(1) == b""  # which also compares the check sum


def test_a_reader_that_leaves_costs_nothing_more(served: Served) -> None:
    made = make_large(64, implicit=False, random=Random(8))
    body = b"".join(made.chunks())
    response = httpx.post(
        served.base + "/studies",
        content=body,
        headers={**JSON, "Content-Type": "application/dicom"},
        timeout=60,
    )
    assert response.status_code == 200
    for _ in range(5):
        with httpx.stream("GET", served.base + made.path, headers={"Accept": "application/zip"}) as left:
            next(left.iter_raw())
    again = httpx.get(served.base + made.path, headers={"Accept": "application/zip"}, timeout=60)
    with zipfile.ZipFile(io.BytesIO(again.content)) as archive:
        assert archive.read(archive.namelist()[0]) == body
    assert 'File "' not in served.log(), "a traceback, as logs.py writes it"
