"""Every setting in one table: its name, flag, environment variable, default and meaning.

`Settings.from_env(mapping)` is the only way in: nothing else of the archive reads the environment, and
there is no global. `python -m dicomweb.settings` prints the table of the README.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dicomweb.errors import InvalidSettings

# Every UID is unique within a tenant. One tenant until access rules come.
DEFAULT_TENANT = 1

# Path of the DICOMweb base below the server's root (or below `public_url`).
BASE_PATH = "/dicomweb"

ENV_PREFIX = "DICOMWEB_"
# Variables with our prefix that steer tests and are no settings of the archive.
_TEST_PREFIX = "DICOMWEB_TEST_"

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


class _Unusable(Exception):
    """A value does not parse; the text says what would, to stand after the variable's name."""


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    if "\0" in value:
        raise _Unusable("must be a directory")
    return Path(value).expanduser()


def _integer(lowest: int, highest: int) -> Parse:
    def parse(value: str) -> int:
        # isdigit() alone would let through digits of other scripts, and int() underscores.
        if not (value.isascii() and value.isdigit() and lowest <= int(value[:20]) <= highest):
            raise _Unusable(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def _bytes(lowest: int = 0) -> Parse:
    """A count of bytes: '1048576', '1 MiB', '1M'. lowest: what the archive cannot work below."""

    def parse(value: str) -> int:
        digits = value.rstrip("BbKkMmGgIi ")
        unit = value[len(digits) :].strip().upper()
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18 and unit in _UNITS):
            raise _Unusable("must be a number of bytes, such as 1048576 or 1 MiB")
        if int(digits) * _UNITS[unit] < lowest:
            raise _Unusable(f"must be at least {_size_text(lowest)}")
        return int(digits) * _UNITS[unit]

    return parse


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e6:
        raise _Unusable("must be a number of seconds above 0")
    return seconds


def _yes_no(value: str) -> bool:
    if value.lower() not in _YES_NO:
        raise _Unusable("must be yes or no")
    return _YES_NO[value.lower()]


def _choice(*names: str) -> Parse:
    def parse(value: str) -> str:
        if value not in names:
            raise _Unusable("must be " + ", ".join(names[:-1]) + " or " + names[-1])
        return value

    return parse


def _list(parse_item: Parse) -> Parse:
    def parse(value: str) -> tuple[str, ...]:
        return tuple(parse_item(item.strip()) for item in value.split(",") if item.strip())

    return parse


def _origin(value: str) -> str:
    """A web origin, scheme://host[:port], as browsers send it (RFC 6454)."""
    if value == "*":
        raise _Unusable("cannot hold * while no authentication is configured: name each origin")
    parts = _split_url(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.fragment
    ):
        raise _Unusable("must hold origins such as https://viewer.example.org")
    return value


def _host_name(value: str) -> str:
    if any(character in value for character in "/@?#") or "://" in value:
        raise _Unusable("must hold host names such as pacs.example.org, without scheme or path")
    return value.lower()


def _url(value: str) -> str:
    parts = _split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _Unusable("must be a URL such as https://pacs.example.org, without query or fragment")
    return value.rstrip("/")


def _public_url(value: str) -> str:
    url = _url(value)
    if url.endswith(BASE_PATH):
        raise _Unusable(f"is the address above {BASE_PATH}: leave that last part away")
    return url


def _database_url(value: str) -> str:
    if _split_url(value).scheme not in ("postgresql", "postgres"):
        raise _Unusable("must be a URL such as postgresql://user:password@host/database")
    return value


def _blobs(value: str) -> str:
    parts = _split_url(value) if "://" in value else None
    if parts is not None and (parts.scheme != "s3" or not parts.netloc):
        raise _Unusable("must be a directory or s3://bucket/prefix")
    return value


def _split_url(value: str) -> Any:
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        raise _Unusable("must be a URL that can be parsed") from None
    return parts


