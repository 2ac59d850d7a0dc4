"""WADO-RS through the whole application: instances, metadata, frames, bulkdata."""

from __future__ import annotations

import io

import numpy
import pydicom
import pytest
from pydicom.uid import RLELossless

from dicomweb.catalog.lookup import instance_source
from dicomweb.dicom.target import Target
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)
from tests.builders import MULTIFRAME_GRAYSCALE_WORD, make_dataset, make_instance, new_uid
from tests.web.conftest import BASE, Client, parts

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
DECODED = 'multipart/related; type="application/octet-stream"'
FRAMES_AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def _path(data: bytes) -> str:
    """The resource path of an instance."""
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def _dataset_bytes(data: bytes) -> bytes:
    """What follows group 2."""
    length = int.from_bytes(data[140:144], "little")
    return data[144 + length :]


def _rle(frames: int = 3) -> bytes:
    """A multi-frame instance compressed by pydicom."""
    dataset = make_dataset(rows=16, columns=12, frames=frames, sop_class_uid=MULTIFRAME_GRAYSCALE_WORD)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE
    dataset.compress(RLELossless, generate_instance_uid=False)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


SYNTAXES = [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED_EXPLICIT_LITTLE]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_native_syntax_comes_back_explicit_with_the_same_content(client: Client, syntax: str) -> None:
    data = make_instance(transfer_syntax_uid=syntax, rows=5, columns=3)
    assert client.store(data).status_code == 200
    response = client.get(_path(data), "application/dicom")
    assert response.status_code == 200
    got = pydicom.dcmread(io.BytesIO(response.content))
    assert got.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    want = pydicom.dcmread(io.BytesIO(data))
    assert {element.tag: element.value for element in got if element.tag != 0x7FE00010} == {
        element.tag: element.value for element in want if element.tag != 0x7FE00010
    }
    assert numpy.array_equal(got.pixel_array, want.pixel_array)


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, DEFLATED_EXPLICIT_LITTLE])
def test_as_stored_gives_the_data_set_back_bit_for_bit(client: Client, syntax: str) -> None:
    data = make_instance(transfer_syntax_uid=syntax, preamble=b"MZ" + b"\x90" * 126)
    assert client.store(data).status_code == 200
    ((headers, got),) = parts(client.get(_path(data), AS_STORED))
    assert _dataset_bytes(got) == _dataset_bytes(data)
    assert got[:128] == bytes(128), "an executable preamble is zeroed when sent (S-30)"
    assert headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
    assert headers["content-length"] == str(len(got))
    assert headers["content-location"] == BASE + _path(data)


def test_a_compressed_instance_comes_decoded_by_default(client: Client) -> None:
    data = _rle()
    assert client.store(data).status_code == 200
    ((headers, got),) = parts(client.get(_path(data), 'multipart/related; type="application/dicom"'))
    assert headers["content-type"].endswith(EXPLICIT_LITTLE)
    decoded, original = pydicom.dcmread(io.BytesIO(got)), pydicom.dcmread(io.BytesIO(data))
    assert numpy.array_equal(decoded.pixel_array, original.pixel_array)
    ((_, stored),) = parts(client.get(_path(data), AS_STORED))
    assert _dataset_bytes(stored) == _dataset_bytes(data)


def test_bytes_of_an_instance_are_its_bulkdata(client: Client) -> None:
    """M-01: octet-stream on an instance resource means what it means for bulkdata."""
    study = new_uid()
    data, packed = make_instance(study_instance_uid=study), _rle()
    client.store(data, packed)
    ((headers, got),) = parts(client.get(f"/studies/{study}", DECODED))
    assert got == pydicom.dcmread(io.BytesIO(data)).PixelData
    assert headers["content-location"] == BASE + _path(data) + "/bulkdata/7FE00010"
    frames = parts(client.get(_path(packed), FRAMES_AS_STORED))
    assert [headers["content-type"].partition(";")[0] for headers, _ in frames] == ["image/dicom-rle"] * 3
    assert client.get(_path(data), "application/octet-stream").status_code == 406
    assert client.get(_path(data), 'multipart/related; type="image/png"').status_code == 406
    bare = make_instance(with_pixels=False)
    client.store(bare)
    assert client.get(_path(bare), DECODED).status_code == 406


@pytest.mark.parametrize("accept", ["application/dicom+json", "application/octet-stream"])
def test_an_instance_without_bulkdata_is_there_all_the_same(client: Client, accept: str) -> None:
    data = make_instance(with_pixels=False)
    client.store(data)
    response = client.get(_path(data), accept)
    assert response.status_code == 406
    assert any("application/dicom" in media_type for media_type in response.json()["available"])
    missing = _path(data).rpartition("/")[0] + "/1.2.3"
    assert client.get(missing, "application/octet-stream").status_code == 404


