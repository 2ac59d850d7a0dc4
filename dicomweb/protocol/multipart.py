"""multipart/related without I/O: an incremental reader, and a writer whose sizes are known beforehand.

PS3.18 8.6.1.2, RFC 2046 5.1, RFC 2387. A reader and its caller:

    body = multipart.related_body(request_content_type)      # 400 without a legal boundary
    reader = RelatedReader(body.boundary)
    for chunk in chunks:
        for event in reader.feed(chunk):
            match event:
                case PartBegin(headers, defect): ...         # a defect: this part fails, the others do not
                case PartData(data): ...                     # often the chunk itself, not a copy
                case PartEnd(): ...                          # only now is the part whole
    reader.close()                                           # 400 when the closing delimiter never came

A writer, and the exact length of what it writes:

    length = body_length(boundary, [(headers, size), ...])
    part_header(boundary, headers, first=True) + data + part_header(boundary, more) + data + closing(boundary)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import blake2b

from dicomweb.errors import InvalidRequest, TooLarge
from dicomweb.protocol.media_types import MediaType, parse_media_type

PART_HEADER_BYTES = 16 << 10
# More than any sender uses (DICOMweb knows five); each costs a dictionary entry.
PART_HEADERS = 64
# One request's outcomes are held in memory until it is answered; a study has some thousand instances.
PARTS = 100_000
# White space that transports may add after a boundary (RFC 2046 5.1.1); a bound, so that little is held back.
_PADDING = 128

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
# After a boundary: "--", which ends the body, or the end of the line.
_LINE_END = re.compile(rb"(--)|[ \t]{0,%d}(\r?\n)" % _PADDING)
# The same, or what may become it in the next chunk.
_LINE_END_SO_FAR = re.compile(rb"(--)|[ \t]{0,%d}(\r?\n|\r?\Z)|-\Z" % _PADDING)
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class RelatedBody:
    """What the Content-Type of a multipart/related body says.

    root_type: media type of the root part in lower case, empty when not given (V-15).
    start: Content-ID of the root part, empty: the first part (G-65).
    """

    boundary: str
    root_type: str
    start: str


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins. headers: lower-case names; a repeated header is joined with a comma.

    defect: one sentence, when its header block cannot be understood: then no PartData follows, and the
    reader goes on at the next boundary (S-15).
    """

    headers: Mapping[str, str]
    defect: str = ""


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part, never empty: the chunk that was fed where nothing else is in it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part's closing delimiter has been read: it is whole."""


Event = PartBegin | PartData | PartEnd
_PART_END = PartEnd()


def related_body(content_type: str) -> RelatedBody:
    """Read the Content-Type header of a multipart body. Raises InvalidRequest (S-11, G-61)."""
    return related_body_of(parse_media_type(content_type))


def related_body_of(media_type: MediaType) -> RelatedBody:
    """As related_body, of a media type that is parsed already."""
    boundary = media_type.parameters.get("boundary", "")
    if not boundary:
        raise InvalidRequest(
            "The Content-Type names no boundary.",
            hint='Send Content-Type: multipart/related; type="application/dicom"; boundary=...',
        )
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest(
            "The boundary in the Content-Type is not one of RFC 2046.",
            hint="A boundary has 1 to 70 letters, digits or '()+_,-./:=? characters.",
        )
    root = media_type.parameters.get("type", "").partition(";")[0].strip(" \t").lower()
    return RelatedBody(boundary, root, media_type.parameters.get("start", ""))


class _State(Enum):
    PREAMBLE = auto()
    HEADERS = auto()
    DATA_START = auto()  # right after the blank line: a delimiter may follow without a line break of its own
    DATA = auto()
    SKIP = auto()  # the rest of a part with a defect
    EPILOGUE = auto()


