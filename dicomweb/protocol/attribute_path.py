"""Attributes as query strings name them: keywords, tags, and paths of both into items (G-07, Q-40)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dicomweb.dicom.dictionary import tag_of, vr_of
from dicomweb.protocol.search_key import decode

# Tags from the data set down into sequence items: (0x00400275, 0x00400009).
Path = tuple[int, ...]

_MAX_DEPTH = 64
_TAG = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)
_PRINTABLE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_NAMED = 5


def parse_path(name: str) -> Path | None:
    """The attribute that a dotted list of tags and keywords names; None when a step names none (G-07)."""
    steps = name.split(".")
    if len(steps) > _MAX_DEPTH:
        return None
    tags = [int(step, 16) if _TAG.fullmatch(step) else tag_of(step) for step in steps]
    path = tuple(tag for tag in tags if tag is not None and _in_data_set(tag))
    return path if len(path) == len(steps) else None


def _in_data_set(tag: int) -> bool:
    """Not a group length, nor command, file meta or item elements."""
    return 0x0008 <= tag >> 16 < 0xFFFE and tag & 0xFFFF != 0


def is_walkable(path: Path) -> bool:
    """All but the last step are sequences, as far as the dictionary knows them."""
    return all(vr_of(tag) in ("SQ", "") for tag in path[:-1])


def with_creator(tag: int) -> Iterator[int]:
    """The tag; of a private attribute also the element that names its creator (PS3.5 7.8.1)."""
    yield tag
    group, element = divmod(tag, 1 << 16)
    if group & 1 and element >= 0x1000:
        yield group << 16 | element >> 8


@dataclass(frozen=True, slots=True)
class Fields:
    """What a list of attributes names, as of includefield. all: `all` is among them. unknown: the rest."""

    paths: tuple[Path, ...]
    all: bool
    unknown: tuple[str, ...]


def parse_fields(values: Iterable[bytes]) -> Fields:
    """The fields of every value of a parameter, each a list with commas (Q-40, Q-41).

    values: still percent-encoded. Raises InvalidRequest for a broken percent-encoding.
    """
    names = [name.strip(" \0") for value in values for name in decode(value).split(",")]
    paths = {name: parse_path(name) for name in names if name and name != "all"}
    known = {name: path for name, path in paths.items() if path is not None and is_walkable(path)}
    unknown = [name for name in paths if name not in known]
    return Fields(tuple(dict.fromkeys(known.values())), "all" in names, tuple(unknown))


def parameter_values(query: bytes, names: Iterable[str]) -> Mapping[str, Sequence[bytes]]:
    """The values of the named parameters of a raw query string, still percent-encoded, in their order."""
    found: dict[str, list[bytes]] = {name: [] for name in names}
    for pair in query.split(b"&"):
        raw_name, _, value = pair.partition(b"=")
        if raw_name and (name := decode(raw_name).strip(" \0")) in found:
            found[name].append(value)
    return found


def ignored(subject: str, names: Iterable[str]) -> list[str]:
    """One warning a name. A name goes into a header, so only a harmless one is repeated."""
    found = dict.fromkeys(f" {name}" if _PRINTABLE_NAME.fullmatch(name) else "" for name in names)
    return [f"{subject}{name} is not supported and was ignored." for name in list(found)[:_MAX_NAMED]]
