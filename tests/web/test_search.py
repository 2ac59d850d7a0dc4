"""QIDO-RS through the whole application: six resources, what they return, paging, warnings, refusals."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest
from pydicom.dataset import Dataset

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.web import search as search_handlers
from tests.builders import CT_IMAGE, make_dataset, write_instance
from tests.web.conftest import BASE, Client

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
JSON = "application/dicom+json"

REQUIRED_OF_STUDY = {
    "00080020": "DA", "00080030": "TM", "00080050": "SH", "00080061": "CS", "00080090": "PN",
    "00100010": "PN", "00100020": "LO", "00100030": "DA", "00100040": "CS", "0020000D": "UI",
    "00200010": "SH", "00201206": "IS", "00201208": "IS", "00081190": "UR",
}  # fmt: skip
REQUIRED_OF_SERIES = {
    "00080060": "CS", "0020000E": "UI", "00200011": "IS", "00201209": "IS", "00081190": "UR",
}  # fmt: skip
REQUIRED_OF_INSTANCE = {"00080016": "UI", "00080018": "UI", "00200013": "IS", "00081190": "UR"}


def request_item(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID = step
    item.RequestedProcedureID = procedure
    item.RequestedProcedureDescription = "a description"
    return item


def instance(study: str, series: str, number: int, **attributes: Any) -> bytes:
    dataset = make_dataset(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=f"{series}.{number}",
        attributes={"InstanceNumber": number, **attributes},
    )
    dataset.private_block(0x99, "OTHER", create=True).add_new(1, "LO", "other")
    dataset.private_block(0x99, "ACME", create=True).add_new(1, "LO", f"private {number}")
    return write_instance(dataset, EXPLICIT_LITTLE)


@pytest.fixture(autouse=True)
def _stored(client: Client) -> None:
    """Two studies of one patient and one of another, stored once a module."""
    if client.get("/studies?PatientID=QIDO-1").status_code == 204:
        first = {"PatientID": "QIDO-1", "PatientName": "Müller^Jörg", "SpecificCharacterSet": "ISO_IR 192"}
        requests = [request_item("STEP-1", "PROC-1"), request_item("STEP-2", "PROC-2")]
        stored = [
            *(
                instance(STUDY, SERIES, number, StudyDate="20240102", StudyTime="1000", Modality="CT",
                         StudyDescription="Head", SeriesDescription="axial", SeriesNumber=2,
                         ImagePositionPatient=[1.5, 2, -3.25], RequestAttributesSequence=requests,
                         SeriesDate="20240102", **first)
                for number in range(1, 4)
            ),
            instance(STUDY, "1.2.3.1.2", 1, StudyDate="20240102", StudyTime="1000", Modality="PT",
                     StudyDescription="Head", SeriesNumber=1, **first),
            instance("1.2.3.2", "1.2.3.2.1", 1, StudyDate="20240103", StudyTime=None, PatientSex="F",
                     **first),
            instance("1.2.3.3", "1.2.3.3.1", 1, PatientID="QIDO-2", PatientName=None, StudyDate=None,
                     StudyTime=None, AccessionNumber=None, Modality=None, SeriesNumber=None),
        ]  # fmt: skip
        assert client.store(*stored).status_code == 200


def found(client: Client, path: str) -> list[dict[str, Any]]:
    response = client.get(path, JSON)
    if response.status_code == 204:
        assert response.content == b""
        return []
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == JSON
    assert "content-length" in response.headers
    results: list[dict[str, Any]] = response.json()
    assert results
    for result in results:
        assert list(result) == sorted(result)
        assert all(element.get("Value") != [] for element in result.values())
    return results


def has_required(result: dict[str, Any], required: dict[str, str]) -> bool:
    return {tag: result[tag]["vr"] for tag in required if tag in result} == required


def one_value(result: dict[str, Any], tag: str) -> Any:
    (value,) = result[tag]["Value"]
    return value


def test_studies_carry_their_table_newest_first(client: Client) -> None:
    newer, older = found(client, "/studies?PatientID=QIDO-1")
    assert one_value(newer, "0020000D") == "1.2.3.2"
    assert has_required(older, REQUIRED_OF_STUDY)
    assert older["00080061"]["Value"] == ["CT", "PT"]
    assert one_value(older, "00201206") == 2
    assert one_value(older, "00201208") == 4
    assert one_value(older, "00080056") == "ONLINE"
    assert one_value(older, "00080005") == "ISO_IR 192"
    assert older["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert newer["00080030"] == {"vr": "TM"}
    assert "00080060" not in older


def test_a_study_of_nothing_has_its_table_without_values_and_without_modalities(client: Client) -> None:
    (result,) = found(client, "/studies?PatientID=QIDO-2")
    assert "00080061" not in result
    assert has_required({**result, "00080061": {"vr": "CS"}}, REQUIRED_OF_STUDY)
    assert result["00100010"] == {"vr": "PN"}
    assert "00080005" not in result


@pytest.mark.parametrize(
    "path",
    [f"/studies/{STUDY}/series", f"/studies/{STUDY}/instances", f"/studies/{STUDY}/series/{SERIES}/instances",
     "/series?PatientID=QIDO-1", "/instances?PatientID=QIDO-1", "/studies/"],
)  # fmt: skip
def test_every_resource_answers_and_its_retrieve_urls_work(client: Client, path: str) -> None:
    results = found(client, path)
    url = one_value(results[0], "00081190")
    assert url.startswith(BASE + "/studies/")
    assert client.get(url, 'multipart/related; type="application/dicom"').status_code == 200


def test_series_of_a_study_carry_the_series_table_by_number(client: Client) -> None:
    first, second = found(client, f"/studies/{STUDY}/series")
    assert [one_value(result, "00200011") for result in (first, second)] == [1, 2]
    assert has_required(second, REQUIRED_OF_SERIES)
    assert one_value(second, "00201209") == 3
    assert one_value(second, "0020000D") == STUDY
    assert one_value(second, "0008103E") == "axial"
    assert "00100010" not in second
    items = second["00400275"]["Value"]
    assert [set(item) for item in items] == [{"00400009", "00401001"}] * 2


def test_all_series_carry_the_study_table_too(client: Client) -> None:
    results = found(client, "/series?PatientID=QIDO-1")
    assert len(results) == 3
    assert has_required(results[1], {**REQUIRED_OF_STUDY, **REQUIRED_OF_SERIES})


def test_instances_carry_the_tables_of_the_levels_that_the_path_leaves_open(client: Client) -> None:
    (own, *_) = found(client, f"/studies/{STUDY}/series/{SERIES}/instances")
    assert has_required(own, REQUIRED_OF_INSTANCE)
    assert one_value(own, "00280010") == 4
    assert one_value(own, "0020000E") == SERIES
    available = own["00083002"]["Value"]
    assert available[0] == "1.2.840.10008.1.2.1"
    assert {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"} <= set(available)
    assert "1.2.840.10008.1.2.4.51" not in available
    assert "00080060" not in own
    (with_series, *_) = found(client, f"/studies/{STUDY}/instances?SeriesInstanceUID={SERIES}")
    assert has_required(with_series, {**REQUIRED_OF_SERIES, **REQUIRED_OF_INSTANCE})
    assert "00100010" not in with_series
    (everything,) = found(client, f"/instances?SOPInstanceUID={SERIES}.2")
    assert has_required(everything, {**REQUIRED_OF_STUDY, **REQUIRED_OF_SERIES, **REQUIRED_OF_INSTANCE})


def test_an_instance_is_found_before_its_store_is_answered_and_gone_after_delete(client: Client) -> None:
    path = "/studies/1.2.3.9"
    for number in (1, 2):
        assert client.store(instance("1.2.3.9", "1.2.3.9.1", number)).status_code == 200
        (study,) = found(client, "/studies?StudyInstanceUID=1.2.3.9")
        assert one_value(study, "00201208") == number
    assert client.request("DELETE", path + "/series/1.2.3.9.1/instances/1.2.3.9.1.2").status_code == 204
    (study,) = found(client, "/studies?StudyInstanceUID=1.2.3.9")
    assert one_value(study, "00201208") == 1
    assert client.request("DELETE", path).status_code == 204
    assert found(client, "/studies?StudyInstanceUID=1.2.3.9") == []


@pytest.mark.parametrize(
    "path",
    ["/studies?PatientID=nobody", "/studies/9.9.9/series", "/studies/9.9.9/series/9.9/instances",
     "/studies?limit=0", "/studies?PatientID=QIDO-1&offset=2", "/studies?offset=99999999999999999999"],
)  # fmt: skip
def test_nothing_found_is_204(client: Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.content) == (204, b"")


def test_names_match_without_case_and_accents(client: Client) -> None:
    for key in ("MULLER^jorg", "m%C3%BCller*", "*J%C3%B6rg", "muller%5E*", "Muller%5EJorg%5E"):
        assert len(found(client, f"/studies?PatientID=QIDO-1&PatientName={key}")) == 2
    assert found(client, "/studies?PatientID=QIDO-1&PatientName=muller") == []
    assert len(found(client, "/studies?PatientName=jorg+mueller&fuzzymatching=true&PatientID=QIDO-1")) == 2


def test_only_matching_items_come_back_and_a_whole_sequence_when_asked(client: Client) -> None:
    path = f"/studies/{STUDY}/series?RequestAttributesSequence.ScheduledProcedureStepID=STEP-2"
    (result,) = found(client, path)
    (item,) = result["00400275"]["Value"]
    assert one_value(item, "00401001") == "PROC-2"
    assert found(client, path + "&RequestAttributesSequence.RequestedProcedureID=PROC-1") == []
    *_, result = found(client, f"/studies/{STUDY}/series?includefield=RequestAttributesSequence")
    assert [one_value(item, "00321060") for item in result["00400275"]["Value"]] == ["a description"] * 2
    path = f"/studies/{STUDY}/series?includefield=00400275.RequestedProcedureDescription"
    assert "00321060" in found(client, path)[1]["00400275"]["Value"][0]


def test_includefield_returns_what_the_level_has(client: Client) -> None:
    study = f"/studies?StudyInstanceUID={STUDY}"
    (result,) = found(client, study + "&includefield=SOPClassesInStudy%2C00080060&includefield=PatientAge")
    assert one_value(result, "00080062") == CT_IMAGE
    assert "00080060" not in result
    path = f"/studies/{STUDY}/series/{SERIES}/instances"
    results = found(client, path + "?includefield=ImagePositionPatient,PatientName")
    assert results[0]["00200032"]["Value"] == [1.5, 2, -3.25]
    assert results[0]["00100010"]["Value"]
    *_, result = found(client, f"/studies/{STUDY}/series?includefield=00080021,00080031")
    assert one_value(result, "00080021") == "20240102"


def test_includefield_all_returns_everything_but_bulk(client: Client) -> None:
    (result, *_) = found(client, f"/studies/{STUDY}/series/{SERIES}/instances?includefield=all")
    assert {"00200032", "00280010", "00080018"} <= set(result)
    assert "7FE00010" not in result
    (result,) = found(client, f"/studies?StudyInstanceUID={STUDY}&includefield=all")
    assert {"00081030", "00201208", "00080062"} <= set(result)


def test_undeclared_attributes_match_and_come_back(client: Client) -> None:
    path = f"/studies/{STUDY}/instances?ImagePositionPatient="
    assert len(found(client, path + "-3.25")) == 3
    assert found(client, path + "7") == []
    (result,) = found(client, "/studies?PatientID=QIDO-1&ImagePositionPatient=1.50")
    assert one_value(result, "0020000D") == STUDY
    assert "00200032" not in result


def test_private_attributes_match_by_their_creator_and_come_back_with_it(client: Client) -> None:
    path = f"/studies/{STUDY}/instances?00990010=ACME&00991001="
    results = found(client, path + "private+2")
    assert [one_value(result, "00200013") for result in results] == [2]
    assert one_value(results[0], "00990011") == "ACME"
    assert one_value(results[0], "00991101") == "private 2"
    assert found(client, path + "other") == []


def test_what_remains_is_counted_in_a_warning(client: Client) -> None:
    response = client.get(f"/studies/{STUDY}/instances?limit=1&offset=1", JSON)
    assert response.headers["warning"] == (
        f'299 {BASE} "There are 2 additional results that can be requested"'
    )
    assert "warning" not in client.get(f"/studies/{STUDY}/instances?limit=4", JSON).headers


def test_unknown_names_are_ignored_with_a_warning(client: Client) -> None:
    response = client.get("/studies?PatientID=QIDO-2&patientid=x&includefield=Nonsense", JSON)
    assert response.status_code == 200
    assert len(response.json()) == 1
    assert response.headers["warning"].count("was ignored") == 2


@pytest.mark.parametrize(
    "path",
    ["/studies?StudyDate=2024-01-01", "/studies?limit=-1", "/studies?StudyInstanceUID=x",
     "/studies?PatientID=%ff", "/studies/abc/series", "/series?SeriesNumber=one",
     "/instances?fuzzymatching=maybe"],
)  # fmt: skip
def test_a_bad_query_is_400_with_a_plain_sentence(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 400
    report = response.json()
    assert report["detail"].endswith(".")
    assert report["request_id"]


def test_json_is_what_a_search_gives(client: Client) -> None:
    for accept in ("", "*/*", "application/json", JSON, "application/dicom+json, text/html;q=0.5"):
        response = client.get("/studies?PatientID=QIDO-2", accept)
        assert response.status_code == 200
        assert response.headers["content-type"] == JSON
    assert client.get("/studies", "image/png").status_code == 406


def test_the_latest_word_on_a_study_is_shown_and_searched(client: Client) -> None:
    for number, patient in enumerate(["QIDO-OLD", "QIDO-NEW"]):
        assert client.store(instance("1.2.3.8", "1.2.3.8.1", number, PatientID=patient)).status_code in (
            200,
            202,
        )
    assert found(client, "/studies?PatientID=QIDO-OLD") == []
    (result,) = found(client, "/studies?PatientID=QIDO-NEW")
    assert one_value(result, "00201208") == 2
    assert client.request("DELETE", "/studies/1.2.3.8").status_code == 204


def test_answers_are_compressed_where_the_client_takes_it(client: Client) -> None:
    path = "/studies?PatientID=QIDO-1"
    plain = client.get(path, JSON, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = client.get(path, JSON, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    nothing = client.get("/studies?PatientID=nobody", JSON, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in nothing.headers


def test_a_long_answer_streams_and_the_servers_maximum_holds(make_client: Any) -> None:
    narrow = make_client(max_studies=2, max_results=650)
    many = [instance("1.2.3.700", "1.2.3.700.1", number, PatientID="QIDO-700") for number in range(1, 702)]
    assert narrow.store(*many).status_code == 200
    response = narrow.get("/studies/1.2.3.700/instances?limit=5000", JSON)
    results = response.json()
    assert [one_value(result, "00200013") for result in results] == list(range(1, 651))
    assert '"There are 51 additional results' in response.headers["warning"]
    rest = narrow.get("/studies/1.2.3.700/instances?offset=650", JSON)
    assert len(rest.json()) == 51
    assert len(narrow.get("/studies", JSON).json()) == 2
    assert narrow.request("DELETE", "/studies/1.2.3.700").status_code == 204


def test_an_answer_of_large_results_streams(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/instances?includefield=all"
    plain = {"Accept-Encoding": "identity"}
    whole = client.get(path, JSON, headers=plain)
    assert "content-length" in whole.headers
    monkeypatch.setattr(search_handlers, "_WHOLE_BYTES", 1000)
    streamed = client.get(path, JSON, headers=plain)
    assert streamed.status_code == 200
    assert "content-length" not in streamed.headers
    assert streamed.content == whole.content
    assert client.get("/studies?PatientID=nobody", JSON).status_code == 204


def test_head_says_what_get_would(client: Client) -> None:
    path = "/studies?PatientID=QIDO-1"
    got, head = client.get(path, JSON), client.request("HEAD", path)
    assert head.status_code == 200
    assert head.headers["content-length"] == got.headers["content-length"]


def test_pages_lead_to_the_next_one_until_the_last(client: Client) -> None:
    path, pages = f"{BASE}/instances?StudyInstanceUID={STUDY}&limit=3", []
    while path:
        response = client.get(path)
        pages.append([one["00080018"]["Value"][0] for one in response.json()])
        link = response.headers.get("link", "")
        path = urljoin(path, link[1 : link.index(">")]) if link else ""
    assert [len(page) for page in pages] == [3, 1]
    assert len({uid for page in pages for uid in page}) == 4
    assert "link" not in client.get(f"/instances?StudyInstanceUID={STUDY}&limit=0").headers


def test_head_and_get_have_one_content_type_in_xml_too(client: Client) -> None:
    path, accept = f"/studies?StudyInstanceUID={STUDY}", 'multipart/related; type="application/dicom+xml"'
    got, head = client.get(path, accept), client.request("HEAD", path, headers={"Accept": accept})
    assert (got.status_code, head.headers["content-type"]) == (200, got.headers["content-type"])
