"""The jobs of documents in real worker processes, as the server runs them."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from dicomweb.archive.workers import PixelWorkers
from dicomweb.documents.needs import bulk_needs
from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.jobs import JOBS, load
from tests.dicom.corpus import CORPORA, paths
from tests.documents.objects import scanned

OURS = ("report", "icon", "waveform", "contours", "pdf_page", "video_frame")
REQUEST = {"media_type": "image/jpeg", "viewport": {"width": 128, "height": 128}}


def in_a_worker(job: str, parameters: dict[str, Any], *buffers: bytes) -> bytes:
    async def work() -> bytes:
        workers = PixelWorkers(count=1, seconds=20, memory_bytes=512 << 20)
        try:
            return await workers.run(job, parameters, buffers)
        finally:
            await workers.close()

    return asyncio.run(work())


def shown(job: str, path: Path, **parameters: Any) -> bytes:
    """A file shown by a job, with the bulk values that it needs."""
    metadata, bulk = scanned(path.read_bytes())
    paths = [need.path for need in bulk_needs(job, json.loads(metadata))]
    return in_a_worker(job, {"bulk": paths, **parameters}, metadata, *(bulk[path] for path in paths))


def sample(name: str) -> Path:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    return Path(path)


@pytest.mark.parametrize("job", OURS)
def test_every_job_is_registered_under_a_function_that_exists(job: str) -> None:
    assert job in JOBS
    assert callable(load(job))


@pytest.mark.parametrize(("job", "name"), [("waveform", "waveform_ecg.dcm"), ("contours", "rtstruct.dcm")])
def test_drawings_are_made_in_a_worker(job: str, name: str) -> None:
    picture = Image.open(BytesIO(shown(job, sample(name), request=REQUEST)))
    assert (picture.format, max(picture.size)) == ("JPEG", 128)


def test_reports_are_written_in_a_worker() -> None:
    assert b"A mass of" in shown("report", sample("test-SR.dcm"), media_type="text/html")


def test_a_page_is_drawn_in_a_worker() -> None:
    pytest.importorskip("pypdfium2")
    pdf = BytesIO()
    Image.new("RGB", (300, 300), "#00ff00").save(pdf, "PDF")
    assert Image.open(BytesIO(in_a_worker("pdf_page", {"request": REQUEST}, pdf.getvalue()))).size == (
        128,
        128,
    )


def test_a_job_that_cannot_be_done_says_so() -> None:
    with pytest.raises(DecodeFailed, match="holds no waveform"):
        in_a_worker("waveform", {"request": REQUEST}, b"{}")


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_real_object_can_be_written(corpus: str, request: pytest.FixtureRequest) -> None:
    """Reports and listings of whatever there is."""
    report = load("report")
    for path in paths(corpus, request):
        try:
            metadata, _ = scanned(path.read_bytes())
        except InvalidDicom:
            continue
        assert report({"media_type": "text/html"}, [metadata]).endswith(b"</html>\n")
        assert report({"media_type": "text/plain"}, [metadata])
