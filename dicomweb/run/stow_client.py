"""Sending files to any STOW-RS server (PS3.18 10.5), a batch a request, streamed from the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from dicomweb.archive.import_ import Answer, Destination, Unreadable
from dicomweb.archive.source_files import NOT_READABLE, SourceFile
from dicomweb.errors import Unavailable
from dicomweb.protocol.multipart import (
    body_length,
    boundary_for,
    closing,
    part_header,
    related_content_type,
)
from dicomweb.run.import_journal import ImportJournal

_CHUNK = 1 << 20
_PART_HEADERS = (("Content-Type", "application/dicom"),)
# A server that restarts or is overloaded comes back within these pauses, in seconds: two minutes in all.
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
# A server that never answered is more likely a wrong URL.
_FIRST_PAUSES = (1.0, 2.0)
_LONGEST_PAUSE = 120.0
# The body may take hours; only silence is an error.
TIMEOUT = httpx.Timeout(30.0, read=300.0, write=120.0, pool=None)
# Answers that the Store Instances Response Module comes with.
_REPORTS = frozenset({200, 202, 409})
# Not 500: it stumbles over one of the files, and will again.
_TRY_AGAIN = frozenset({408, 425, 429, 502, 503, 504})

STORED, FAILED, OTHER_FAILURES = "00081199", "00081198", "0008119A"
REFERENCED_UID, FAILURE_REASON = "00081155", "00081197"
FAILED_ATTRIBUTES, ERROR_COMMENT = "00741048", "00000902"
# PS3.18 I.2.2 and PS3.4 B.2.3, as sentences for servers that give a number alone.
_REASONS = {
    0x0110: "The server failed to process it.",
    0x0111: "The server holds another instance with this SOP Instance UID.",
    0x0122: "The server does not take its SOP class.",
    0x0124: "The server does not allow it to be stored.",
    0xC122: "The server does not take its transfer syntax.",
}
_REASON_GROUPS = {
    0xA7: "The server is out of room.",
    0xA9: "Its data set does not match its SOP class, or is not of the study that was asked for.",
    0xC0: "The server cannot understand it.",
}


class StowServer(Destination):
    """A server by the URL of its DICOMweb base. journal: what was sent before and need not be again."""

    def __init__(self, client: httpx.AsyncClient, url: str, journal: ImportJournal) -> None:
        self._client = client
        self._studies = httpx.URL(url.rstrip("/") + "/studies")
        self._journal = journal
        self._answered = False

    async def present(self, batch: Sequence[SourceFile]) -> set[Path]:
        return {file.path for file in batch if file in self._journal}

    async def send(self, batch: Sequence[SourceFile]) -> list[Answer]:
        response = await self._post(batch)
        answers = answers_of(response, alone=len(batch) == 1)
        self._journal.add(_taken(batch, answers))
        return answers

    async def _post(self, batch: Sequence[SourceFile]) -> httpx.Response:
        """The server's answer, after as many attempts as it takes. Raises Unavailable."""
        attempt = 0
        while True:
            try:
                response = await self._attempt(batch)
            except httpx.TransportError as error:
                said, asked = f"The server cannot be reached ({type(error).__name__}).", None
            else:
                self._answered = True
                if response.status_code not in _TRY_AGAIN:
                    return response
                said, asked = f"The server answers {response.status_code}.", _asked_pause(response)
            pauses = _PAUSES if self._answered else _FIRST_PAUSES
            if attempt == len(pauses):
                raise Unavailable(said, hint="Run the same import again later: it goes on from there.")
            await asyncio.sleep(asked or pauses[attempt])
            attempt += 1

    async def _attempt(self, batch: Sequence[SourceFile]) -> httpx.Response:
        boundary = boundary_for(os.urandom(16))
        headers = {
            "Content-Type": related_content_type("application/dicom", boundary),
            "Content-Length": str(body_length(boundary, [(_PART_HEADERS, file.size) for file in batch])),
            "Accept": "application/dicom+json",
        }
        return await self._client.post(self._studies, content=_body(batch, boundary), headers=headers)


