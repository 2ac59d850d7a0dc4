"""The kinds of values that settings have: each a function from text to value that says what it wants.

A refusal stands after the variable's name: '... must be yes or no'. It never repeats the value, which may
be a password.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

# Path of the DICOMweb base below the server's root (or below `public_url`).
BASE_PATH = "/dicomweb"

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"": 1, "B": 1, "KIB": _KIB, "K": _KIB, "MIB": _MIB, "M": _MIB, "GIB": _GIB, "G": _GIB}
_YES_NO = {
    "yes": True,
    "true": True,
    "1": True,
    "on": True,
    "no": False,
    "false": False,
    "0": False,
    "off": False,
}

Parse = Callable[[str], Any]


class Unusable(Exception):
    """A value does not parse; the text says what would, to stand after the variable's name."""


def text(value: str) -> str:
    return value


def path(value: str) -> Path:
    if "\0" in value:
        raise Unusable("must be a directory")
    return Path(value).expanduser()


def integer(lowest: int, highest: int) -> Parse:
    def parse(value: str) -> int:
        # isdigit() alone would let through digits of other scripts, and int() underscores.
        if not (value.isascii() and value.isdigit() and lowest <= int(value[:20]) <= highest):
            raise Unusable(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def byte_count(lowest: int = 0) -> Parse:
    """A count of bytes: '1048576', '1 MiB', '1M'. lowest: what the archive cannot work below."""

    def parse(value: str) -> int:
        digits = value.rstrip("BbKkMmGgIi ")
        unit = value[len(digits) :].strip().upper()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18 and unit in _UNITS):
            raise Unusable("must be a number of bytes, such as 1048576 or 1 MiB")
        if int(digits) * _UNITS[unit] < lowest:
            raise Unusable(f"must be at least {size_text(lowest)}")
        return int(digits) * _UNITS[unit]

    return parse


def seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e6:
        raise Unusable("must be a number of seconds above 0")
    return seconds


def yes_no(value: str) -> bool:
    if value.lower() not in _YES_NO:
        raise Unusable("must be yes or no")
    return _YES_NO[value.lower()]


def choice(*names: str) -> Parse:
    def parse(value: str) -> str:
        if value not in names:
            raise Unusable("must be " + ", ".join(names[:-1]) + " or " + names[-1])
        return value

    return parse


def list_of(parse_item: Parse) -> Parse:
    def parse(value: str) -> tuple[str, ...]:
        return tuple(parse_item(item.strip()) for item in value.split(",") if item.strip())

    return parse


def origin(value: str) -> str:
    """A web origin, scheme://host[:port], as browsers send it (RFC 6454)."""
    if value == "*":
        raise Unusable("cannot hold * while no authentication is configured: name each origin")
    parts = _split_url(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.fragment
    ):
        raise Unusable("must hold origins such as https://viewer.example.org")
    return value


def host_name(value: str) -> str:
    if any(character in value for character in "/@?#") or "://" in value:
        raise Unusable("must hold host names such as pacs.example.org, without scheme or path")
    return value.lower()


def url(value: str) -> str:
    parts = _split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Unusable("must be a URL such as https://pacs.example.org, without query or fragment")
    return value.rstrip("/")


def public_url(value: str) -> str:
    """The address above the DICOMweb base; the address of the base itself says the same."""
    return url(value).removesuffix(BASE_PATH)


def database_url(value: str) -> str:
    if _split_url(value).scheme not in ("postgresql", "postgres"):
        raise Unusable("must be a URL such as postgresql://user:password@host/database")
    return value


def blobs(value: str) -> str:
    parts = _split_url(value) if "://" in value else None
    if parts is not None and (parts.scheme != "s3" or not parts.netloc):
        raise Unusable("must be a directory or s3://bucket/prefix")
    return value


def _split_url(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        raise Unusable("must be a URL that can be parsed") from None
    return parts


def size_text(size: int) -> str:
    """1048576 as '1 MiB'."""
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return str(size)
