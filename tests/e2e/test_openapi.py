"""Requests made from the server's own OpenAPI document: no answer is a server error, and each has a
status, a media type and a form that the document names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pydicom
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.builders import make_instance
from tests.e2e.served import Served

_EXAMPLES = 8
_ACCEPT = ("", "*/*", "application/json", "application/dicom+xml", "image/png", "text/csv", ";q=x")
# A server may say that it does not do a thing, or that it is busy.
_ALLOWED_ABOVE_500 = (501, 503)
_AS_DESCRIBED = (status_code_conformance, content_type_conformance, response_schema_conformance)
_RELATED = 'multipart/related; type="application/dicom"; boundary=B'


@schemathesis.serializer("multipart/related", "application/dicom", "application/zip")
def _as_body(_context: Any, value: Any) -> bytes:
    """Whatever was made up, sent under a media type whose form it does not have."""
    return value if isinstance(value, bytes) else repr(value).encode()


def test_every_generated_request_is_answered_as_described(served: Served) -> None:
    data = make_instance(frames=3)
    _store(served.base, data)
    known = _parameters(data)
    url = served.base.removesuffix("/dicomweb") + "/openapi.json"
    schema: Any = schemathesis.openapi.from_url(url)
    asked: dict[int, int] = {}
    with httpx.Client(timeout=60, base_url=served.base.removesuffix("/dicomweb")) as client:
        for operation in _operations(schema):
            for status in _statuses(client, operation, known):
                asked[status] = asked.get(status, 0) + 1
            if operation.method.upper() == "DELETE":
                _store(served.base, data)
    print("answers by status:", dict(sorted(asked.items())))  # noqa: T201 - pytest -s shows it
    assert {200, 400, 404, 406} <= set(asked), "the requests reach more than one kind of answer"
    assert served.is_ready()
    assert 'File "' not in served.log(), "a traceback, as logs.py writes it"


def _store(base: str, data: bytes) -> None:
    body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--B--\r\n"
    headers = {"Content-Type": _RELATED}
    httpx.post(base + "/studies", content=body, headers=headers, timeout=60).raise_for_status()


def _parameters(data: bytes) -> dict[str, str]:
    """Path parameters under which something is found."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    return {
        "study": dataset.StudyInstanceUID,
        "series": dataset.SeriesInstanceUID,
        "instance": dataset.SOPInstanceUID,
        "frames": "2",
        "path": "7FE00010",
    }


def _operations(schema: Any) -> Iterator[Any]:
    for result in schema.get_all_operations():
        yield result.ok()


def _statuses(client: httpx.Client, operation: Any, known: dict[str, str]) -> list[int]:
    """Answers to some generated requests, every other one about what is stored."""
    found: list[int] = []

    @seed(1)
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), real=st.booleans(), accept=st.sampled_from(_ACCEPT))
    def ask(case: Any, real: bool, accept: str) -> None:
        if real:
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        response = case.call(base_url=str(client.base_url), headers={"Accept": accept} if accept else {})
        found.append(response.status_code)
        assert response.status_code < 500 or response.status_code in _ALLOWED_ABOVE_500, (
            f"{case.method} {case.formatted_path}: {response.status_code}"
        )
        case.validate_response(response, checks=_AS_DESCRIBED)

    ask()
    return found