def _taken(batch: Sequence[SourceFile], answers: Sequence[Answer]) -> list[SourceFile]:
    """The files that the server has now, as far as their heads tell."""
    if len(batch) == 1:
        return [file for file in batch if answers and not answers[0].reason]
    taken = {answer.sop_instance_uid for answer in answers if not answer.reason} - {""}
    return [file for file in batch if file.head.sop_instance_uid in taken]


async def _body(batch: Sequence[SourceFile], boundary: str) -> AsyncIterator[bytes]:
    for number, file in enumerate(batch):
        yield part_header(boundary, _PART_HEADERS, first=number == 0)
        async for chunk in _content(file):
            yield chunk
    yield closing(boundary)


async def _content(file: SourceFile) -> AsyncIterator[bytes]:
    """Exactly the bytes that were announced."""
    missing = file.size
    try:
        while missing:
            chunk = await asyncio.to_thread(_read, file.path, file.size - missing, min(_CHUNK, missing))
            if not chunk:
                break
            missing -= len(chunk)
            yield chunk
    except OSError as error:
        raise Unreadable(file.path, f"{NOT_READABLE} ({os.strerror(error.errno or 0)})") from error
    if missing:
        raise Unreadable(file.path, f"{NOT_READABLE} (it became shorter)")


def _read(path: Path, offset: int, size: int) -> bytes:
    """Opened for each piece: a file that a thread opens for a request that was given up stays open."""
    with path.open("rb") as source:
        source.seek(offset)
        return source.read(size)


def _asked_pause(response: httpx.Response) -> float | None:
    """Retry-After in seconds where the server gives a sensible one."""
    asked = response.headers.get("Retry-After", "")
    sensible = asked.isascii() and asked.isdigit() and 0 < int(asked[:6]) <= _LONGEST_PAUSE
    return float(asked) if sensible else None


def answers_of(response: httpx.Response, *, alone: bool) -> list[Answer]:
    """What a store response says of each instance (S-41..S-44). alone: the request held one.

    Without a report, a request with one instance is judged by its status, and one with more says nothing.
    Raises Unavailable for an answer that no other file would change.
    """
    if response.status_code in (401, 403, 404, 405, 415, 501):
        raise Unavailable(f"The server refuses the request ({response.status_code}).")
    report = _report(response)
    answers = [Answer(_text(item, REFERENCED_UID), "") for item in _items(report, STORED)]
    for tag in (FAILED, OTHER_FAILURES):
        answers += [Answer(_text(item, REFERENCED_UID), _why(item)) for item in _items(report, tag)]
    if alone and not answers:
        ok = response.status_code in (200, 202)
        answers = [Answer("", "" if ok else f"The server answers {response.status_code}.")]
    return answers


def _report(response: httpx.Response) -> Mapping[str, Any]:
    if response.status_code not in _REPORTS:
        return {}
    try:
        parsed = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    # S-47: one object; some servers send an array of one.
    first = parsed[0] if isinstance(parsed, list) and parsed else parsed
    return first if isinstance(first, dict) else {}


def _items(report: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    element = report.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else []
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def _first(item: Mapping[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _text(item: Mapping[str, Any], tag: str) -> str:
    value = _first(item, tag)
    return value if isinstance(value, str) else ""


def _why(item: Mapping[str, Any]) -> str:
    """The server's own sentence, or ours for its number."""
    for failed in _items(item, FAILED_ATTRIBUTES):
        if sentence := _text(failed, ERROR_COMMENT):
            return sentence
    number = _first(item, FAILURE_REASON)
    if not isinstance(number, int):
        return "The server refuses it without a reason."
    known = _REASONS.get(number) or _REASON_GROUPS.get(number >> 8, "The server refuses it.")
    return f"{known} ({number:04X})"
