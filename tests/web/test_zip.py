"""application/zip: what a client unpacks is what it would have retrieved (M-08)."""

from __future__ import annotations

import io
import zipfile
import zlib

import pydicom
import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dicomweb.catalog.lookup import instance_source
from dicomweb.dicom.target import Target
from tests.builders import make_instance, new_uid
from tests.web.conftest import Client


def _opened(client: Client, path: str, accept: str = "application/zip") -> zipfile.ZipFile:
    response = client.get(path, accept)
    assert response.status_code in (200, 206), response.text
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    return archive


def _path(data: bytes) -> str:
    dataset = pydicom.dcmread(io.BytesIO(data))
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def _study(client: Client) -> tuple[str, list[bytes]]:
    """Two series: an axial CT of two slices stored last first, and one object with a hostile description."""
    study, series, other = new_uid(), new_uid(), new_uid()
    attributes = {"SeriesDescription": "Thorax / axial", "SeriesNumber": 1, "Modality": "CT"}
    slices = [
        make_instance(
            study_instance_uid=study,
            series_instance_uid=series,
            attributes={**attributes, "InstanceNumber": number},
        )
        for number in (1, 2)
    ]
    hostile = make_instance(
        study_instance_uid=study,
        series_instance_uid=other,
        attributes={"SeriesDescription": "../../../etc/passwd\\C:", "SeriesNumber": 2, "Modality": "OT"},
    )
    assert client.store(slices[1], hostile, slices[0]).status_code == 200
    return study, [*slices, hostile]


def test_a_study_is_one_folder_a_series_in_the_usual_order(client: Client) -> None:
    study, instances = _study(client)
    response = client.get(f"/studies/{study}", "application/zip")
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["content-disposition"] == f'attachment; filename="{study}.zip"'
    archive = _opened(client, f"/studies/{study}")
    names = archive.namelist()
    assert names[:2] == ["001_CT_Thorax-axial/00001.dcm", "001_CT_Thorax-axial/00002.dcm"]
    assert names[2].startswith("002_OT_etc-passwd")
    for name, data in zip(names, instances, strict=True):
        want, got = (pydicom.dcmread(io.BytesIO(one)) for one in (data, archive.read(name)))
        assert (got, got.file_meta.MediaStorageSOPInstanceUID) == (want, want.SOPInstanceUID)


def test_a_series_and_an_instance_are_archives_too(client: Client) -> None:
    study, instances = _study(client)
    path = _path(instances[1])
    assert len(_opened(client, path.partition("/instances/")[0]).namelist()) == 2
    archive = _opened(client, path)
    assert archive.namelist() == ["001_CT_Thorax-axial/00001.dcm"]
    assert study in path


def test_the_same_request_gives_the_same_bytes_and_a_304(client: Client) -> None:
    study, _ = _study(client)
    first, again = (client.get(f"/studies/{study}", "application/zip") for _ in range(2))
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
    kept = client.get(
        f"/studies/{study}", "application/zip", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (kept.status_code, kept.content) == (304, b"")
    head = client.request("HEAD", f"/studies/{study}", headers={"Accept": "application/zip"})
    assert head.headers["content-length"] == first.headers["content-length"]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_what_never_leaves_the_archive_is_re_encoded(client: Client, syntax: str) -> None:
    data = make_instance(transfer_syntax_uid=syntax)
    client.store(data)
    archive = _opened(client, _path(data))
    got = pydicom.dcmread(io.BytesIO(archive.read(archive.namelist()[0])))
    assert got.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert got.PatientName == "Builder^Test"


def test_a_transfer_syntax_may_be_asked_for(client: Client) -> None:
    dataset = pydicom.dcmread(io.BytesIO(make_instance(sop_class_uid=CTImageStorage)))
    pixels = dataset.pixel_array
    dataset.compress(RLELossless)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    client.store(buffer.getvalue())
    path = _path(buffer.getvalue())
    for accept, syntax in (
        ("application/zip", RLELossless),
        ("application/zip; transfer-syntax=*", RLELossless),
        (f"application/zip; transfer-syntax={ExplicitVRLittleEndian}", ExplicitVRLittleEndian),
    ):
        archive = _opened(client, path, accept)
        got = pydicom.dcmread(io.BytesIO(archive.read(archive.namelist()[0])))
        assert got.file_meta.TransferSyntaxUID == syntax
        assert (got.pixel_array == pixels).all()
    assert client.get(path, "application/zip; transfer-syntax=nonsense").status_code == 400
    assert client.get(path, "application/zip; transfer-syntax=1.2.3").status_code == 406


def test_what_is_damaged_is_left_out_and_listed(client: Client) -> None:
    study = new_uid()
    good, lost = (make_instance(study_instance_uid=study) for _ in range(2))
    client.store(good)
    client.store(lost)
    _lose(client, _path(lost))
    assert client.get(_path(lost), 'multipart/related; type="application/dicom"').status_code == 500
    response = client.get(f"/studies/{study}", "application/zip")
    assert response.status_code == 206
    assert int(response.headers["content-length"]) == len(response.content)
    assert "299" in response.headers["warning"]
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers
    archive = _opened(client, f"/studies/{study}")
    assert len(archive.namelist()) == 2
    assert _path(lost) in archive.read("LEFT-OUT.txt").decode()
    assert client.get(_path(lost), "application/zip").status_code == 500
    for accept in ("application/zip", 'multipart/related; type="application/dicom"'):
        kept = client.get(f"/studies/{study}", accept, headers={"If-None-Match": "*"})
        assert kept.status_code == 206, "no copy of what lacks an instance is the current one"


def _lose(client: Client, path: str) -> None:
    study, series, instance = path.split("/")[2::2]

    async def remove() -> None:
        archive = client.archive
        source = await instance_source(archive.pool, archive.tenant_id, Target(study, series, instance))
        await archive.blobs.delete(source.blob_key)

    client._run(remove())


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/zip, application/dicom;q=0.5", "application/zip"),
        ('multipart/related; type="application/dicom", application/zip', "multipart/related"),
        ("application/zip;q=0, */*", "multipart/related"),
        ("text/html, application/zip;q=0.1", "application/zip"),
        ("*/*", "multipart/related"),
    ],
)
def test_an_archive_is_sent_to_those_who_prefer_it(client: Client, accept: str, content_type: str) -> None:
    study, _ = _study(client)
    assert client.get(f"/studies/{study}", accept).headers["content-type"].startswith(content_type)