def _setting(
    default: Any,
    parse: Parse,
    description: str,
    *,
    flag: str | None = None,
    also: tuple[str, ...] = (),
    shown: str | None = None,
    secret: bool = False,
) -> Any:
    """One row of the table.

    flag: of `dicomweb serve`. also: further variables read where ours is not set. shown: the default's text
    where the value itself says little. secret: kept out of repr().
    """
    metadata = {"parse": parse, "description": description, "flag": flag, "also": also, "shown": shown}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator decides. Sizes in bytes, times in seconds."""

    data: Path = _setting(  # noqa: RUF009 -- it only wraps dataclasses.field
        Path("dicomweb-data"),
        _path,
        "Directory of the archive: database, blobs, lock.",
        flag="--data",
        shown="./dicomweb-data",
    )
    host: str = _setting(
        "127.0.0.1", _text, "Address to listen on. Beyond loopback only with ALLOW_OPEN.", flag="--host"
    )
    port: int = _setting(
        8080, _integer(0, 65535), "TCP port to listen on; 0 takes a free one.", flag="--port"
    )
    workers: int = _setting(2, _integer(1, 256), "HTTP server processes.", flag="--workers")
    database_url: str = _setting(
        "",
        _database_url,
        "PostgreSQL 15 or later; empty starts the embedded one.",
        flag="--database-url",
        secret=True,
    )
    blobs: str = _setting(
        "",
        _blobs,
        "Where the objects lie: a directory or `s3://bucket/prefix`.",
        flag="--blobs",
        shown="blobs in the data directory",
    )
    public_url: str = _setting(
        "",
        _public_url,
        f"Address under which clients reach the server, without `{BASE_PATH}`, such as `https://pacs.example.org/archive`.",
        flag="--public-url",
        shown="taken from the request",
    )
    server: str = _setting(
        "uvicorn",
        _choice("uvicorn", "granian"),
        "HTTP server: uvicorn, or granian (HTTP/2).",
        flag="--server",
    )

    allow_open: bool = _setting(
        False, _yes_no, "Listen beyond loopback although anyone may then read and write."
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        _list(_origin),
        "Web origins whose pages may use the archive, with commas between.",
        shown="loopback origins",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        _list(_host_name),
        "Host names that the server answers to, with commas between.",
        shown="loopback names and that of PUBLIC_URL",
    )
    trust_forwarded: bool = _setting(
        False, _yes_no, "Believe Forwarded and X-Forwarded-* headers of a proxy."
    )

    duplicates: str = _setting(
        "reject",
        _choice("reject", "keep", "replace"),
        "A stored SOP Instance UID comes again with other content: reject it, keep the first, or replace it.",
    )
    strict_accept: bool = _setting(
        False, _yes_no, "Answer 400 instead of leniently reading a wrong Accept header."
    )
    strict_uids: bool = _setting(
        False, _yes_no, "Refuse UIDs that break the grammar of PS3.5 9.1 but can be told apart."
    )
    max_studies: int = _setting(1000, _integer(1, 1_000_000), "Most studies in one search answer.")
    max_results: int = _setting(
        20_000, _integer(1, 1_000_000), "Most series or instances in one search answer."
    )

    inline_bytes: int = _setting(
        _KIB, _bytes(), "Binary values up to this size stand in the metadata itself."
    )
    sequence_depth: int = _setting(64, _integer(1, 512), "Deepest nesting of sequences in a stored object.")
    dataset_bytes: int = _setting(
        32 * _MIB, _bytes(64 * _KIB), "Most bytes of one object's attributes without bulkdata."
    )
    value_bytes: int = _setting(4 * _MIB, _bytes(64 * _KIB), "Longest single value that is not bulkdata.")
    part_header_bytes: int = _setting(16 * _KIB, _bytes(256), "Longest header of one multipart part.")
    uri_bytes: int = _setting(64 * _KIB, _bytes(8 * _KIB), "Longest request target; a longer one gets 414.")
    head_bytes: int = _setting(96 * _KIB, _bytes(8 * _KIB), "Longest request head; a longer one gets 431.")
    head_seconds: float = _setting(10.0, _seconds, "Time for a request head to arrive, else 408.")
    body_idle_seconds: float = _setting(60.0, _seconds, "Longest pause within a request body.")
    body_bytes: int = _setting(0, _bytes(), "Longest request body; 0 for no limit.")
    small_part_bytes: int = _setting(
        4 * _MIB, _bytes(), "Objects up to this size of one request share one blob."
    )
    pack_bytes: int = _setting(128 * _MIB, _bytes(_MIB), "Largest shared blob.")
    inflate_bytes: int = _setting(
        4 * _GIB, _bytes(_MIB), "Largest data set that a deflated object may unfold to."
    )
    inflate_ratio: int = _setting(
        2000, _integer(1, 1_000_000), "Most bytes that one deflated byte may become, after the first 64 MiB."
    )
    min_free_bytes: int = _setting(512 * _MIB, _bytes(), "Below this much free disk, storing answers 503.")

    decode_workers: int = _setting(
        0, _integer(0, 256), "Pixel decoders per server process; 0 shares out the cores."
    )
    decode_seconds: float = _setting(60.0, _seconds, "Time for decoding one frame.")
    decode_memory: int = _setting(2 * _GIB, _bytes(256 * _MIB), "Memory of one pixel decoder.")
    search_rows: int = _setting(
        50_000, _integer(1, 100_000_000), "Candidates examined for attributes that have no index."
    )
    search_seconds: float = _setting(5.0, _seconds, "Time for a search over attributes that have no index.")

    s3_endpoint: str = _setting(
        "", _url, "URL of the S3 server.", also=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), shown="AWS"
    )
    s3_region: str = _setting(
        "us-east-1", _text, "Region of the bucket.", also=("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    s3_access_key: str = _setting("", _text, "S3 access key.", also=("AWS_ACCESS_KEY_ID",), secret=True)
    s3_secret_key: str = _setting("", _text, "S3 secret key.", also=("AWS_SECRET_ACCESS_KEY",), secret=True)
    s3_allow_http: bool = _setting(False, _yes_no, "Speak to the S3 server without TLS.")
    postgres_binaries: str = _setting(
        "",
        _text,
        "Directory with the programs of PostgreSQL 15 or later for the embedded database.",
        shown="the installed package, else the system's",
    )
    log_level: str = _setting(
        "info",
        _choice("critical", "error", "warning", "info", "debug"),
        "How much the server logs; never patient data.",
    )

    @classmethod
    def from_env(cls, mapping: Mapping[str, str]) -> Settings:
        """Settings from environment variables. An empty variable counts as not set.

        Raises InvalidSettings with one plain sentence that names the variable.
        """
        return cls(**{item.name: _parsed(item, name, mapping[name]) for item, name in _present(mapping)})

    def to_env(self) -> dict[str, str]:
        """The variables that make these settings again: how the parent hands them to its workers."""
        return {
            env_name(item): _env_text(getattr(self, item.name))
            for item in fields(self)
            if getattr(self, item.name) != item.default
        }

    @property
    def blobs_location(self) -> str:
        """`blobs` with its default filled in."""
        return self.blobs or str(self.data / "blobs")


def env_name(item: Field[Any]) -> str:
    return ENV_PREFIX + item.name.upper()


def flags() -> Iterator[tuple[str, Field[Any]]]:
    """The flags of `dicomweb serve` with their settings, in the table's order."""
    for item in fields(Settings):
        if item.metadata["flag"] is not None:
            yield item.metadata["flag"], item


