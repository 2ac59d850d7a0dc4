"""What a sender and a reader do, and how a whole archive is compared with what was sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx
from blake3 import blake3

from tests.e2e.instances import RELATED, Instance, dataset_of, related

JSON = {"Accept": "application/dicom+json"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
_PATIENCE_SECONDS = 20

_REFERENCED_SOP_INSTANCE_UID, _REFERENCED_SOP, _FAILED_SOP = "00081155", "00081199", "00081198"
_SOP_INSTANCE_UID, _SERIES_INSTANCE_UID = "00080018", "0020000E"
_STUDY_SERIES, _STUDY_INSTANCES, _SERIES_INSTANCES = "00201206", "00201208", "00201209"


class _Patient(httpx.HTTPTransport):
    """Asks again while the server says that it is not available now, as Retry-After wants it."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            response = super().handle_request(request)
            if response.status_code != 503 or time.monotonic() > deadline:
                return response
            response.close()
            time.sleep(0.1)


def patient_client() -> httpx.Client:
    """For reads while a killed process comes back."""
    return httpx.Client(timeout=60, transport=_Patient())


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of an instance without holding it."""

    study: str
    series: str
    uid: str
    digest: bytes

    @property
    def path(self) -> str:
        return f"/studies/{self.study}/series/{self.series}/instances/{self.uid}"


def sent(instance: Instance) -> Sent:
    return Sent(instance.study, instance.series, instance.uid, instance.digest)


def store(client: httpx.Client, base: str, instances: Sequence[Instance]) -> set[str]:
    """The SOP Instance UIDs that the answer acknowledges. Raises httpx.HTTPError."""
    response = client.post(f"{base}/studies", content=related(instances), headers={**RELATED, **JSON})
    if response.status_code >= 500:
        raise httpx.HTTPStatusError(response.text, request=response.request, response=response)
    assert response.status_code == 200, response.text
    report = response.json()
    assert _FAILED_SOP not in report, report
    stored = report[_REFERENCED_SOP]["Value"]
    return {item[_REFERENCED_SOP_INSTANCE_UID]["Value"][0] for item in stored}


def search(client: httpx.Client, url: str, **parameters: str) -> list[dict[str, dict[str, list[object]]]]:
    response = client.get(url, params=parameters, headers=JSON)
    assert response.status_code in (200, 204), response.text
    found: list[dict[str, dict[str, list[object]]]] = response.json() if response.content else []
    return found


def value(attributes: dict[str, dict[str, list[object]]], tag: str) -> object:
    return attributes[tag]["Value"][0]


def check_study(client: httpx.Client, base: str, study: str, attempted: Iterable[Sent]) -> set[str]:
    """All that is visible of a study is whole, and counted right; returns the visible instances' UIDs."""
    known = {one.uid: one for one in attempted}
    found = search(client, f"{base}/studies/{study}/instances", limit="20000")
    visible = [str(value(one, _SOP_INSTANCE_UID)) for one in found]
    assert len(set(visible)) == len(visible)
    assert set(visible) <= known.keys()
    _check_counts(client, base, study, Counter(str(value(one, _SERIES_INSTANCE_UID)) for one in found))
    if visible:
        metadata = client.get(f"{base}/studies/{study}/metadata", headers=JSON).raise_for_status().json()
        assert sorted(str(value(one, _SOP_INSTANCE_UID)) for one in metadata) == sorted(visible)
    for uid in visible:
        check_bytes(client, base, known[uid])
    return set(visible)


def _check_counts(client: httpx.Client, base: str, study: str, by_series: Counter[str]) -> None:
    studies = search(client, f"{base}/studies", StudyInstanceUID=study)
    assert len(studies) == bool(by_series)
    if studies:
        assert value(studies[0], _STUDY_INSTANCES) == by_series.total()
        assert value(studies[0], _STUDY_SERIES) == len(by_series)
    series = search(client, f"{base}/studies/{study}/series")
    counts = {str(value(one, _SERIES_INSTANCE_UID)): value(one, _SERIES_INSTANCES) for one in series}
    assert counts == by_series


def check_bytes(client: httpx.Client, base: str, one: Sent) -> None:
    """The data set comes back bit for bit."""
    response = client.get(base + one.path, headers=AS_STORED)
    assert response.status_code == 200, response.text
    assert blake3(dataset_of(response.content)).digest() == one.digest
