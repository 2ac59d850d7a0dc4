"""ZIP archives, and the collections of bulkdata and pixel data (Sup 211, PS3.18 10.4.1)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks import pictures
from conformance.suite.checks.library import library
from conformance.suite.reader import read_file
from conformance.suite.session import Session

ZIP = "application/zip"
_SOP_INSTANCE_UID = 0x00080018
_PIXELS = ("/7FE00008", "/7FE00009", "/7FE00010")


def _unpacked(session: Session, path: str, *, accept: str = ZIP, query: str = "") -> dict[str, bytes]:
    response = session.get(path, accept=accept, query=query)
    expect_equal(response.status_code, 200, f"{path[-20:]} as {accept}")
    expect_equal(response.headers.get("content-type", "").partition(";")[0], ZIP, "Content-Type")
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        expect(archive.testzip() is None, "a file of the archive is damaged")
        return {name: archive.read(name) for name in archive.namelist()}


def _instances(files: dict[str, bytes]) -> set[str]:
    return {read_file(data).elements()[_SOP_INSTANCE_UID].text for data in files.values()}


@shows("M-08")
def zip_of_study_series_and_instance(session: Session) -> str:
    alpha = library(session).alpha
    for path, wanted in (
        (alpha[0].study_path, {one.sop for one in alpha}),
        (alpha[0].series_path, {one.sop for one in alpha if one.series == alpha[0].series}),
        (alpha[0].path, {alpha[0].sop}),
    ):
        files = _unpacked(session, path)
        expect_equal(_instances(files), wanted, "instances in the archive")
        expect(not any(name.startswith("/") or ".." in name for name in files), "a name that leads elsewhere")
    return "each instance is a file"


@shows("M-08")
def zip_in_a_transfer_syntax(session: Session) -> str:
    image = pictures.compressed(session, "90")
    for parameter, wanted in (
        ("; transfer-syntax=*", image.transfer_syntax_uid),
        ("; transfer-syntax=1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1"),
    ):
        (data,) = _unpacked(session, image.path, accept=ZIP + parameter).values()
        expect_equal(read_file(data).transfer_syntax_uid, wanted, parameter)
    return "as stored and uncompressed"


@shows("M-08")
def zip_with_a_directory(session: Session) -> str:
    image = pictures.native(session)
    files = _unpacked(session, image.study_path, query="dicomdir=true")
    expect("DICOMDIR" in files, f"no DICOMDIR among {len(files)} files")
    directory = read_file(files.pop("DICOMDIR")).elements()
    expect(0x00041220 in directory, "no Directory Record Sequence")
    for name in files:
        steps = name.split("/")
        expect(all(len(step) <= 8 and step == step.upper() for step in steps), f"{name} is no File ID")
    return f"a directory of {len(files)} files"


def _uris(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _uris(item)
    elif isinstance(value, dict):
        if isinstance(value.get("BulkDataURI"), str):
            yield value["BulkDataURI"]
        for item in value.values():
            yield from _uris(item)


@shows("W-07", "W-40", "G-63")
def bulkdata_of_study_series_and_instance(session: Session) -> str:
    image = pictures.document(session)
    count = 0
    for path in (image.study_path, image.series_path, image.path):
        wanted = sorted(_uris(session.metadata(path)))
        parts = session.parts(
            path + "/bulkdata", 'multipart/related; type="application/octet-stream", */*;q=0.1'
        )
        expect_equal(
            sorted(part.headers.get("content-location", "") for part in parts), wanted, "Content-Location"
        )
        count += len(parts)
    return f"{count} values under the URIs of metadata"


@shows("W-07", "W-40")
def pixel_data_of_study_series_and_instance(session: Session) -> str:
    image = pictures.native(session)
    for path in (image.study_path, image.series_path, image.path):
        parts = session.parts(path + "/pixeldata", 'multipart/related; type="application/octet-stream"')
        expect(parts, "no pixel data")
        places = [part.headers.get("content-location", "") for part in parts]
        expect(all(place.endswith(_PIXELS) for place in places), "something else than pixel data")
    report = pictures.text_report(session)
    expect_equal(session.get(report.path + "/pixeldata").status_code, 404, "pixel data of a report")
    return "top-level pixel data alone"
