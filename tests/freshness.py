"""Histories of an archive: stores, deletes and reads in any order, and what each must say (H-08, W-24).

A client that keeps every answer asks again with its tag. Whatever any server process kept, in memory, on the
disk or in the client's hands: no answer may show what is not there now.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import imagecodecs
import orjson
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from hypothesis.strategies import booleans, builds, integers, sampled_from, tuples

from tests.builders import make_instance
from tests.e2e.instances import RELATED, dataset_of

# How many histories, and requests of each.
_HISTORIES = int(os.environ.get("DICOMWEB_TEST_HISTORIES", "5"))
_STEPS = 20
# Of a series: from 16 on its metadata are kept on the disk.
_NUMBERS = 20
_SIDE = 32
_PIXEL_BYTES = 2 * _SIDE * _SIDE
_LARGEST = 4095
_VARIANTS = 4
_STUDY, _SERIES, _INSTANCE = (f"2.25.{digit * 39}" for digit in "123")

_uids = itertools.count(10**38 + random.SystemRandom().randrange(10**38))

Send = Callable[..., httpx.Response]
"""A request to one server process: method, path below the base, headers, content."""

Slot = tuple[int, ...]
"""A study, its series, its instance: by number, upper levels alone for the whole of them."""


@dataclass(frozen=True, slots=True)
class Process:
    """A server process, or several behind one address. duplicates: its policy."""

    send: Send
    duplicates: str


def check_histories(processes: Sequence[Process], *, histories: int = _HISTORIES) -> None:
    """Any history on processes over one archive."""
    run_state_machine_as_test(
        type("History", (_History,), {"processes": processes}),
        settings=settings(
            max_examples=histories,
            stateful_step_count=_STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@cache
def _template() -> bytes:
    return make_instance(
        study_instance_uid=_STUDY,
        series_instance_uid=_SERIES,
        sop_instance_uid=_INSTANCE,
        rows=_SIDE,
        columns=_SIDE,
        bits_stored=12,
        attributes={
            "InstanceNumber": "100000",
            "ImageComments": "VARIANT0",
            "WindowCenter": _LARGEST // 2 + 1,
            "WindowWidth": _LARGEST + 1,
            "RescaleIntercept": 0,
            "RescaleSlope": 1,
        },
    )


def _comment(variant: int) -> str:
    return f"VARIANT{variant}"


def _sample(variant: int) -> int:
    return variant * _LARGEST // _VARIANTS


def _pixels(variant: int) -> bytes:
    return _sample(variant).to_bytes(2, "little") * (_SIDE * _SIDE)


class _Names:
    """UIDs of one history, so that histories do not meet."""

    def __init__(self) -> None:
        self._uids: dict[Slot, str] = {}

    def uid(self, slot: Slot) -> str:
        if slot not in self._uids:
            self._uids[slot] = f"2.25.{next(_uids)}"
        return self._uids[slot]

    def path(self, slot: Slot) -> str:
        levels = zip(("studies", "series", "instances"), range(1, len(slot) + 1), strict=False)
        return "".join(f"/{level}/{self.uid(slot[:length])}" for level, length in levels)

    def data(self, slot: Slot, variant: int) -> bytes:
        head = _template()[:-_PIXEL_BYTES]
        for length, uid in enumerate((_STUDY, _SERIES, _INSTANCE), 1):
            head = head.replace(uid.encode(), self.uid(slot[:length]).encode())
        head = head.replace(b"IS\6\x00100000", b"IS\6\0%06d" % slot[-1])
        return head.replace(b"VARIANT0", _comment(variant).encode()) + _pixels(variant)


_servers = integers(0, 99)
# Most of a history is about one study, so that it changes between looks.
_studies = sampled_from([0, 0, 0, 1])
_series = integers(0, 1)
_numbers = integers(1, _NUMBERS)
_variants = integers(1, _VARIANTS)
_levels = integers(1, 3)
_runs = builds(
    lambda study, series, ends: [(study, series, number) for number in range(min(ends), max(ends) + 1)],
    _studies,
    _series,
    tuples(_numbers, _numbers),
)
_codings = sampled_from(["identity", "zstd", "gzip"])


class _History(RuleBasedStateMachine):
    """now: what each instance is, by variant. graves: all that was deleted. kept: tag and body of answers."""

    processes: Sequence[Process] = ()

    def __init__(self) -> None:
        super().__init__()
        self._names = _Names()
        self.now: dict[Slot, int] = {}
        self.graves: set[Slot] = set()
        self.kept: dict[tuple[str, ...], tuple[str, bytes]] = {}

    # What changes the archive

    @rule(server=_servers, slots=_runs, variant=_variants, reads=booleans(), level=_levels)
    def store(self, server: int, slots: list[Slot], variant: int, reads: bool, level: int) -> None:
        """Some instances of a series in one request; with `reads`, while their metadata are read."""
        before = dict(self.now)
        process = self._process(server)
        if not reads:
            self._store(process, slots, variant)
            return
        target = slots[0][:level]
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(self._metadata_now, self._process(server + 1), target)
            self._store(process, slots, variant)
            found = reading.result()
        assert found in (self._below(target, before), self._below(target)), "neither before nor after"

    def _store(self, process: Process, slots: Sequence[Slot], variant: int) -> None:
        refused = set()
        for slot in slots:
            if self.now.get(slot, variant) == variant or process.duplicates == "replace":
                self.now[slot] = variant
            elif process.duplicates == "reject":
                refused.add(self._names.uid(slot))
        boundary = RELATED["Content-Type"].rpartition("=")[2].encode()
        parts = [
            b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n"
            % (boundary, self._names.data(slot, variant))
            for slot in slots
        ]
        body = b"".join([*parts, b"--%b--\r\n" % boundary])
        answer = process.send("POST", "/studies", {**RELATED, "Accept": "application/dicom+json"}, body)
        assert answer.status_code in (200, 202, 409), answer.text
        failed = answer.json().get("00081198", {}).get("Value", [])
        assert {one["00081155"]["Value"][0] for one in failed} == refused

    @rule(server=_servers, study=_studies, series=_series, number=_numbers, level=_levels)
    def delete(self, server: int, study: int, series: int, number: int, level: int) -> None:
        target = (study, series, number)[:level]
        answer = self._process(server).send("DELETE", self._names.path(target), {}, b"")
        below = [slot for slot in self.now if slot[:level] == target]
        if not below:
            self._is_absent(answer.status_code, target)
            return
        assert 200 <= answer.status_code < 300, answer.text
        self.graves.add(target)
        for slot in below:
            del self.now[slot]
            self.graves |= {slot[:length] for length in (1, 2, 3)}

    # What reads it

    @rule(server=_servers, study=_studies, series=_series, number=_numbers, coding=_codings)
    def read(self, server: int, study: int, series: int, number: int, coding: str) -> None:
        """An instance in every form, and all that tells of it."""
        one = (study, series, number)
        for level in (1, 2, 3):
            self._read_metadata(server, one[:level], coding)
            self._search(server, one, level)
        for form in _FORMS:
            self._read_instance(server, one, form)
        for level in (1, 2):
            self._read_instances(server, one[:level])

    def _read_metadata(self, server: int, target: Slot, coding: str) -> None:
        body = self._ask(server, target, "/metadata", "application/dicom+json", coding)
        assert _described(body) == self._below(target)

    def _search(self, server: int, one: Slot, level: int) -> None:
        """Studies by UID, the series of a study, or the instances of a series."""
        paths = {
            1: f"/studies?StudyInstanceUID={self._names.uid(one[:1])}",
            2: f"{self._names.path(one[:1])}/series",
            3: f"{self._names.path(one[:2])}/instances?includefield=ImageComments",
        }
        answer = self._process(server).send("GET", paths[level], _JSON, b"")
        assert answer.status_code in (200, 204, 404, 410), answer.text
        found = answer.json() if answer.status_code == 200 else []
        series = {slot[:2] for slot in self.now if slot[0] == one[0]}
        if level == 1:
            counts = [(_value(one, "00201206"), _value(one, "00201208")) for one in found]
            assert counts == [(len(series), len(self._below(one[:1])))] * bool(series)
        elif level == 2:
            assert {_value(one, "0020000E"): _value(one, "00201209") for one in found} == {
                self._names.uid(one): len(self._below(one)) for one in series
            }
        else:
            assert _described(orjson.dumps(found)) == self._below(one[:2])

    def _read_instance(self, server: int, target: Slot, form: str) -> None:
        body = self._ask(server, target, *_FORMS[form])
        variant = self.now.get(target)
        assert (variant is None) == (body is None)
        if variant is None or body is None:
            return
        if form == "instance":
            assert dataset_of(body) == dataset_of(self._names.data(target, variant))
        elif form == "rendered":
            level = imagecodecs.png_decode(body)[0, 0] / 255
            assert abs(float(level) - _sample(variant) / _LARGEST) < 0.02
        else:
            assert body == _pixels(variant)

    def _read_instances(self, server: int, target: Slot) -> None:
        body = self._ask(server, target, "", _AS_STORED)
        stored = [
            dataset_of(self._names.data(slot, variant))
            for slot, variant in self.now.items()
            if slot[: len(target)] == target
        ]
        parts = body.split(body[: body.index(b"\r")])[1:-1] if body is not None else []
        sent = [dataset_of(part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")) for part in parts]
        assert sorted(sent) == sorted(stored)

    # How

    def _process(self, server: int) -> Process:
        return self.processes[server % len(self.processes)]

    def _below(self, target: Slot, now: dict[Slot, int] | None = None) -> list[tuple[str, str]]:
        """UID and comment of the instances of a target."""
        state = self.now if now is None else now
        slots = [slot for slot in state if slot[: len(target)] == target]
        return sorted((self._names.uid(slot), _comment(state[slot])) for slot in slots)

    def _metadata_now(self, process: Process, target: Slot) -> list[tuple[str, str]]:
        answer = process.send("GET", f"{self._names.path(target)}/metadata", _JSON, b"")
        assert answer.status_code in (200, 404, 410), answer.text
        return _described(answer.content if answer.status_code == 200 else None)

    def _ask(
        self, server: int, target: Slot, resource: str, accept: str, coding: str = "identity"
    ) -> bytes | None:
        """The answer as a client sees it that keeps what it got; None where there is none."""
        path = self._names.path(target) + resource
        key = (path, accept, coding)
        headers = {"Accept": accept, "Accept-Encoding": coding}
        if key in self.kept:
            headers["If-None-Match"] = self.kept[key][0]
        answer = self._process(server).send("GET", path, headers, b"")
        if answer.status_code == 304:
            assert answer.content == b""
            assert answer.headers["etag"] == self.kept[key][0]
            return self.kept[key][1]
        if answer.status_code != 200:
            self._is_absent(answer.status_code, target)
            return None
        tag = answer.headers["etag"]
        assert key not in self.kept or tag != self.kept[key][0], "the same tag, and no 304"
        self.kept[key] = (tag, answer.content)
        return answer.content

    def _is_absent(self, status: int, target: Slot) -> None:
        assert not self._below(target), f"{status} for what is there"
        was = any(target[: len(grave)] == grave or target == grave[: len(target)] for grave in self.graves)
        assert status in ((404, 410) if was else (404,))


_AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_JSON = {"Accept": "application/dicom+json", "Accept-Encoding": "identity"}
_FORMS = {
    "instance": ("", "application/dicom; transfer-syntax=*"),
    "frame": ("/frames/1", "application/octet-stream"),
    "bulkdata": ("/bulkdata/7FE00010", "application/octet-stream"),
    "rendered": ("/rendered", "image/png"),
}


def _described(body: bytes | None) -> list[tuple[str, str]]:
    """UID and comment of each data set of an answer."""
    found = orjson.loads(body) if body else []
    return sorted((_value(one, "00080018"), _value(one, "00204000")) for one in found)


def _value(attributes: dict[str, Any], tag: str) -> Any:
    return attributes[tag]["Value"][0]
