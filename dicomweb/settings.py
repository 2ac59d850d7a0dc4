"""Every setting in one table: its name, flag, environment variable, default and meaning.

`Settings.from_env(mapping)` is the only way in: nothing else of the archive reads the environment, and
there is no global. `python -m dicomweb.settings` prints the table of the README.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dicomweb import setting_values as values
from dicomweb.errors import InvalidSettings
from dicomweb.setting_values import BASE_PATH as BASE_PATH

# Every UID is unique within a tenant. One tenant until access rules come.
DEFAULT_TENANT = 1

ENV_PREFIX = "DICOMWEB_"
# JPEG Lossless, JPEG-LS, JPEG 2000, JPEG XL, HTJ2K and its RPCL order, RLE: none of them loses anything.
INGEST_SYNTAXES = (*(f"1.2.840.10008.1.2.4.{n}" for n in (70, 80, 90, 110, 201, 202)), "1.2.840.10008.1.2.5")
# Variables with our prefix that steer tests and are no settings of the archive.
_TEST_PREFIX = "DICOMWEB_TEST_"

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


def _setting(
    default: Any,
    parse: values.Parse,
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
        values.path,
        "Directory of the archive: database, blobs, lock.",
        flag="--data",
        shown="./dicomweb-data",
    )
    host: str = _setting(
        "127.0.0.1", values.text, "Address to listen on. Beyond loopback only with ALLOW_OPEN.", flag="--host"
    )
    port: int = _setting(
        8080, values.integer(0, 65535), "TCP port to listen on; 0 takes a free one.", flag="--port"
    )
    workers: int = _setting(2, values.integer(1, 256), "HTTP server processes.", flag="--workers")
    database_url: str = _setting(
        "",
        values.database_url,
        "PostgreSQL 15 or later; empty starts the embedded one.",
        flag="--database-url",
        secret=True,
    )
    blobs: str = _setting(
        "",
        values.blobs,
        "Where the objects lie: a directory or `s3://bucket/prefix`.",
        flag="--blobs",
        shown="blobs in the data directory",
    )
    public_url: str = _setting(
        "",
        values.public_url,
        f"Address under which clients reach the server, without `{BASE_PATH}`, such as `https://pacs.example.org/archive`.",
        flag="--public-url",
        shown="taken from the request",
    )
    server: str = _setting(
        "uvicorn",
        values.choice("uvicorn", "granian"),
        "HTTP server: uvicorn, or granian (HTTP/2).",
        flag="--server",
    )

    allow_open: bool = _setting(
        False, values.yes_no, "Listen beyond loopback although anyone may then read and write."
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        values.list_of(values.origin),
        "Web origins whose pages may use the archive, with commas between.",
        shown="loopback origins",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        values.list_of(values.host_name),
        "Host names that the server answers to, with commas between.",
        shown="loopback names and that of PUBLIC_URL",
    )
    trust_forwarded: bool = _setting(
        False, values.yes_no, "Believe Forwarded and X-Forwarded-* headers of a proxy."
    )

    duplicates: str = _setting(
        "reject",
        values.choice("reject", "keep", "replace"),
        "A stored SOP Instance UID comes again with other content: reject it, keep the first, or replace it.",
    )
    ingest_syntax: str = _setting(
        "",
        values.choice(*INGEST_SYNTAXES),
        "Lossless transfer syntax that native images are stored in, such as 1.2.840.10008.1.2.4.202.",
        shown="as they come",
    )
    strict_accept: bool = _setting(
        False, values.yes_no, "Answer 400 instead of leniently reading a wrong Accept header."
    )
    strict_uids: bool = _setting(
        False, values.yes_no, "Refuse UIDs that break the grammar of PS3.5 9.1 but can be told apart."
    )
    max_studies: int = _setting(1000, values.integer(1, 1_000_000), "Most studies in one search answer.")
    max_results: int = _setting(
        20_000, values.integer(1, 1_000_000), "Most series or instances in one search answer."
    )

    inline_bytes: int = _setting(
        _KIB, values.byte_count(), "Binary values up to this size stand in the metadata itself."
    )
    sequence_depth: int = _setting(
        64, values.integer(1, 512), "Deepest nesting of sequences in a stored object."
    )
    dataset_bytes: int = _setting(
        64 * _MIB, values.byte_count(64 * _KIB), "Most bytes of one object's attributes without bulkdata."
    )
    value_bytes: int = _setting(
        4 * _MIB, values.byte_count(64 * _KIB), "Longest single value that is not bulkdata."
    )
    part_header_bytes: int = _setting(
        16 * _KIB, values.byte_count(256), "Longest header of one multipart part."
    )
    uri_bytes: int = _setting(
        60 * _KIB, values.byte_count(8 * _KIB), "Longest request target; a longer one gets 414."
    )
    head_bytes: int = _setting(
        96 * _KIB, values.byte_count(8 * _KIB), "Longest request head; a longer one gets 431."
    )
    head_seconds: float = _setting(10.0, values.seconds, "Time for a request head to arrive, else 408.")
    body_idle_seconds: float = _setting(60.0, values.seconds, "Longest pause within a request body.")
    body_bytes: int = _setting(0, values.byte_count(), "Longest request body; 0 for no limit.")
    small_part_bytes: int = _setting(
        4 * _MIB, values.byte_count(), "Objects up to this size of one request share one blob."
    )
    pack_bytes: int = _setting(128 * _MIB, values.byte_count(_MIB), "Largest shared blob.")
    inflate_bytes: int = _setting(
        4 * _GIB, values.byte_count(_MIB), "Largest data set that a deflated object may unfold to."
    )
    inflate_ratio: int = _setting(
        250,
        values.integer(1, 1_000_000),
        "Most bytes that one deflated byte may become, after the first 64 MiB.",
    )
    min_free_bytes: int = _setting(
        512 * _MIB, values.byte_count(), "Below this much free disk, storing answers 503."
    )

    decode_workers: int = _setting(
        0,
        values.integer(0, 256),
        "Processes that decode, encode and draw, per server process; 0 shares out the cores.",
    )
    decode_seconds: float = _setting(
        60.0, values.seconds, "Time for decoding, encoding or drawing one frame."
    )
    decode_memory: int = _setting(
        2 * _GIB, values.byte_count(256 * _MIB), "Memory that one such process may take."
    )
    cache_bytes: int = _setting(
        _GIB,
        values.byte_count(),
        "Transcoded frames, rendered pictures and volumes kept in the data directory; 0 keeps none.",
    )
    search_rows: int = _setting(
        50_000, values.integer(1, 100_000_000), "Candidates examined for attributes that have no index."
    )
    search_seconds: float = _setting(5.0, values.seconds, "Time for one search; beyond it the answer is 413.")

    s3_endpoint: str = _setting(
        "", values.url, "URL of the S3 server.", also=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), shown="AWS"
    )
    s3_region: str = _setting(
        "us-east-1", values.text, "Region of the bucket.", also=("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    s3_access_key: str = _setting("", values.text, "S3 access key.", also=("AWS_ACCESS_KEY_ID",), secret=True)
    s3_secret_key: str = _setting(
        "", values.text, "S3 secret key.", also=("AWS_SECRET_ACCESS_KEY",), secret=True
    )
    s3_allow_http: bool = _setting(False, values.yes_no, "Speak to the S3 server without TLS.")
    postgres_binaries: str = _setting(
        "",
        values.text,
        "Directory with the programs of PostgreSQL 15 or later for the embedded database.",
        shown="the installed package, else the system's",
    )
    log_level: str = _setting(
        "info",
        values.choice("critical", "error", "warning", "info", "debug"),
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
    except values.Unusable as error:
        # The value itself is not repeated: it may hold a password.
        raise InvalidSettings(f"{name} {error}.") from None


def _env_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def default_text(item: Field[Any]) -> str:
    """The default as people write it."""
    if item.metadata["shown"] is not None:
        return str(item.metadata["shown"])
    default: Any = item.default
    if item.name.endswith("_bytes") or item.name == "decode_memory":
        return values.size_text(default)
    return f"{default:g}" if isinstance(default, float) else _env_text(default) or "none"


def markdown_table() -> str:
    """The README's table of settings."""
    lines = ["| Variable | Flag | Default | Meaning |", "|---|---|---|---|"]
    for item in fields(Settings):
        flag = f"`{item.metadata['flag']}`" if item.metadata["flag"] else ""
        also = "".join(f" Else `{name}`." for name in item.metadata["also"])
        lines.append(
            f"| `{env_name(item)}` | {flag} | {default_text(item)} | {item.metadata['description']}{also} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown_table())
