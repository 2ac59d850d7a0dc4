"""One run against one server: requests, fresh UIDs, shared test objects, what was observed, cleaning up."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from conformance.suite.check import Failed, Skipped, expect
from conformance.suite.multipart import BOUNDARY, Part, parse_media_type, read_related, write_related
from conformance.suite.objects import Instance

T = TypeVar("T")
Attributes = dict[str, Any]
JSON = "application/dicom+json"
DICOM = 'multipart/related; type="application/dicom"'
STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# How long a server that was there may take to come back.
_RESTART_SECONDS = 20
OCTETS = 'multipart/related; type="application/octet-stream"'


@dataclass(frozen=True, slots=True)
class Observed:
    """One answer as the rules for all answers need it."""

    request: str
    status: int
    headers: httpx.Headers
    body_length: int
    report: bytes


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """A Store Instances Response (PS3.18 Annex I): status and the data set."""

    status: int
    headers: httpx.Headers
    attributes: Attributes

    def items(self, tag: str) -> list[Attributes]:
        """The items of one of its sequences."""
        return list(self.attributes.get(tag, {}).get("Value", []))

    @property
    def stored(self) -> list[str]:
        """SOP Instance UIDs of the Referenced SOP Sequence (0008,1199)."""
        return [first(item, "00081155") for item in self.items("00081199")]

    @property
    def failed(self) -> dict[str, int]:
        """SOP Instance UID -> Failure Reason of the Failed SOP Sequence (0008,1198)."""
        return {first(item, "00081155"): first(item, "00081197") for item in self.items("00081198")}


def first(attributes: Attributes, tag: str, default: Any = None) -> Any:
    """The first value of an attribute in DICOM JSON."""
    values = attributes.get(tag, {}).get("Value") or [default]
    return values[0]


@dataclass(slots=True)
class Session:
    """The server under test. root: prefix of every UID of this run; token: in every Accession Number.

    wado_uri: URL of WADO-URI, /wado of the same host unless given. restarts: how often the server was gone
    for a while.
    """

    base_url: str
    client: httpx.Client
    seconds: float = 30
    root: str = field(default_factory=lambda: f"2.25.{uuid.uuid4().int % 10**30 + 10**30}")
    observed: list[Observed] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)
    wado_uri: str = ""
    _made: dict[str, Any] = field(default_factory=dict)
    _count: int = 0
    restarts: int = 0
    _gone: bool = False

    def __post_init__(self) -> None:
        if not self.wado_uri:
            url = urlsplit(self.base_url)
            self.wado_uri = f"{url.scheme}://{url.netloc}/wado"

    @property
    def token(self) -> str:
        return "C" + self.root[-11:]

    def new_uid(self) -> str:
        """A UID that no archive has seen."""
        self._count += 1
        return f"{self.root}.1.{self._count}"

    def once(self, name: str, make: Callable[[Session], T]) -> T:
        """A test object shared by checks, made at its first use; a failure to make it is remembered."""
        if name not in self._made:
            try:
                self._made[name] = make(self)
            except Exception as error:
                self._made[name] = Skipped(f"cannot prepare {name}: {error}")
        made = self._made[name]
        if isinstance(made, Skipped):
            raise made
        result: T = made
        return result

    def send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        accept: str | None = "*/*",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        content: Any = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        """One request. path: below the base URL, or a whole URL. accept None: no Accept header at all."""
        url = path if path.startswith("http") else self.base_url + path
        request = self.client.build_request(
            method,
            url + ("?" + query if query else ""),
            content=content,
            timeout=seconds or self.seconds,
        )
        del request.headers["accept"]
        if accept is not None:
            request.headers["accept"] = accept
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            request.headers[name] = value
        response = self._send(request)
        self._observe(request, response)
        return response

    def get(self, path: str, *, query: str = "", accept: str | None = "*/*", **more: Any) -> httpx.Response:
        """GET that fails the check on a server error."""
        response = self.send("GET", path, query=query, accept=accept, **more)
        expect(response.status_code < 500, f"GET {path} answered {response.status_code}")
        return response

    def search(self, path: str, query: str = "") -> list[Attributes]:
        """Results of a search; empty for 204."""
        response = self.get(path, query=query, accept=JSON)
        if response.status_code == 204:
            return []
        expect(response.status_code == 200, f"search {path}?{query} answered {response.status_code}")
        return json_array(response)

    def parts(self, path: str, accept: str, *, query: str = "") -> list[Part]:
        """Parts of a 200 multipart answer."""
        response = self.get(path, query=query, accept=accept)
        expect(
            response.status_code == 200,
            f"GET {path} ({accept}) answered {response.status_code}{why(response)}",
        )
        return read_related(response.headers.get("content-type", ""), response.content)

    def metadata(self, path: str) -> list[Attributes]:
        """The DICOM JSON array of a metadata resource."""
        response = self.get(path + "/metadata", accept=JSON)
        expect(
            response.status_code == 200, f"GET {path}/metadata answered {response.status_code}{why(response)}"
        )
        return json_array(response)

    def store_parts(
        self, contents: Sequence[bytes], study: str = "", *, part_type: str = "application/dicom"
    ) -> StoreAnswer:
        """STOW of raw part contents to /studies or /studies/{study}."""
        body = write_related([({"Content-Type": part_type}, content) for content in contents])
        return self.store_body(
            body, f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', study
        )

    def store_body(
        self, body: Any, content_type: str, study: str = "", *, accept: str | None = JSON
    ) -> StoreAnswer:
        """STOW of any body."""
        response = self.send(
            "POST",
            "/studies" + ("/" + study if study else ""),
            accept=accept,
            headers={"Content-Type": content_type},
            content=body,
        )
        expect(response.status_code < 500, f"STOW answered {response.status_code}{why(response)}")
        return store_answer(response)

    def store(self, *instances: Instance, study: str = "") -> StoreAnswer:
        """STOW of instances, remembered for the final clean-up."""
        self.studies.update(instance.study for instance in instances)
        return self.store_parts([instance.data for instance in instances], study)

    def stored(self, *instances: Instance) -> None:
        """STOW that must succeed wholly: how checks prepare what they look at."""
        answer = self.store(*instances)
        expect(
            answer.status == 200 or (answer.status == 202 and not answer.failed),
            f"storing {len(instances)} test instance(s) answered {answer.status}, failed: "
            f"{sorted(set(answer.failed.values()))}",
        )

    def clean_up(self) -> tuple[int, int]:
        """DELETE every study of this run; how many of how many went."""
        gone = 0
        for study in sorted(self.studies):
            try:
                gone += self.send("DELETE", f"/studies/{study}").status_code in (200, 204, 404, 410)
            except httpx.HTTPError:
                continue
        return gone, len(self.studies)

    def _send(self, request: httpx.Request) -> httpx.Response:
        """Send once; where nobody listens, again when somebody does: a server may be starting anew."""
        try:
            return self.client.send(request)
        except httpx.ConnectError:
            self.wait_until_it_listens()
            return self.client.send(request)

    def wait_until_it_listens(self) -> None:
        """Wait a while for a server that was there before; once in vain is enough."""
        url = urlsplit(self.base_url)
        address = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        until = time.monotonic() + _RESTART_SECONDS
        waited = False
        while self.observed and not self._gone:
            try:
                socket.create_connection(address, timeout=5).close()
                self.restarts += waited
                return
            except OSError:
                self._gone, waited = time.monotonic() > until, True
                time.sleep(0.2)

    def _observe(self, request: httpx.Request, response: httpx.Response) -> None:
        is_error = response.status_code >= 400
        self.observed.append(
            Observed(
                f"{request.method} {request.url.path}",
                response.status_code,
                response.headers,
                len(response.content),
                response.content[:4096] if is_error else b"",
            )
        )


def store_answer(response: httpx.Response) -> StoreAnswer:
    """The answer to a STOW; a body that is no Store Response counts as an empty one."""
    attributes: Any = {}
    content_type = response.headers.get("content-type", "").partition(",")[0]  # some send two
    if parse_media_type(content_type)[0] in (JSON, "application/json"):
        attributes = json_of(response)
    if isinstance(attributes, list):
        attributes = attributes[0] if attributes else {}
    return StoreAnswer(response.status_code, response.headers, attributes)


def json_of(response: httpx.Response) -> Any:
    """The body as strict JSON: UTF-8, no NaN."""
    try:
        return json.loads(response.content.decode("utf-8"), parse_constant=_refuse)
    except ValueError as error:
        raise Failed(f"the body is not JSON in UTF-8: {type(error).__name__}") from error


def _refuse(constant: str) -> None:
    raise Failed(f"the body holds {constant}, which is not JSON")


def json_array(response: httpx.Response) -> list[Attributes]:
    """An array of DICOM JSON objects with a fitting Content-Type."""
    media_type = parse_media_type(response.headers.get("content-type", ""))[0]
    expect(media_type in (JSON, "application/json"), f"Content-Type {media_type!r}, wanted {JSON}")
    array = json_of(response)
    expect(isinstance(array, list) and all(isinstance(one, dict) for one in array), "not an array of objects")
    result: list[Attributes] = array
    return result


def why(response: httpx.Response) -> str:
    """What an error body says, in short."""
    if response.status_code < 400:
        return ""
    text = " ".join(response.text.split())[:120]
    return f": {text}" if text else ""
