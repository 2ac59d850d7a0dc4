"""Sending to servers of every temper: over a real socket, with the answers that servers in the field give."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis.strategies import binary, dictionaries, integers, lists, none, recursive, sampled_from, text
from pydicom import dcmread

from dicomweb.archive.import_ import FileOutcome, import_files
from dicomweb.archive.source_files import SourceFile, find_files
from dicomweb.errors import Unavailable
from dicomweb.protocol.multipart import PartBegin, PartData, RelatedReader, related_body
from dicomweb.run import stow_client
from dicomweb.run.import_journal import ImportJournal
from dicomweb.run.stow_client import StowServer, answers_of
from tests.builders import make_instance

Reply = tuple[int, Mapping[str, str], Any]


@dataclass
class Scripted:
    """A server that answers by a function of the parts it was sent. url: its DICOMweb base."""

    url: str = ""
    requests: list[list[bytes]] = field(default_factory=list)


@contextmanager
def server(answer: Callable[[list[bytes]], Reply]) -> Iterator[Scripted]:
    scripted = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/base/studies"
            parts = split(body, self.headers["Content-Type"])
            scripted.requests.append(parts)
            status, headers, content = answer(parts)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        scripted.url = f"http://127.0.0.1:{listening.server_address[1]}/base"
        yield scripted
        listening.shutdown()


def split(body: bytes, content_type: str) -> list[bytes]:
    related = related_body(content_type)
    assert related.root_type == "application/dicom"
    reader = RelatedReader(related.boundary)
    parts: list[bytes] = []
    for event in reader.feed(body):
        if isinstance(event, PartBegin):
            assert event.headers["content-type"] == "application/dicom"
            parts.append(b"")
        elif isinstance(event, PartData):
            parts[-1] += event.data
    reader.close()
    return parts


def uid_of(part: bytes) -> str:
    return str(dcmread(BytesIO(part), stop_before_pixels=True).SOPInstanceUID)


def referenced(part: bytes) -> dict[str, Any]:
    return {"00081155": {"vr": "UI", "Value": [uid_of(part)]}}


def all_stored(parts: list[bytes]) -> Reply:
    return 200, {}, {"00081199": {"vr": "SQ", "Value": [referenced(part) for part in parts]}}


def send(paths: list[Path], url: str, journal: Path) -> list[FileOutcome]:
    outcomes: list[FileOutcome] = []

    async def run() -> None:
        async with httpx.AsyncClient(timeout=stow_client.TIMEOUT) as client:
            with ImportJournal(journal, url) as kept:
                await import_files(find_files(paths), StowServer(client, url, kept), outcomes.append)

    asyncio.run(run())
    return sorted(outcomes, key=lambda outcome: outcome.path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Seven instances in a folder."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(7):
        (folder / f"{number}.dcm").write_bytes(make_instance(rows=100 + number))
    return folder


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow_client, "_PAUSES", (0.01,) * 4)
    monkeypatch.setattr(stow_client, "_FIRST_PAUSES", (0.01,) * 2)


def test_files_arrive_as_they_are_and_are_sent_once(files: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with server(all_stored) as scripted:
        outcomes = send([files], scripted.url, journal)
        assert [outcome.state for outcome in outcomes] == ["stored"] * 7
        sent = sorted(part for request in scripted.requests for part in request)
        assert sent == sorted(path.read_bytes() for path in files.iterdir())
        count = len(scripted.requests)

        assert [outcome.state for outcome in send([files], scripted.url, journal)] == ["present"] * 7
        assert len(scripted.requests) == count

        (files / "3.dcm").write_bytes(make_instance(rows=50))
        states = [outcome.state for outcome in send([files], scripted.url, journal)]
        assert states == ["present"] * 3 + ["stored"] + ["present"] * 3


def test_each_refused_file_has_the_reason_that_the_server_gave(files: Path, tmp_path: Path) -> None:
    with_sentence = {"00000902": {"vr": "LO", "Value": ["Its patient is on holiday."]}}

    def answer(parts: list[bytes]) -> Reply:
        rows = [len(part) for part in parts]
        order = sorted(range(len(parts)), key=lambda at: rows[at])
        stored = [referenced(parts[at]) for at in order[2:]]
        by_number = {**referenced(parts[order[0]]), "00081197": {"vr": "US", "Value": [0xC122]}}
        in_words = {
            **referenced(parts[order[1]]),
            "00081197": {"vr": "US", "Value": [0x0110]},
            "00741048": {"vr": "SQ", "Value": [with_sentence]},
        }
        report = {
            "00081199": {"vr": "SQ", "Value": stored},
            "00081198": {"vr": "SQ", "Value": [by_number, in_words]},
        }
        return 202, {}, [report]

    with server(answer) as scripted:
        outcomes = send([files], scripted.url, tmp_path / "journal")
    assert [outcome.state for outcome in outcomes] == ["refused"] * 2 + ["stored"] * 5
    assert outcomes[0].reason == "The server does not take its transfer syntax. (C122)"
    assert outcomes[1].reason == "Its patient is on holiday."


@pytest.mark.parametrize("status", [400, 413, 500])
def test_one_file_that_fails_its_request_is_found_by_sending_each_alone(
    files: Path, tmp_path: Path, status: int
) -> None:
    poison = (files / "4.dcm").read_bytes()

    def answer(parts: list[bytes]) -> Reply:
        return (status, {}, b"no") if poison in parts else all_stored(parts)

    with server(answer) as scripted:
        outcomes = send([files], scripted.url, tmp_path / "journal")
    assert [outcome.state for outcome in outcomes] == ["stored"] * 4 + ["refused"] + ["stored"] * 2
    assert outcomes[4].reason == f"The server answers {status}."


def test_a_report_in_xml_or_none_is_judged_by_the_status(files: Path, tmp_path: Path) -> None:
    with server(lambda _: (200, {}, b"<NativeDicomModel/>")) as scripted:
        assert {outcome.state for outcome in send([files], scripted.url, tmp_path / "journal")} == {"stored"}


def test_a_server_that_is_busy_for_a_while_gets_everything(files: Path, tmp_path: Path) -> None:
    replies: list[Reply] = [(503, {}, b""), (429, {}, b""), (502, {}, b"")]

    def answer(parts: list[bytes]) -> Reply:
        return replies.pop() if replies else all_stored(parts)

    with server(answer) as scripted:
        assert {outcome.state for outcome in send([files], scripted.url, tmp_path / "journal")} == {"stored"}


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_server_that_takes_nothing_ends_the_import_at_once(
    files: Path, tmp_path: Path, status: int
) -> None:
    with server(lambda _: (status, {}, b"")) as scripted:
        with pytest.raises(Unavailable, match=str(status)):
            send([files], scripted.url, tmp_path / "journal")
        assert len(scripted.requests) <= 5


def test_no_server_is_said_soon(files: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        send([files], "http://127.0.0.1:1/base", tmp_path / "journal")


def test_what_a_torn_import_sent_is_not_sent_again(files: Path, tmp_path: Path) -> None:
    for number in range(4):  # each in a request of its own, as two do not fit into one
        (files / f"big{number}.dcm").write_bytes(make_instance(rows=3000, columns=3000))
    taken: set[bytes] = set()

    def failing(parts: list[bytes]) -> Reply:
        if len(taken) >= 2:
            return 503, {}, b""
        taken.update(parts)
        return all_stored(parts)

    journal = tmp_path / "journal"
    with server(failing) as scripted:
        url = scripted.url
        with pytest.raises(Unavailable):
            send([files], url, journal)
    assert len(journal.read_text().splitlines()) >= 2
    with open(journal, "a") as torn:
        torn.write("0123")
    with ImportJournal(journal, url) as kept:
        known = [file for file in find_files([files]) if isinstance(file, SourceFile) and file in kept]
    assert {file.path.read_bytes() for file in known} == taken


JSON = recursive(
    none() | integers() | text(max_size=5),
    lambda inner: (
        lists(inner, max_size=3)
        | dictionaries(
            sampled_from(["00081199", "00081198", "0008119A", "00081155", "00081197", "00741048", "Value"]),
            inner,
        )
    ),
    max_leaves=15,
)


@given(status=sampled_from([200, 202, 400, 409, 500]), content=JSON)
def test_no_report_breaks_the_reader(status: int, content: Any) -> None:
    answers = answers_of(httpx.Response(status, json=content), alone=True)
    assert all(isinstance(answer.reason, str) for answer in answers)


@given(status=sampled_from([200, 409]), content=binary(max_size=20))
def test_no_bytes_break_the_reader(status: int, content: bytes) -> None:
    answers = answers_of(httpx.Response(status, content=content), alone=True)
    assert [bool(answer.reason) for answer in answers] == [status == 409]