@pytest.mark.parametrize("accept", ["", "application/zip", "multipart/related"])
def test_dicomdir_is_true_or_false_whatever_is_sent(client: Client, accept: str) -> None:
    data = make_instance()
    client.store(data)
    for value, status in (("-1", 400), ("", 400), ("true", 200), ("false", 200)):
        assert client.get(f"{_path(data)}?dicomdir={value}", accept).status_code == status, value


def test_a_refusal_names_it_too(client: Client) -> None:
    study, _ = _study(client)
    refused = client.get(f"/studies/{study}", "image/png")
    assert refused.status_code == 406
    assert "application/zip" in refused.json()["available"]


def test_a_link_asks_by_its_query(client: Client) -> None:
    study, _ = _study(client)
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = client.get(f"/studies/{study}?accept=application/zip", browser)
    assert response.headers["content-type"] == "application/zip"
    star = client.get(f"/studies/{study}?accept=application/zip%3Btransfer-syntax%3D*", browser)
    assert star.headers["content-type"] == "application/zip"
    assert client.get(f"/studies/{new_uid()}?accept=application/zip").status_code == 404
    assert client.get(f"/studies/{study}?accept=application/zip,nonsense").status_code == 400


def test_readers_from_the_front_can_unpack_it(client: Client) -> None:
    """As Java's ZipInputStream: no entry's end is told but by the data itself."""
    study, instances = _study(client)
    body = client.get(f"/studies/{study}", "application/zip").content
    name, extra = (int.from_bytes(body[at : at + 2], "little") for at in (26, 28))
    inflater = zlib.decompressobj(-15)
    first = inflater.decompress(body[30 + name + extra :])
    assert inflater.eof
    assert pydicom.dcmread(io.BytesIO(first)) == pydicom.dcmread(io.BytesIO(instances[0]))


def test_a_file_set_has_its_directory(client: Client) -> None:
    study, instances = _study(client)
    response = client.get(f"/studies/{study}?dicomdir=true", "application/zip")
    assert "content-length" not in response.headers
    archive = _opened(client, f"/studies/{study}?dicomdir=true")
    names = ["DICOM/S0000001/I0000001", "DICOM/S0000001/I0000002", "DICOM/S0000002/I0000001"]
    assert archive.namelist() == [*names, "DICOMDIR"]
    records = pydicom.dcmread(io.BytesIO(archive.read("DICOMDIR"))).DirectoryRecordSequence
    assert [one.DirectoryRecordType for one in records] == [
        "PATIENT",
        "STUDY",
        "SERIES",
        "IMAGE",
        "IMAGE",
        "SERIES",
        "IMAGE",
    ]
    referenced = {
        "/".join(one.ReferencedFileID): one.ReferencedSOPInstanceUIDInFile
        for one in records
        if "ReferencedFileID" in one
    }
    assert referenced == {
        name: pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID
        for name, data in zip(names, instances, strict=True)
    }
    again = client.get(f"/studies/{study}?dicomdir=true", "application/zip")
    assert (again.content, again.headers["etag"]) == (response.content, response.headers["etag"])
    assert client.get(f"/studies/{study}", "application/zip").headers["etag"] != again.headers["etag"]
    for wrong in ("dicomdir=maybe", "dicomdir=", "dicomdir=true&dicomdir=false"):
        assert client.get(f"/studies/{study}?{wrong}", "application/zip").status_code == 400


def test_values_that_no_directory_can_hold_do_not_stop_it(client: Client) -> None:
    data = make_instance(attributes={"StudyID": "x" * 5000, "ContentDate": "nonsense"})
    assert client.store(data).status_code == 200
    archive = _opened(client, _path(data) + "?dicomdir=true")
    *_, leaf = pydicom.dcmread(io.BytesIO(archive.read("DICOMDIR"))).DirectoryRecordSequence
    assert leaf.DirectoryRecordType == "IMAGE"