def test_a_study_comes_in_order_with_its_length_and_any_range_of_it(client: Client) -> None:
    study = new_uid()
    instances = [
        make_instance(
            study_instance_uid=study, series_instance_uid=study + ".1", attributes={"InstanceNumber": n}
        )
        for n in (10, 9, 1)
    ]
    assert client.store(*instances).status_code == 200
    response = client.get(f"/studies/{study}", AS_STORED)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    numbers = [pydicom.dcmread(io.BytesIO(got)).InstanceNumber for _, got in parts(response)]
    assert numbers == [1, 9, 10]
    part = client.get(f"/studies/{study}", AS_STORED, headers={"Range": "bytes=100-2000"})
    assert part.status_code == 206
    assert part.content == response.content[100:2001]
    assert client.get(f"/studies/{study}", "application/dicom").status_code == 406


def test_an_unchanged_answer_is_304_and_a_head_has_the_same_headers(client: Client) -> None:
    data = make_instance()
    client.store(data)
    for path in (_path(data), _path(data) + "/metadata", _path(data) + "/frames/1"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        head = client.request("HEAD", path)
        assert head.status_code == 200
        assert head.headers["etag"] == first.headers["etag"]
        assert head.headers["content-type"] == first.headers["content-type"]


def test_metadata_holds_every_attribute_and_working_bulkdata_uris(client: Client) -> None:
    private = bytes(range(256)) * 20
    data = make_instance(
        attributes={"EncapsulatedDocument": private, "MIMETypeOfEncapsulatedDocument": "application/pdf"}
    )
    client.store(data)
    (metadata,) = client.get(_path(data) + "/metadata", "application/dicom+json").json()
    want = pydicom.dcmread(io.BytesIO(data))
    assert set(metadata) == {f"{element.tag:08X}" for element in want}
    assert metadata["00100010"]["Value"] == [{"Alphabetic": "Builder^Test"}]
    pixels = client.get(metadata["7FE00010"]["BulkDataURI"], "application/octet-stream")
    assert pixels.content == want.PixelData
    whole = client.get(metadata["00420011"]["BulkDataURI"], "*/*")
    assert whole.headers["content-type"] == "application/pdf"
    assert whole.content == private
    slice_of_it = client.get(metadata["00420011"]["BulkDataURI"], headers={"Range": "bytes=-10"})
    assert (slice_of_it.status_code, slice_of_it.content) == (206, private[-10:])
    uri = metadata["7FE00010"]["BulkDataURI"]
    related = client.get(uri, 'multipart/related; type="*/*"', headers={"Range": "bytes=3-9"})
    ((headers, got),) = parts(related)
    assert (related.status_code, got) == (206, want.PixelData[3:10])
    assert headers["content-range"] == f"bytes 3-9/{len(want.PixelData)}"
    beyond = client.get(metadata["00420011"]["BulkDataURI"], headers={"Range": "bytes=99999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(private)}")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_metadata_is_compressed_where_the_client_takes_it(client: Client, coding: str) -> None:
    data = make_instance()
    client.store(data)
    path = _path(data) + "/metadata"
    coded = client.get(path, headers={"Accept-Encoding": coding})
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert coded.headers["content-encoding"] == coding
    assert coded.json() == plain.json()
    assert "accept-encoding" in coded.headers["vary"].lower()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_frames_of_native_pixels_are_little_endian_in_request_order(client: Client, syntax: str) -> None:
    data = make_instance(transfer_syntax_uid=syntax, rows=6, columns=4, frames=3)
    client.store(data)
    want = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype("<u2")
    response = client.get(_path(data) + "/frames/3,1", 'multipart/related; type="application/octet-stream"')
    got = parts(response)
    assert [payload for _, payload in got] == [want[2].tobytes(), want[0].tobytes()]
    assert got[0][0]["content-location"] == BASE + _path(data) + "/frames/3"
    single = client.get(_path(data) + "/frames/2", "application/octet-stream")
    assert single.headers["content-type"].startswith("application/octet-stream")
    assert single.content == want[1].tobytes()


def test_compressed_frames_come_decoded_or_as_stored_with_their_true_type(client: Client) -> None:
    data = _rle()
    client.store(data)
    dataset = pydicom.dcmread(io.BytesIO(data))
    codestreams = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=3))
    decoded = client.get(_path(data) + "/frames/1,2,3", "multipart/related; type=application/octet-stream")
    want = dataset.pixel_array.astype("<u2")
    assert [payload for _, payload in parts(decoded)] == [frame.tobytes() for frame in want]
    stored = parts(client.get(_path(data) + "/frames/2", FRAMES_AS_STORED))
    assert stored[0][0]["content-type"] == f"image/dicom-rle; transfer-syntax={RLELossless}"
    assert stored[0][1] == codestreams[1]


def test_one_bit_frames_are_cut_out_bit_by_bit(client: Client) -> None:
    bits = numpy.random.default_rng(1).integers(0, 2, 3 * 15, dtype="u1")
    pixels = numpy.packbits(bits, bitorder="little").tobytes()
    data = make_instance(
        rows=3,
        columns=5,
        frames=3,
        bits_allocated=1,
        bits_stored=1,
        pixels=pixels,
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
    )
    assert client.store(data).status_code == 200
    for number in (1, 2, 3):
        got = client.get(_path(data) + f"/frames/{number}", "application/octet-stream").content
        frame = numpy.unpackbits(numpy.frombuffer(got, "u1"), bitorder="little")[:15]
        assert numpy.array_equal(frame, bits[(number - 1) * 15 : number * 15])