class RelatedReader:
    """Splits a multipart body that comes in chunks, holding back no more than might be a delimiter.

    boundary: as related_body gives it. part_header_bytes: bound of one part's header block. most_parts: bound
    of their number, beyond which feed raises TooLarge.
    Time is linear in the bytes fed, whatever they are; no chunk is copied unless the one before it ended
    within what may be a delimiter. If the first delimiter line ends with a bare LF, every delimiter of the
    body is taken to begin with a bare LF.
    """

    def __init__(
        self, boundary: str, *, part_header_bytes: int = PART_HEADER_BYTES, most_parts: int = PARTS
    ) -> None:
        self._dashed = b"--" + boundary.encode("ascii")
        self._delimiter = b"\n" + self._dashed  # in the preamble after CRLF or LF
        self._part_header_bytes = part_header_bytes
        self._most_parts = most_parts
        self._state = _State.PREAMBLE
        # The body is read as if a line break came before it, so that the first delimiter is like the others.
        self._held = b"\n"
        self._header_lines: list[bytes] = []
        self._header_bytes = 0
        self.parts = 0

    @property
    def complete(self) -> bool:
        """True once the closing delimiter has been read."""
        return self._state is _State.EPILOGUE

    def feed(self, chunk: bytes) -> list[Event]:
        """Events of the next bytes of the body; any chunking gives the same parts."""
        buffer = self._held + chunk if self._held else chunk
        self._held = b""
        events: list[Event] = []
        position = 0
        while position < len(buffer):
            match self._state:
                case _State.HEADERS:
                    following = self._read_header_line(buffer, position, events)
                case _State.DATA_START:
                    following = self._start_data(buffer, position, events)
                case _State.EPILOGUE:
                    break
                case _:
                    following = self._read_data(buffer, position, events)
            if following is None:
                break
            position = following
        return events

    def close(self) -> None:
        """The body has ended. Raises InvalidRequest when its closing delimiter was not seen."""
        if self.complete:
            return
        hint = (
            "A line break, two dashes and the boundary come before each part; two more dashes end the body."
        )
        if self._state is _State.PREAMBLE:
            raise InvalidRequest(
                "The body holds no part: the boundary of its Content-Type never occurs.", hint=hint
            )
        raise InvalidRequest("The multipart body was cut off: its closing delimiter is missing.", hint=hint)

    def _read_data(self, buffer: bytes, position: int, events: list[Event]) -> int | None:
        """Pass on bytes up to the next delimiter, or up to what may become one in the next chunk."""
        match, end = None, buffer.find(self._delimiter, position)
        while end >= 0 and (match := _LINE_END.match(buffer, end + len(self._delimiter))) is None:
            end = buffer.find(self._delimiter, end + 1)
        if match is None:
            end = self._keep_possible_delimiter(buffer, position)
        if self._state is _State.DATA and end > position:
            events.append(PartData(buffer[position:end]))
        if match is None:
            return None
        self._cross_delimiter(closing=match[1] is not None, line_end=match[2], events=events)
        return match.end()

    def _keep_possible_delimiter(self, buffer: bytes, position: int) -> int:
        """Hold back the end of the buffer if a delimiter may begin in it; where that begins."""
        lowest = max(position, len(buffer) - len(self._delimiter) - _PADDING - 1)
        line_break = self._delimiter[:1]
        start = buffer.rfind(line_break, lowest)
        # A second try: the last CR may be the end of the delimiter line, not its beginning.
        for candidate in (buffer.rfind(line_break, lowest, start) if start > 0 else -1, start):
            if candidate >= 0 and self._may_be_delimiter(buffer, candidate):
                self._held = buffer[candidate:]
                return candidate
        return len(buffer)

    def _may_be_delimiter(self, buffer: bytes, start: int) -> bool:
        size = len(buffer) - start
        if size <= len(self._delimiter):
            return buffer.endswith(self._delimiter[:size])
        if not buffer.startswith(self._delimiter, start):
            return False
        return _LINE_END_SO_FAR.match(buffer, start + len(self._delimiter)) is not None

    def _cross_delimiter(self, *, closing: bool, line_end: bytes | None, events: list[Event]) -> None:
        """A delimiter line has been read: end the part before it, begin the one after it."""
        if self._state is _State.PREAMBLE:
            self._delimiter = (b"\n" if line_end == b"\n" else b"\r\n") + self._dashed
        else:
            events.append(_PART_END)
        self._header_lines, self._header_bytes = [], 0
        self._state = _State.EPILOGUE if closing else _State.HEADERS

    def _cross_delimiter_at_line_start(self, buffer: bytes, position: int, events: list[Event]) -> int | None:
        """Position after a delimiter line that begins here, position if none does, None if not yet known."""
        if not buffer.startswith(self._dashed[: len(buffer) - position], position):
            return position
        match = _LINE_END_SO_FAR.match(buffer, position + len(self._dashed))
        if len(buffer) - position >= len(self._dashed) and match is None:
            return position
        if match is None or (match[1] is None and (match[2] is None or not match[2].endswith(b"\n"))):
            self._held = buffer[position:]
            return None
        if self._state is _State.HEADERS:
            events.append(self._begin_part())
        self._cross_delimiter(closing=match[1] is not None, line_end=match[2], events=events)
        return match.end()

    def _read_header_line(self, buffer: bytes, position: int, events: list[Event]) -> int | None:
        following = self._cross_delimiter_at_line_start(buffer, position, events)
        if following != position:
            return following
        end = buffer.find(b"\n", position, position + self._part_header_bytes)
        size = (end + 1 if end >= 0 else len(buffer)) - position
        if self._header_bytes + size > self._part_header_bytes or len(self._header_lines) > PART_HEADERS:
            return self._skip_part("The header block of a part is too long.", position, events)
        if end < 0:
            self._held = buffer[position:]
            return None
        line = buffer[position:end].removesuffix(b"\r")
        if not line:
            return self._end_headers(end + 1, events)
        if line[:1] not in b" \t" and not _FIELD_NAME.match(line.partition(b":")[0] if b":" in line else b""):
            return self._skip_part("A header of a part does not have the form name: value.", position, events)
        self._header_lines.append(line)
        self._header_bytes += size
        return end + 1

    def _skip_part(self, defect: str, position: int, events: list[Event]) -> int:
        events.append(self._begin_part(defect))
        self._state = _State.SKIP
        return position  # its line break may belong to the next delimiter

    def _end_headers(self, position: int, events: list[Event]) -> int:
        events.append(self._begin_part())
        self._state = _State.DATA_START
        return position

    def _begin_part(self, defect: str = "") -> PartBegin:
        if self.parts >= self._most_parts:
            raise TooLarge(
                f"The body has more than {self._most_parts} parts.", hint="Send it in several requests."
            )
        self.parts += 1
        return PartBegin({}, defect) if defect else PartBegin(_headers(self._header_lines))

    def _start_data(self, buffer: bytes, position: int, events: list[Event]) -> int | None:
        following = self._cross_delimiter_at_line_start(buffer, position, events)
        if following == position:
            self._state = _State.DATA
        return following


