"""STOW-RS through the whole application; after a refusal the archive is looked at, not only the status."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pytest

from dicomweb.dicom.transfer_syntax import DEFLATED_EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicomweb.protocol.store_report import store_report
from dicomweb.web import store as store_page
from tests.builders import make_instance, new_uid
from tests.web.conftest import Client


def _stored(client: Client, study: str) -> int:
    response = client.get(f"/instances?StudyInstanceUID={study}")
    return len(response.json()) if response.status_code == 200 else 0


def _failure(report: dict[str, Any]) -> tuple[int, str]:
    """Reason and sentence of the only failure (S-42, S-44)."""
    (item,) = report["00081198"]["Value"]
    lines = [line["00000902"]["Value"][0] for line in item["00741048"]["Value"]]
    return item["00081197"]["Value"][0], " ".join(lines)


def test_stored_instances_are_listed_with_their_retrieve_url(client: Client) -> None:
    study, first, second = new_uid(), new_uid(), new_uid()
    response = client.store(
        make_instance(study_instance_uid=study, sop_instance_uid=first),
        make_instance(study_instance_uid=study, sop_instance_uid=second),
    )
    report = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    assert report["00081190"]["Value"][0].endswith(f"/dicomweb/studies/{study}")
    items = report["00081199"]["Value"]
    assert {item["00081155"]["Value"][0] for item in items} == {first, second}
    for item in items:
        assert client.get(item["00081190"]["Value"][0]).status_code == 200
    assert "00081198" not in report


def test_one_bad_part_fails_alone_with_a_reason(client: Client) -> None:
    study = new_uid()
    response = client.store(make_instance(study_instance_uid=study), b"this is not DICOM at all" * 20)
    assert response.status_code == 202
    assert _stored(client, study) == 1
    assert len(response.json()["00081199"]["Value"]) == 1


def test_nothing_stored_is_409_and_says_why(client: Client) -> None:
    response = client.store(make_instance(attributes={"SOPClassUID": None}, file_meta=False))
    assert response.status_code == 409
    assert "00081199" not in response.json()


@pytest.mark.parametrize(("count", "loop"), [(3, True), (2000, False)])
def test_a_long_report_is_written_in_a_thread(
    client: Client, monkeypatch: pytest.MonkeyPatch, count: int, loop: bool
) -> None:
    threads = []

    def report(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return store_report(*given)

    monkeypatch.setattr(store_page, "store_report", report)
    response = client.store(*[b"no DICOM"] * count)
    assert len(response.json()["0008119A"]["Value"]) == count
    assert [thread is client._thread for thread in threads] == [loop]


def test_an_instance_of_another_study_is_refused_by_the_study_resource(client: Client) -> None:
    wanted, other = new_uid(), new_uid()
    good, bad = make_instance(study_instance_uid=wanted), make_instance(study_instance_uid=other)
    response = client.store(good, bad, path=f"/studies/{wanted}")
    assert response.status_code == 202
    reason, sentence = _failure(response.json())
    assert reason == 0xA901
    assert sentence.endswith(".")
    assert (_stored(client, wanted), _stored(client, other)) == (1, 0)
    assert client.store(bad, path=f"/studies/{wanted}").status_code == 409


def test_an_identical_resend_is_success_and_changes_nothing(client: Client) -> None:
    study = new_uid()
    data = make_instance(study_instance_uid=study)
    assert client.store(data).status_code == 200
    before = client.get(f"/studies/{study}/metadata")
    assert client.store(data, data).status_code == 200
    after = client.get(f"/studies/{study}/metadata")
    assert (before.content, before.headers["etag"]) == (after.content, after.headers["etag"])


@pytest.mark.parametrize(
    ("policy", "status", "kept"),
    [("reject", 409, "First"), ("keep", 202, "First"), ("replace", 200, "Second")],
)
def test_other_content_under_a_known_uid_follows_the_policy(
    make_client: Any, policy: str, status: int, kept: str
) -> None:
    client = make_client(duplicates=policy)
    study, instance = new_uid(), new_uid()
    series = new_uid()
    first, second = (
        make_instance(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_instance_uid=instance,
            attributes={"PatientID": patient_id},
        )
        for patient_id in ("First", "Second")
    )
    assert client.store(first).status_code == 200
    response = client.store(second)
    assert response.status_code == status
    (metadata,) = client.get(f"/studies/{study}/metadata").json()
    assert metadata["00100020"]["Value"] == [kept]
    assert client.get(f"/studies?StudyInstanceUID={study}").json()[0]["00201208"]["Value"] == [1]


def test_an_instance_of_another_patient_is_stored_with_a_warning(client: Client) -> None:
    study = new_uid()

    def of_patient(patient_id: str) -> bytes:
        return make_instance(study_instance_uid=study, attributes={"PatientID": patient_id})

    assert client.store(of_patient("A"), of_patient("A")).status_code == 200
    for instances in ([of_patient("B")], [of_patient("B"), of_patient("C")]):
        response = client.store(*instances)
        assert response.status_code == 202
        warned = [item for item in response.json()["00081199"]["Value"] if "00081196" in item]
        assert [item["00081196"]["Value"] for item in warned] == [[0xB007]]
        assert "Patient ID" in response.headers["warning"]
    assert client.store(of_patient("")).status_code == 200
    other = new_uid()
    made = [
        make_instance(study_instance_uid=other, attributes={"PatientID": patient_id}) for patient_id in "AB"
    ]
    assert client.store(*made).status_code == 202
    assert _stored(client, other) == 2


def test_a_large_part_streams_into_a_blob_of_its_own(make_client: Any) -> None:
    client = make_client(small_part_bytes=1000)
    study = new_uid()
    large = make_instance(study_instance_uid=study, rows=256, columns=256)
    small = make_instance(study_instance_uid=study, rows=2, columns=2)
    assert client.store(large, small, b"no DICOM" * 1000, large).status_code == 202
    assert _stored(client, study) == 2


def test_a_deflated_set_is_stored_with_its_inflated_copy(client: Client) -> None:
    study = new_uid()
    data = make_instance(study_instance_uid=study, transfer_syntax_uid=DEFLATED_EXPLICIT_LITTLE)
    assert client.store(data).status_code == 200
    assert _stored(client, study) == 1


def test_deflated_sets_that_share_their_blobs_come_back_each_with_its_own_pixels(client: Client) -> None:
    study = new_uid()
    syntax = DEFLATED_EXPLICIT_LITTLE
    sent = {new_uid(): bytes([at]) * 128 for at in range(1, 6)}
    options: dict[str, Any] = {
        "study_instance_uid": study,
        "series_instance_uid": study,
        "transfer_syntax_uid": syntax,
    }
    made = [
        make_instance(**options, sop_instance_uid=uid, rows=8, columns=8, pixels=pixels)
        for uid, pixels in sent.items()
    ]
    assert client.store(*made).status_code == 200
    for (uid, pixels), data in zip(sent.items(), made, strict=True):
        instance = f"/studies/{study}/series/{study}/instances/{uid}"
        frame = client.get(f"{instance}/frames/1", "application/octet-stream")
        assert (frame.status_code, frame.content) == (200, pixels)
        stored = client.get(instance, "application/dicom; transfer-syntax=*").content
        assert stored[-200:] == data[-200:]


def test_a_single_part_body_and_a_gzip_body_are_taken(client: Client) -> None:
    study = new_uid()
    headers = {"Content-Type": "application/dicom"}
    one = make_instance(study_instance_uid=study)
    assert client.request("POST", "/studies", content=one, headers=headers).status_code == 200
    two = gzip.compress(make_instance(study_instance_uid=study, transfer_syntax_uid=IMPLICIT_LITTLE))
    coded = {**headers, "Content-Encoding": "gzip"}
    assert client.request("POST", f"/studies/{study}", content=two, headers=coded).status_code == 200
    assert client.request("POST", "/studies", content=two[:-9], headers=coded).status_code == 400
    assert _stored(client, study) == 2


def test_a_gzip_body_of_several_members_is_whole(client: Client) -> None:
    """pigz writes such, and so does cat a.gz b.gz: half of it must not pass for all."""
    study = new_uid()
    data = make_instance(study_instance_uid=study)
    cut = data.index(b"\xe0\x7f\x10\x00")
    headers = {"Content-Type": "application/dicom", "Content-Encoding": "gzip"}
    body = gzip.compress(data[:cut]) + gzip.compress(data[cut:])
    assert client.request("POST", "/studies", content=body, headers=headers).status_code == 200
    assert "7FE00010" in client.get(f"/studies/{study}/metadata").json()[0]
    for wrong in (body + b"no gzip", body[:-4]):
        assert client.request("POST", "/studies", content=wrong, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/related; type=application/dicom", 400),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("", 415),
        ("nonsense", 415),
        ('multipart/related; type="image/jpeg"; boundary=x', 415),
        ('multipart/related; boundary="bad\x01"', 400),
    ],
)
def test_a_body_of_the_wrong_kind_is_refused_with_a_status_report(
    client: Client, content_type: str, status: int
) -> None:
    response = client.request("POST", "/studies", content=b"--x--", headers={"Content-Type": content_type})
    report = response.json()
    assert response.status_code == status
    assert report["status"] == status
    assert all(report[name] for name in ("type", "title", "detail", "request_id", "hint"))


def test_a_truncated_multipart_is_refused_and_stores_nothing(client: Client) -> None:
    study = new_uid()
    part = (
        b"--B\r\nContent-Type: application/dicom\r\n\r\n" + make_instance(study_instance_uid=study) + b"\r\n"
    )
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=B'}
    for body in (part, part + part[:400], b"", b"no boundary here"):
        response = client.request("POST", "/studies", content=body, headers=headers)
        assert response.status_code == 400, body[:50]
    assert _stored(client, study) == 0


def test_a_body_beyond_the_limit_is_413(make_client: Any) -> None:
    client = make_client(body_bytes=500)
    study = new_uid()
    response = client.store(make_instance(study_instance_uid=study, rows=64, columns=64))
    assert response.status_code == 413
    assert _stored(client, study) == 0


def test_a_nearly_full_disk_refuses_with_503_and_a_time_to_come_back(make_client: Any) -> None:
    client = make_client(min_free_bytes=1 << 60)
    response = client.store(make_instance())
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