@pytest.mark.parametrize(
    ("suffix", "status"),
    [
        ("/frames/0", 400),
        ("/frames/-1", 400),
        ("/frames/x", 400),
        ("/frames/1,,2", 400),
        ("/frames/2", 404),
        ("/frames/999999999", 404),
        ("/bulkdata/00420011", 404),
        ("/bulkdata/nonsense", 400),
        ("/nonsense", 404),
    ],
)
def test_a_wrong_frame_or_path_gets_its_status_and_a_report(client: Client, suffix: str, status: int) -> None:
    data = make_instance()
    client.store(data)
    response = client.get(_path(data) + suffix)
    assert response.status_code == status
    assert response.json()["detail"].endswith(".")


def test_parents_in_the_path_are_checked_and_unknown_targets_are_404(client: Client) -> None:
    data = make_instance()
    client.store(data)
    study, series, instance = _path(data).split("/")[2::2]
    for path in (
        f"/studies/{new_uid()}/series/{series}/instances/{instance}",
        f"/studies/{study}/series/{new_uid()}/instances/{instance}",
        f"/studies/{study}/series/{series}/instances/{new_uid()}",
        f"/studies/{new_uid()}",
        f"/studies/{study}/series/{new_uid()}/metadata",
    ):
        for suffix in ("", "/metadata") if not path.endswith("metadata") else ("",):
            assert client.get(path + suffix).status_code == 404, path + suffix
    assert client.get("/studies/not-a-uid").status_code == 400
    assert client.get(f"/studies/{'1' * 65}/metadata").status_code == 400


def test_delete_hides_at_once_and_is_remembered(client: Client) -> None:
    study = new_uid()
    one, two = (make_instance(study_instance_uid=study) for _ in range(2))
    client.store(one, two)
    assert client.request("DELETE", _path(one)).status_code == 204
    assert client.get(_path(one)).status_code == 410
    assert client.get(f"/studies?StudyInstanceUID={study}").json()[0]["00201208"]["Value"] == [1]
    assert client.request("DELETE", _path(one)).status_code in (404, 410)
    assert client.request("DELETE", f"/studies/{study}").status_code == 204
    assert client.get(f"/studies/{study}/metadata").status_code == 410
    assert client.get(f"/studies?StudyInstanceUID={study}").status_code == 204
    assert client.request("DELETE", f"/studies/{new_uid()}").status_code == 404
    assert client.store(one).status_code == 200
    assert client.get(_path(one)).status_code == 200


def test_a_deleted_instance_no_longer_speaks_for_its_study_and_series(client: Client) -> None:
    """Q-60: the latest instance that is stored has the word."""
    study, series = new_uid(), new_uid()
    stays, goes = (
        make_instance(
            study_instance_uid=study,
            series_instance_uid=series,
            attributes={
                "StudyDescription": word,
                "SeriesDescription": word,
                "PatientID": word,
                "Modality": modality,
            },
        )
        for word, modality in (("stays", "CT"), ("goes", "MR"))
    )
    client.store(stays)
    client.store(goes)
    query = f"/series?StudyInstanceUID={study}&includefield=StudyDescription,PatientID,SeriesDescription"
    for word in ("goes", "stays"):
        (found,) = client.get(query).json()
        assert [found[tag]["Value"] for tag in ("00081030", "00100020", "0008103E")] == [[word]] * 3
        assert client.get(f"/studies?PatientID={word}&StudyInstanceUID={study}").status_code == 200
        if word == "goes":
            assert client.request("DELETE", _path(goes)).status_code == 204
    assert client.get(f"/studies?StudyInstanceUID={study}").json()[0]["00080061"]["Value"] == ["CT"]


def test_a_lost_blob_is_a_5xx_first_and_left_out_with_206_after(client: Client) -> None:
    study = new_uid()
    good, lost = (make_instance(study_instance_uid=study) for _ in range(2))
    client.store(good)
    client.store(lost)
    whole = client.get(f"/studies/{study}", AS_STORED)
    _remove_blob(client, _path(lost))
    assert client.get(_path(lost), AS_STORED).status_code == 500
    response = client.get(f"/studies/{study}", AS_STORED)
    assert response.status_code == 206
    assert len(parts(response)) == 1
    assert "299" in response.headers["warning"]
    assert response.headers["cache-control"] == "no-store"
    for etag in (whole.headers["etag"], response.headers["etag"]):
        again = client.get(f"/studies/{study}", AS_STORED, headers={"If-None-Match": etag})
        assert again.status_code == 206, (
            "a copy that lacks an instance, or has one more, is not the current one"
        )
    assert client.get(_path(lost) + "/metadata").status_code == 200


def _remove_blob(client: Client, path: str) -> None:
    study, series, instance = path.split("/")[2::2]

    async def remove() -> None:
        archive = client.archive
        source = await instance_source(archive.pool, archive.tenant_id, Target(study, series, instance))
        await archive.blobs.delete(source.blob_key)

    client._run(remove())
