"""The bulkdata parts of one store request, by the URIs that its metadata names them with (S-05, S-07)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.errors import InvalidDicom, TooLarge
from dicomweb.protocol.store_parts import resolved

# Memory for the URIs of all bulkdata parts of a request, and what is kept with each.
_LOCATION_BYTES = 32 << 20
_ENTRY_BYTES = 200
_FRAMES = "/frames"
_FRAME_DIGITS = 9


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A bulkdata part: `length` bytes at `offset` of the spool. media_type: without parameters."""

    media_type: str
    transfer_syntax_uid: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class UploadedValue:
    """What a BulkDataURI stands for: several parts are the frames of one value.

    length: of all of them. media_type: of each; empty where they differ.
    """

    parts: Sequence[UploadedPart]
    length: int
    media_type: str


class UploadedParts:
    """Add all of them, then find values; whatever is asked for, every step takes the time of a look-up.

    base_url: what relative URIs are relative to.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._parts: dict[str, list[UploadedPart]] = {}
        # URI of a value -> number and location of frames that have URIs of their own below it.
        self._frames: dict[str, list[tuple[int, str]]] = {}
        self._values: dict[str, UploadedValue] = {}
        self._used: set[str] = set()
        self._held_bytes = 0

    def add(self, location: str, part: UploadedPart) -> None:
        """The next part; parts with one location are frames in this order. Raises TooLarge."""
        location = resolved(location, self._base_url)
        self._hold(location)
        if location not in self._parts:
            self._parts[location] = []
            self._add_frame(location)
        self._parts[location].append(part)

    def _add_frame(self, location: str) -> None:
        parent, _, last = location.rpartition("/")
        if not (last.isascii() and last.isdigit() and len(last) <= _FRAME_DIGITS):
            return
        if parent not in self._frames:
            self._hold(parent)
            self._frames[parent] = []
        self._frames[parent].append((int(last), location))

    def _hold(self, text: str) -> None:
        self._held_bytes += _ENTRY_BYTES + len(text)
        if self._held_bytes > _LOCATION_BYTES:
            raise TooLarge("The body has too many bulkdata parts.", hint="Send it in several requests.")

    def find(self, uri: str) -> UploadedValue:
        """What metadata means with this URI. Raises InvalidDicom."""
        location = resolved(uri, self._base_url)
        if location not in self._parts:
            location = location.rstrip("/")
        value = self._values.get(location) or self._values.setdefault(location, self._value(location))
        if not value.media_type:
            raise InvalidDicom("The bulkdata parts of one value have different media types.")
        return value

    def _value(self, location: str) -> UploadedValue:
        names = [location] if location in self._parts else self._frames_below(location)
        parts = [part for name in names for part in self._parts[name]]
        if not parts:
            raise InvalidDicom("A BulkDataURI of the metadata names no part of the request.")
        self._used.update(names)
        media_types = {part.media_type for part in parts}
        media_type = media_types.pop() if len(media_types) == 1 else ""
        return UploadedValue(parts, sum(part.length for part in parts), media_type)

    def _frames_below(self, location: str) -> list[str]:
        found = self._frames.get(location, []) + self._frames.get(location + _FRAMES, [])
        return [name for _, name in sorted(found)]

    def unused(self) -> int:
        """How many parts no URI has meant."""
        return sum(len(parts) for name, parts in self._parts.items() if name not in self._used)
