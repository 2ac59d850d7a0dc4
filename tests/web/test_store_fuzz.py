"""Store requests that were damaged at random, of every kind that the server takes: each gets an answer.

DICOMWEB_TEST_MUTATIONS makes it harder: how many requests.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable

import imagecodecs
import orjson

from dicomweb.dicom.native_xml import native_xml
from tests.builders import make_instance
from tests.web.conftest import Client
from tests.web.test_store_pixels import COLOUR, GREY, GREY_16, jpeg_2000, picture
from tests.web.test_store_zip import zipped
from tests.web.uploads import (
    JSON,
    OCTETS,
    XML,
    bulk,
    element,
    make_metadata,
    metadata_parts,
    pixel_description,
    related,
)

_REQUESTS = int(os.environ.get("DICOMWEB_TEST_MUTATIONS", "250"))
_SEED = 20261121
_NESTED = {"vr": "SQ", "Value": [{"00081150": element("UI", "1.2")}]}
_MP4 = bytes.fromhex("00000010667479706d703432000000006d6f6f76") + bytes(200)

# What is put into a request, or over a part of it.
_TOKENS = (
    *(b"", b"\0", b"\xff", b"--BOUNDARY", b"\r\n", b'"', b"{", b"}", b"[", b"]", b"null", b"-1", b"1e999"),
    *(b"99999999999999999999", b"\\u0000", b"\\ud800", b'"vr":"SQ"', b'"vr":"UN"', b"BulkDataURI"),
    *(b"InlineBinary", b"<![CDATA[", b"<!DOCTYPE", b"&x;", b"PK\x01\x02", b"7FE00010", b"image/png"),
    *(b"video/mp4", b"ftyp", b"moov", b"\xff\xd8\xff", b"transfer-syntax=1.2.840.10008.1.2.2"),
)


def _samples() -> list[tuple[str, bytes]]:
    """Content-Type and body of whole requests."""

    def parts(media_type: str, data: bytes | bytearray, *, form: str = JSON) -> tuple[str, bytes]:
        attributes = make_metadata(pixels="p") | (pixel_description(48, 64, 8) if form == XML else {})
        body = related(*metadata_parts([attributes], form), bulk("p", media_type, data))
        return f'multipart/related; type="{form}"; boundary=BOUNDARY', body

    inline = make_metadata(x00081140=_NESTED) | {"7FE00010": {"vr": "OW", "InlineBinary": "AAAA"}}
    return [
        parts("image/jpeg", imagecodecs.jpeg8_encode(GREY)),
        parts("image/jp2", jpeg_2000(COLOUR, "jp2")),
        parts("image/jxl", imagecodecs.jpegxl_encode(GREY_16, lossless=True)),
        parts("image/png", picture(COLOUR, "PNG")),
        parts("image/gif", picture(GREY, "GIF")),
        parts("video/mp4", _MP4),
        parts(OCTETS, GREY.tobytes(), form=XML),
        (JSON, orjson.dumps([inline])),
        (XML, native_xml(inline)),
        ("application/zip", zipped({"a": make_instance(), "b/c": make_instance()})),
        ("application/dicom", make_instance()),
    ]


def _flip(rng: random.Random, body: bytearray) -> None:
    body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)


def _insert(rng: random.Random, body: bytearray) -> None:
    place = rng.randrange(len(body))
    body[place:place] = rng.choice(_TOKENS)


def _overwrite(rng: random.Random, body: bytearray) -> None:
    place, token = rng.randrange(len(body)), rng.choice(_TOKENS)
    body[place : place + len(token)] = token


def _remove(rng: random.Random, body: bytearray) -> None:
    place = rng.randrange(len(body))
    del body[place : place + rng.choice((1, 2, 8, 100))]


def _repeat(rng: random.Random, body: bytearray) -> None:
    place = rng.randrange(len(body))
    body[place:place] = body[place : place + rng.choice((4, 30, 300))]


def _number(rng: random.Random, body: bytearray) -> None:
    place, value = rng.randrange(len(body)), rng.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
    body[place : place + 4] = value.to_bytes(4, rng.choice(("big", "little")))


_MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (
    *(_flip, _insert, _overwrite, _remove, _repeat, _number),
)


def test_damaged_requests_get_an_answer_and_what_they_store_can_be_read(client: Client) -> None:
    rng, samples, statuses = random.Random(_SEED), _samples(), Counter[int]()
    for number in range(_REQUESTS):
        content_type, whole = samples[number % len(samples)]
        body = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            rng.choice(_MUTATIONS)(rng, body)
        headers = {"Content-Type": content_type}
        response = client.request(
            rng.choice(("POST", "PUT")), "/studies", content=bytes(body), headers=headers
        )
        statuses[response.status_code] += 1
        assert response.status_code in (200, 202, 400, 409, 413), (number, response.text)
        if response.status_code < 300:
            _read(client, response.json())
    assert {200, 400, 409} <= statuses.keys()


def _read(client: Client, report: dict[str, dict[str, list[dict[str, dict[str, list[str]]]]]]) -> None:
    for item in report.get("00081199", {}).get("Value", []):
        url = item["00081190"]["Value"][0]
        assert client.get(url + "/metadata").status_code == 200
        for suffix, accept in (("", "application/dicom"), ("/frames/1", OCTETS)):
            assert client.get(url + suffix, accept).status_code < 500
