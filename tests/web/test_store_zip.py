"""STOW-RS of a zip file (S-14), through the whole application."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import httpx
import pytest
from pydicom import dcmread

from tests.builders import make_instance, new_uid
from tests.web.conftest import Client
from tests.web.uploads import failures

HEADERS = {"Content-Type": "application/zip"}


def zipped(files: Mapping[str, bytes], compression: int = ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with ZipFile(body, "w", compression) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return body.getvalue()


def upload(client: Client, body: bytes, path: str = "/studies") -> httpx.Response:
    return client.request("POST", path, content=body, headers=HEADERS)


def count(client: Client, study: str) -> int:
    response = client.get(f"/instances?StudyInstanceUID={study}")
    return len(response.json()) if response.status_code == 200 else 0


def directory() -> bytes:
    """A DICOMDIR, as far as its head tells."""
    dataset = dcmread(io.BytesIO(make_instance(with_pixels=False)))
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


@pytest.mark.parametrize("compression", [ZIP_STORED, ZIP_DEFLATED])
def test_every_dicom_file_in_a_zip_file_is_stored(client: Client, compression: int) -> None:
    study = new_uid()
    files = {f"DICOM/P{at}/S1/IM{at}": make_instance(study_instance_uid=study) for at in range(5)}
    extra = {
        "DICOMDIR": directory(),
        "__MACOSX/DICOM/._IM1": b"mac",
        ".DS_Store": b"mac",
        "DICOM/empty/": b"",
    }
    response = upload(client, zipped(files | extra, compression), f"/studies/{study}")
    assert response.status_code == 200, response.text
    assert len(response.json()["00081199"]["Value"]) == 5
    assert count(client, study) == 5


def test_hidden_files_are_stored_when_they_are_dicom(client: Client) -> None:
    study = new_uid()
    names = ("a.dcm", ".hidden.dcm", "folder/.1.2.3", "__MACOSX/a.dcm", ".folder/a.dcm")
    files = {name: make_instance(study_instance_uid=study) for name in names}
    cut = {".cut.dcm": make_instance(study_instance_uid=study)[:-10]}
    assert upload(client, zipped(files | {".empty": b"", ".text": b"text"})).status_code == 200
    assert count(client, study) == len(names)
    assert len(failures(upload(client, zipped(cut)))) == 1


def test_files_that_are_no_dicom_are_told_and_the_others_stored(client: Client) -> None:
    study = new_uid()
    files = {
        "readme.txt": b"Read me. " * 100,
        "empty": b"",
        "a.dcm": make_instance(study_instance_uid=study),
        "cut.dcm": make_instance(study_instance_uid=study)[:-10],
        "nested.zip": zipped({"b.dcm": make_instance(study_instance_uid=study)}),
    }
    response = upload(client, zipped(files))
    assert response.status_code == 202
    assert len(failures(response)) == 4
    assert not any("readme" in sentence for _, _, sentence in failures(response))
    assert count(client, study) == 1


def test_a_damaged_entry_fails_alone(make_client: Any) -> None:
    client = make_client(small_part_bytes=1000)
    study = new_uid()
    files = {name: make_instance(study_instance_uid=study, rows=100, columns=100) for name in "abc"}
    body = bytearray(zipped(files, ZIP_STORED))
    body[len(body) // 2] ^= 0xFF  # in the pixels of the second
    response = upload(client, bytes(body))
    assert response.status_code == 202
    ((_, _, sentence),) = failures(response)
    assert sentence == "A file in the zip file is damaged."
    assert count(client, study) == 2


def test_other_compressions_and_encryption_are_told(client: Client) -> None:
    study = new_uid()
    body = bytearray(zipped({"a": make_instance(study_instance_uid=study)}))
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    for wrong in (bytes(body), zipped({"a": make_instance(study_instance_uid=study)}, ZIP_BZIP2)):
        response = upload(client, wrong)
        assert response.status_code == 409
        assert len(failures(response)) == 1
    assert count(client, study) == 0


@pytest.mark.parametrize("keep", [0, 1, 100, -1, -30])
def test_a_zip_file_that_is_cut_off_stores_nothing(client: Client, keep: int) -> None:
    study = new_uid()
    body = zipped(
        {"a": make_instance(study_instance_uid=study), "b": make_instance(study_instance_uid=study)}
    )
    response = upload(client, body[:keep])
    assert response.status_code == 400, response.text
    assert count(client, study) == 0


def test_a_zip_file_without_instances_is_refused(client: Client) -> None:
    assert upload(client, zipped({})).status_code == 400
    assert upload(client, zipped({"DICOMDIR": directory()})).status_code == 400
    assert upload(client, zipped({"a.txt": b"text"})).status_code == 409


def test_a_bomb_is_refused(client: Client) -> None:
    """Many entries that name the same deflated bytes, each a gigabyte of zeros after a DICOM head."""
    head = make_instance(rows=1, columns=1)
    pack = zlib.compressobj(9, wbits=-15)
    zeros = bytes(1 << 20)
    packed = pack.compress(head) + b"".join(pack.compress(zeros) for _ in range(300)) + pack.flush()
    size, crc = len(head) + (300 << 20), 0
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), size, 1, 0) + b"a"
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(packed), size, 1, 0, 0, 0, 0, 0, 0
    )
    central = (entry + b"a") * 1000
    begin = len(local) + len(packed)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, len(central), begin, 0)
    response = upload(client, local + packed + central + end)
    assert response.status_code in (409, 413), response.text


def test_a_directory_that_is_too_long_is_not_read(client: Client) -> None:
    central = b"PK\x01\x02" + bytes(42)
    body = central * 300_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(body), 0, 0)
    response = upload(client, body + end)
    assert response.status_code == 413
    assert "8 MiB" in response.text
