"""multipart/related, written by hand and read strictly (PS3.18 8.6.1.2, RFC 2046 5.1, RFC 2387)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.suite.check import Failed, expect

BOUNDARY = "conformance-5f1c7e0a"


@dataclass(frozen=True, slots=True)
class Part:
    """One part. headers: names in lower case."""

    headers: Mapping[str, str]
    content: bytes

    @property
    def content_type(self) -> tuple[str, dict[str, str]]:
        """Media type and parameters of the part."""
        return parse_media_type(self.headers.get("content-type", ""))


def write_related(parts: Sequence[tuple[Mapping[str, str], bytes]], boundary: str = BOUNDARY) -> bytes:
    """A multipart body."""
    pieces = []
    for headers, content in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(f"--{boundary}\r\n{head}\r\n".encode() + content + b"\r\n")
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def parse_media_type(text: str) -> tuple[str, dict[str, str]]:
    """Media type in lower case, parameters with lower-case names and unquoted values."""
    head, _, rest = text.partition(";")
    parameters = {}
    for match in re.finditer(r';?\s*([!#$%&\'*+.^_`|~\w-]+)=("(?:[^"\\]|\\.)*"|[^;\s]*)', rest):
        value = match.group(2)
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters[match.group(1).lower()] = value
    return head.strip().lower(), parameters


def read_related(content_type: str, body: bytes) -> list[Part]:
    """The parts of an answer. Strict: any deviation from the grammar fails the check."""
    media_type, parameters = parse_media_type(content_type)
    expect(media_type == "multipart/related", f"Content-Type {content_type!r} is not multipart/related")
    expect(parameters.get("type"), f"multipart/related without type parameter: {content_type!r}")
    boundary = parameters.get("boundary", "")
    expect(
        re.fullmatch(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]", boundary),
        f"boundary {boundary!r} is not one of RFC 2046",
    )
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    expect(len(pieces) >= 2, "the body does not hold its boundary")
    expect(pieces[0] == b"", "bytes before the first boundary")
    expect(pieces[-1].startswith(b"--"), "the closing boundary is missing")
    expect(pieces[-1].strip(b"\r\n -") == b"", "bytes after the closing boundary")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    line_end = piece.find(b"\r\n")
    if line_end < 0 or piece[:line_end].strip(b" \t"):
        raise Failed("a boundary line holds more than the boundary")
    head, separator, content = piece[line_end:].partition(b"\r\n\r\n")
    expect(separator, "a part has no blank line after its headers")
    headers: dict[str, str] = {}
    for line in head.decode("ascii").split("\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(":")
        expect(colon and name and name == name.strip(), f"malformed part header {line!r}")
        headers[name.lower()] = value.strip()
    expect("content-type" in headers, "a part has no Content-Type")
    length = headers.get("content-length")
    expect(
        length is None or length == str(len(content)),
        f"part Content-Length {length} but {len(content)} bytes follow",
    )
    return Part(headers, content)