def unknown_variables(mapping: Mapping[str, str]) -> list[str]:
    """One sentence for each DICOMWEB_ variable that is no setting: most often a slip of the pen."""
    known = [env_name(item) for item in fields(Settings)]
    sentences = []
    for name in sorted(mapping):
        if name.startswith(ENV_PREFIX) and not name.startswith(_TEST_PREFIX) and name not in known:
            near = get_close_matches(name, known, n=1)
            sentences.append(f"{name} is no setting." + (f" Did you mean {near[0]}?" if near else ""))
    return sentences


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _present(mapping: Mapping[str, str]) -> Iterator[tuple[Field[Any], str]]:
    """Each setting that the mapping gives, with the variable that gives it."""
    for item in fields(Settings):
        name = next((name for name in (env_name(item), *item.metadata["also"]) if mapping.get(name)), None)
        if name is not None:
            yield item, name


def _parsed(item: Field[Any], name: str, value: str) -> Any:
    try:
        return item.metadata["parse"](value.strip())
    except _Unusable as error:
        # The value itself is not repeated: it may hold a password.
        raise InvalidSettings(f"{name} {error}.") from None


def _env_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _size_text(size: int) -> str:
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return str(size)


def _default_text(item: Field[Any]) -> str:
    if item.metadata["shown"] is not None:
        return str(item.metadata["shown"])
    default: Any = item.default
    if item.name.endswith("_bytes") or item.name == "decode_memory":
        return _size_text(default)
    return f"{default:g}" if isinstance(default, float) else _env_text(default) or "none"


def markdown_table() -> str:
    """The README's table of settings."""
    lines = ["| Variable | Flag | Default | Meaning |", "|---|---|---|---|"]
    for item in fields(Settings):
        flag = f"`{item.metadata['flag']}`" if item.metadata["flag"] else ""
        also = "".join(f" Else `{name}`." for name in item.metadata["also"])
        lines.append(
            f"| `{env_name(item)}` | {flag} | {_default_text(item)} | {item.metadata['description']}{also} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown_table())