def _headers(lines: Sequence[bytes]) -> dict[str, str]:
    """Header lines, folded ones unfolded, by lower-case name."""
    fields: list[list[str]] = []
    for line in (raw.decode("latin-1") for raw in lines):
        if line[0] in " \t":
            if fields:
                fields[-1][1] += " " + line.strip(" \t")
            continue
        name, _, value = line.partition(":")
        fields.append([name.rstrip(" \t").lower(), value.strip(" \t")])
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def boundary_for(seed: bytes) -> str:
    """A boundary that stays the same for the same representation, so that ranges of it fit together (H-06).

    seed: whatever tells one version of the representation from another. 128 bits: no payload holds it but
    by design, and a sender cannot know the seed's digest before the payload is stored.
    """
    return "dicomweb-" + blake2b(seed, digest_size=16).hexdigest()


def related_content_type(root_type: str, boundary: str) -> str:
    """Content-Type of the answer (G-60). root_type: media type of the first part, without parameters."""
    return f'multipart/related; type="{root_type}"; boundary={boundary}'


def part_header(boundary: str, headers: Iterable[tuple[str, str]], *, first: bool = False) -> bytes:
    """Delimiter line and header block; the payload follows. first: the body begins with this part (G-61)."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{'' if first else chr(13) + chr(10)}--{boundary}\r\n{lines}\r\n".encode("latin-1")


def closing(boundary: str) -> bytes:
    """The end of a body that had at least one part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")


def body_length(boundary: str, parts: Iterable[tuple[Iterable[tuple[str, str]], int]]) -> int:
    """Content-Length of a body of at least one part. parts: headers and payload size of each, in order."""
    length = len(closing(boundary)) - 2  # the first delimiter has no line break before it
    for headers, size in parts:
        length += len(part_header(boundary, headers)) + size
    return length
