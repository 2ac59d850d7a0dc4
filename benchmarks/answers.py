"""Answers taken apart and checked, so that nobody is fast by being wrong."""

from __future__ import annotations

import gzip
import io
import json
import re
from typing import Any
from urllib.parse import urljoin

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from benchmarks.objects import HTJ2K, JPEG_2000, JPEG_LS, Pixels
from benchmarks.wire import Answer

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')
_DECODERS = {
    JPEG_LS: imagecodecs.jpegls_decode,
    JPEG_2000: imagecodecs.jpeg2k_decode,
    HTJ2K: imagecodecs.htj2k_decode,
}


class WrongAnswer(RuntimeError):
    """A server answered, but not what was asked for."""


def demand(condition: bool, what: str) -> None:
    """Raises WrongAnswer where the condition does not hold."""
    if not condition:
        raise WrongAnswer(what)


def succeeded(answer: Answer) -> None:
    """Raises WrongAnswer unless the status is a success."""
    demand(200 <= answer.status < 300, f"status {answer.status}: {answer.body[:200]!r}")


def results(answer: Answer) -> list[dict[str, Any]]:
    """The objects of a DICOM JSON answer."""
    succeeded(answer)
    text = gzip.decompress(answer.body) if answer.coding == "gzip" else answer.body
    found = json.loads(text) if text else []
    demand(isinstance(found, list), "no JSON array")
    return list(found)


def next_page(answer: Answer, base: str, path: str) -> str:
    """Path of the next page, as the answer for this path names it (RFC 8288), below the base."""
    named = _NEXT.search(answer.link)
    if named is None:
        raise WrongAnswer("no link to the next page")
    return urljoin(base + path, str(named[1])).removeprefix(base)


def value(result: dict[str, Any], tag: str) -> Any:
    """First value of an attribute."""
    return next(iter(result.get(tag, {}).get("Value", [None])))


def parts(answer: Answer) -> list[bytes]:
    """What the parts of a multipart/related answer hold."""
    succeeded(answer)
    named = _BOUNDARY.search(answer.content_type)
    if named is None:
        raise WrongAnswer(f"no multipart answer: {answer.content_type}")
    mark = b"\r\n--" + named[1].encode()
    pieces = (b"\r\n" + answer.body).split(mark)[1:-1]
    return [piece.partition(b"\r\n\r\n")[2] for piece in pieces]


def all_stored(answer: Answer, count: int) -> None:
    """Every instance of a store is acknowledged."""
    succeeded(answer)
    report = json.loads(answer.body)
    demand(not report.get("00081198", {}).get("Value"), "instances were refused")
    demand(len(report.get("00081199", {}).get("Value", [])) == count, "instances are not acknowledged")


def picture(answer: Answer, side: int) -> None:
    """A JPEG of this size that is not all of one shade."""
    succeeded(answer)
    body = parts(answer)[0] if answer.content_type.startswith("multipart") else answer.body
    with Image.open(io.BytesIO(body)) as image:
        demand(image.format == "JPEG" and image.size == (side, side), f"{image.format} of {image.size}")
        low, high = image.convert("L").getextrema()
        demand(low != high, "an empty picture")


def shows(part10: bytes, syntax: str, pixels: Pixels) -> None:
    """A Part 10 object in this transfer syntax whose only frame is, losslessly, these samples."""
    dataset = dcmread(io.BytesIO(part10))
    found = dataset.file_meta.TransferSyntaxUID
    demand(found == syntax, f"transfer syntax {found}")
    if syntax in _DECODERS:
        decoded = _DECODERS[syntax](next(generate_frames(dataset.PixelData, number_of_frames=1)))
    else:
        decoded = np.frombuffer(dataset.PixelData, "<u2").reshape(pixels.shape)
    demand(np.array_equal(decoded, pixels), "other samples")
