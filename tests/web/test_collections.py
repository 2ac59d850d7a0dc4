"""/bulkdata and /pixeldata of a study, series or instance (W-07, W-40)."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from dicomweb.catalog.lookup import instance_source
from dicomweb.dicom.target import Target
from tests.builders import make_instance, new_uid
from tests.web.conftest import BASE, Client, parts

AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def _path(data: bytes) -> str:
    dataset = pydicom.dcmread(io.BytesIO(data))
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def _with_icon(study: str) -> bytes:
    icon = Dataset()
    icon.Rows = icon.Columns = 64
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.BitsAllocated = icon.BitsStored = 8
    icon.HighBit, icon.PixelRepresentation = 7, 0
    icon.PixelData = bytes(range(256)) * 16
    icon["PixelData"].VR = "OB"
    return make_instance(
        study_instance_uid=study,
        attributes={"IconImageSequence": [icon], "EncapsulatedDocument": b"%PDF" * 600},
    )


def _uris(value: object) -> list[str]:
    if isinstance(value, list):
        return [uri for item in value for uri in _uris(item)]
    if isinstance(value, dict):
        own = [value["BulkDataURI"]] if "BulkDataURI" in value else []
        return own + [uri for item in value.values() for uri in _uris(item)]
    return []


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_bulkdata_is_every_value_that_metadata_gives_by_uri(client: Client, level: str) -> None:
    study = new_uid()
    data = _with_icon(study)
    client.store(data, make_instance(study_instance_uid=study))
    path = _path(data)
    path = {"study": f"/studies/{study}", "series": path.partition("/instances/")[0], "instance": path}[level]
    uris = _uris(client.get(path + "/metadata").json())
    got = {head["content-location"]: payload for head, payload in parts(client.get(path + "/bulkdata"))}
    assert sorted(got) == sorted(uris)
    for uri, payload in got.items():
        assert client.get(uri, "*/*").content == payload


def test_pixeldata_is_the_pixels_of_the_data_set_alone(client: Client) -> None:
    study = new_uid()
    data, other = _with_icon(study), make_instance(study_instance_uid=study)
    client.store(data, other)
    response = client.get(f"/studies/{study}/pixeldata")
    assert response.status_code == 200
    got = {head["content-location"]: payload for head, payload in parts(response)}
    assert got == {
        f"{BASE}{_path(one)}/bulkdata/7FE00010": pydicom.dcmread(io.BytesIO(one)).PixelData
        for one in (data, other)
    }
    again = client.get(f"/studies/{study}/pixeldata", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


def test_pixeldata_of_one_instance_may_be_a_single_part_with_ranges(client: Client) -> None:
    data = make_instance()
    client.store(data)
    pixels = pydicom.dcmread(io.BytesIO(data)).PixelData
    single = client.get(_path(data) + "/pixeldata", "application/octet-stream")
    assert single.headers["content-type"].startswith("application/octet-stream")
    assert single.content == pixels
    some = client.get(
        _path(data) + "/pixeldata", "application/octet-stream", headers={"Range": "bytes=0-1,-2"}
    )
    assert some.status_code == 206
    assert some.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert int(some.headers["content-length"]) == len(some.content)
    boundary = b"--" + some.headers["content-type"].partition("boundary=")[2].encode()
    size = len(pixels)
    assert some.content.split(boundary)[1].endswith(
        f"Content-Range: bytes 0-1/{size}\r\n\r\n".encode() + pixels[:2] + b"\r\n"
    )
    assert f"Content-Range: bytes {size - 2}-{size - 1}/{size}\r\n\r\n".encode() + pixels[-2:] in some.content
    study = _path(data).partition("/series/")[0]
    assert client.get(study + "/pixeldata", "application/octet-stream").status_code == 406


def test_compressed_pixels_go_decoded_or_frame_by_frame(client: Client) -> None:
    dataset = pydicom.dcmread(io.BytesIO(make_instance(frames=3, rows=4, columns=5)))
    native = dataset.PixelData
    dataset.compress(RLELossless)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    data = buffer.getvalue()
    client.store(data)
    ((_, decoded),) = parts(client.get(_path(data) + "/pixeldata"))
    assert decoded.ljust(len(native), b"\0") == native
    stored = parts(client.get(_path(data) + "/pixeldata", AS_STORED))
    frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
    assert [payload for _, payload in stored] == frames
    assert stored[0][0]["content-type"] == f"image/dicom-rle; transfer-syntax={RLELossless}"


def test_a_target_without_pixels_is_404_and_damage_is_not_silent(client: Client) -> None:
    study = new_uid()
    report = make_instance(study_instance_uid=study, with_pixels=False)
    client.store(report)
    assert client.get(_path(report) + "/pixeldata").status_code == 404
    assert client.get(f"/studies/{new_uid()}/bulkdata").status_code == 404
    assert client.get("/studies/x/pixeldata").status_code == 400
    lost = make_instance(study_instance_uid=study)
    good = make_instance(study_instance_uid=study)
    client.store(lost)
    client.store(good)
    _lose(client, _path(lost))
    assert client.get(_path(lost) + "/frames/1").status_code == 500
    for kind in ("/bulkdata", "/pixeldata"):
        response = client.get(f"/studies/{study}{kind}")
        assert (response.status_code, len(parts(response))) == (206, 1)
        assert response.headers["cache-control"] == "no-store"
        assert client.get(_path(lost) + kind).status_code == 500


def _lose(client: Client, path: str) -> None:
    study, series, instance = path.split("/")[2::2]

    async def remove() -> None:
        archive = client.archive
        source = await instance_source(archive.pool, archive.tenant_id, Target(study, series, instance))
        await archive.blobs.delete(source.blob_key)

    client._run(remove())
