"""Metadata through the whole application: XML, filters, content codings, refusals."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
import zstandard
from pydicom.dataset import Dataset

from dicomweb.archive import metadata
from dicomweb.archive.archive import Archive
from dicomweb.archive.kept_answers import Written
from dicomweb.dicom.native_xml_reader import read_native_model
from dicomweb.web import metadata as web_metadata
from tests.archive.real import store
from tests.builders import make_instance
from tests.web.conftest import BASE, Client, parts

STUDY, SERIES = "1.2.7.1", "1.2.7.1.1"
PATH = f"/studies/{STUDY}/series/{SERIES}/metadata"
_COUNT = f"SELECT number_of_instances FROM series WHERE series_instance_uid = '{SERIES}'"
XML = 'multipart/related; type="application/dicom+xml"'


def requested() -> Dataset:
    item = Dataset()
    item.RequestedProcedureID = "R-1"
    item.ScheduledProcedureStepID = "S-1"
    return item


@pytest.fixture(autouse=True)
def _stored(client: Client) -> None:
    if client.get(f"/studies/{STUDY}/metadata").status_code == 404:
        instances = [
            make_instance(
                study_instance_uid=STUDY,
                series_instance_uid=SERIES,
                sop_instance_uid=f"{SERIES}.{number}",
                attributes={
                    "InstanceNumber": number,
                    "PatientName": "Müller^Jörg",
                    "SpecificCharacterSet": "ISO_IR 192",
                    "SliceThickness": "2.500",
                    "RequestAttributesSequence": [requested(), requested()],
                },
            )
            for number in (1, 2)
        ]
        assert client.store(*instances).status_code == 200


def normal(attributes: dict[str, Any]) -> dict[str, Any]:
    """Numbers of DS and IS as text, as XML gives them."""
    return {
        tag: {**element, "Value": [str(value) for value in element["Value"]]}
        if element["vr"] in ("DS", "IS") and "Value" in element
        else element
        for tag, element in attributes.items()
    }


def test_xml_is_a_part_for_each_instance_and_says_the_same_as_json(client: Client) -> None:
    response = client.get(PATH, XML)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
    found = parts(response)
    assert [headers["content-type"] for headers, _ in found] == ["application/dicom+xml"] * 2
    assert all(int(headers["content-length"]) == len(document) for headers, document in found)
    assert b'<Value number="1">2.500</Value>' in found[0][1]
    documents = [read_native_model([document]) for _, document in found]
    expected = client.get(PATH).json()
    assert [document["00180050"]["Value"] for document in documents] == [["2.500"]] * 2
    for one in (*documents, *expected):
        del one["00180050"]
    assert documents == [normal(one) for one in expected]
    for document in documents:
        assert client.get(document["7FE00010"]["BulkDataURI"]).status_code == 200


@pytest.mark.parametrize("accept", [XML, "application/dicom+json"])
def test_answers_are_coded_as_the_client_likes(client: Client, accept: str) -> None:
    plain = client.get(PATH, accept, headers={"Accept-Encoding": "identity"})
    decoders = {
        "gzip": gzip.decompress,
        "zstd": lambda raw: zstandard.ZstdDecompressor().decompressobj().decompress(raw),
    }
    for coding in decoders:
        coded = client.get(PATH, accept, headers={"Accept-Encoding": coding})
        assert coded.headers["content-encoding"] == coding
        assert coded.headers["etag"] != plain.headers["etag"]
        assert orjson_or_parts(coded.content) == orjson_or_parts(plain.content)


def orjson_or_parts(content: bytes) -> Any:
    """The content without its boundary, which is another for each coding."""
    if content.startswith(b"--"):
        return content.replace(content[2 : content.index(b"\r")], b"BOUNDARY")
    return orjson.loads(content)


def test_every_form_has_an_etag_of_its_own(client: Client) -> None:
    answers = [
        client.get(PATH),
        client.get(PATH, XML),
        client.get(PATH + "?includefield=PatientName"),
        client.get(PATH + "?excludefield=PatientName"),
    ]
    etags = [answer.headers["etag"] for answer in answers]
    assert len(set(etags)) == 4
    again = client.get(PATH, XML, headers={"If-None-Match": etags[1]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(PATH, headers={"If-None-Match": etags[1]}).status_code == 200


def test_includefield_cuts_json_and_xml_alike(client: Client) -> None:
    query = "?includefield=PatientName,00180050,Nonsense"
    expected = {"00080005", "00080016", "00080018", "0020000D", "0020000E", "00100010", "00180050"}
    response = client.get(PATH + query)
    assert [set(one) for one in response.json()] == [expected] * 2
    assert b'"Value":[2.500]' in response.content
    assert response.headers["warning"].endswith(
        '"The includefield Nonsense is not supported and was ignored."'
    )
    documents = [read_native_model([document]) for _, document in parts(client.get(PATH + query, XML))]
    assert [set(one) for one in documents] == [expected] * 2


def test_excludefield_leaves_the_rest(client: Client) -> None:
    (whole, _), (cut, _) = client.get(PATH).json(), client.get(PATH + "?excludefield=PixelData,Rows").json()
    assert set(whole) - set(cut) == {"7FE00010", "00280010"}
    assert all(cut[tag] == whole[tag] for tag in cut)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/dicom+xml", 406),
        ("text/xml", 406),
        ('multipart/related; type="application/dicom+json"', 406),
        ('multipart/related; type="application/dicom+xml"; q=0, */*', 200),
        ("multipart/related", 200),
    ],
)
def test_other_forms_are_not_acceptable(client: Client, accept: str, status: int) -> None:
    response = client.get(PATH, accept)
    assert response.status_code == status
    if status == 406:
        assert "application/dicom+xml" in response.text


def test_a_path_keeps_a_part_of_every_item(client: Client) -> None:
    (one, _) = client.get(PATH + "?includefield=RequestAttributesSequence.RequestedProcedureID").json()
    assert one["00400275"]["Value"] == [{"00401001": {"vr": "SH", "Value": ["R-1"]}}] * 2


def test_a_broken_field_list_is_a_bad_request(client: Client) -> None:
    assert client.get(PATH + "?includefield=%ff").status_code == 400


def test_search_gives_xml_too(client: Client) -> None:
    query = f"/instances?StudyInstanceUID={STUDY}&includefield=all"
    response = client.get(query, XML, headers={"Accept-Encoding": "identity"})
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    documents = [read_native_model([document]) for _, document in parts(response)]
    assert documents == [normal(one) for one in client.get(query).json()]
    assert documents[0]["00081190"]["Value"][0].startswith(BASE)
    assert client.get("/instances?StudyInstanceUID=1.2.999", XML).status_code == 204


@pytest.mark.parametrize(("coding", "unasked"), [("identity", "Rows"), ("zstd", "Columns"), ("gzip", "")])
def test_a_copy_that_is_kept_is_sent_as_the_answer_was(
    client: Client, monkeypatch: pytest.MonkeyPatch, coding: str, unasked: str
) -> None:
    monkeypatch.setattr(metadata, "_WORTH_KEEPING", 2)
    query = f"?excludefield=PixelData,{unasked}"  # of this test alone: what is kept is kept for all
    headers = {"Accept-Encoding": coding}
    first, again = (client.get(PATH + query, headers=headers) for _ in range(2))
    assert "content-length" not in first.headers
    assert int(again.headers["content-length"]) == again.num_bytes_downloaded
    assert again.headers["etag"] == first.headers["etag"]
    assert again.content == first.content
    assert [one["00200013"]["Value"] for one in again.json()] == [[1], [2]]


def test_what_is_stored_while_the_answer_is_begun_is_in_it_or_not_by_its_tag(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.get(PATH)

    async def late(archive: Archive, *arguments: Any) -> Written | None:
        if (await archive.pool.fetchval(_COUNT)) == 2:
            await store(archive, make_instance(study_instance_uid=STUDY, series_instance_uid=SERIES))
        return await metadata.ready_metadata(archive, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(web_metadata, "ready_metadata", late)
        meanwhile = client.get(PATH)
    after = client.get(PATH)
    assert [len(answer.json()) for answer in (before, meanwhile, after)] == [2, 3, 3]
    assert before.headers["etag"] != meanwhile.headers["etag"] == after.headers["etag"]
    assert meanwhile.content == after.content
