"""Smaller pictures within an HTJ2K RPCL codestream, cut out of it without decoding (PS3.5 10.18; V-08).

In the order RPCL the packets of a low resolution come first, and where each resolution has a tile-part of its
own, the Tile-part Lengths of the main header (TLM) say where it ends. The first of them under a header that
names the smaller sizes are a whole codestream, which any decoder takes: what a wavelet of fewer levels would
have made of the smaller picture (ISO/IEC 15444-1 B.5).

    levels = levels_of(head)                      # None: the whole frame has to be decoded
    halved(codestream[: levels.end(2)], levels, 2)  # 1/4 of each side
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

HEAD_BYTES = 4096
"""Enough of a codestream to hold the main headers that writers of DICOM make."""

_SOC, _EOC = b"\xff\x4f", b"\xff\xd9"
_CAP, _SIZ, _COD, _TLM, _QCD, _COM, _SOT = 0xFF50, 0xFF51, 0xFF52, 0xFF55, 0xFF5C, 0xFF64, 0xFF90
# What else may stand there codes some component or some resolution in its own way.
_PLAIN = frozenset({_CAP, _SIZ, _COD, _TLM, _QCD, _COM})
_RPCL = 2
_SOT_BYTES = 12


@dataclass(frozen=True, slots=True)
class Levels:
    """The resolutions of one codestream. segments: of its main header, by marker. bounds: where each
    resolution begins, the lowest first, and where the last ends."""

    segments: Mapping[int, bytes]
    bounds: Sequence[int]

    @property
    def halvings(self) -> int:
        """How often its picture can be halved."""
        return len(self.bounds) - 2

    def end(self, halvings: int) -> int:
        """Bytes from the beginning that hold the picture, halved so often."""
        return self.bounds[len(self.bounds) - 1 - halvings]


def levels_of(head: bytes) -> Levels | None:
    """What the main header says. head: the codestream, or its first HEAD_BYTES.

    None where the header is longer or malformed, or where resolutions are not found by it: another order of
    packets, more tiles than one, no tile-part for each resolution.
    """
    try:
        segments = dict(_segments(head))
        if not _PLAIN.issuperset(segments) or not _is_one_tile(segments[_SIZ]):
            return None
        order, decompositions = segments[_COD][1], segments[_COD][5]
        lengths = _tile_parts(segments[_TLM])
    except (struct.error, IndexError, KeyError, _Unread):
        return None
    if order != _RPCL or len(lengths) != decompositions + 1 or min(lengths) < _SOT_BYTES:
        return None
    header = len(_SOC) + sum(4 + len(content) for content in segments.values())
    return Levels(segments, list(accumulate(lengths, initial=header)))


class _Unread(Exception):
    """The main header is none that is understood here."""


def _segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of the main header. No marker comes twice in one that is plain."""
    if not head.startswith(_SOC):
        raise _Unread
    place, seen = len(_SOC), set[int]()
    while True:
        marker, length = struct.unpack_from(">HH", head, place)
        if marker == _SOT:
            return
        if marker in seen or length < 2 or place + 2 + length > len(head):
            raise _Unread
        seen.add(marker)
        yield marker, head[place + 4 : place + 2 + length]
        place += 2 + length


def _is_one_tile(siz: bytes) -> bool:
    """Whether one tile covers the picture, which begins at the origin and has all samples of a component."""
    right, bottom, left, top, width, height, tile_left, tile_top, samples = struct.unpack_from(">8IH", siz, 2)
    steps = siz[36:]
    whole = width >= right and height >= bottom and not (left or top or tile_left or tile_top)
    return whole and len(steps) == 3 * samples and set(steps[1::3] + steps[2::3]) == {1}


def _tile_parts(tlm: bytes) -> list[int]:
    """Lengths of the parts of the only tile (A.7.1)."""
    index, sizes = tlm[0], tlm[1]
    number, length = sizes >> 4 & 3, 4 if sizes & 0x40 else 2
    entry = number + length
    if index or number == 3 or not tlm[2:] or len(tlm[2:]) % entry:
        raise _Unread
    parts = [tlm[place : place + entry] for place in range(2, len(tlm), entry)]
    if any(any(part[:number]) for part in parts):
        raise _Unread
    return [int.from_bytes(part[number:], "big") for part in parts]


def halved(beginning: bytes, levels: Levels, halvings: int) -> bytes:
    """The codestream of the picture with each side halved so often, rounded up.

    beginning: the first levels.end(halvings) bytes. halvings: levels.halvings at most.
    """
    kept = levels.halvings - halvings + 1
    made = [_SOC]
    for marker, content in levels.segments.items():
        fewer = _fewer(marker, content, halvings, kept)
        made += [struct.pack(">HH", marker, 2 + len(fewer)), fewer]
    for start, end in pairwise(levels.bounds[: kept + 1]):
        # The last byte of SOT is the number of tile-parts (A.4.2).
        made += [
            beginning[start : start + _SOT_BYTES - 1],
            bytes([kept]),
            beginning[start + _SOT_BYTES : end],
        ]
    return b"".join([*made, _EOC])


def _fewer(marker: int, content: bytes, halvings: int, kept: int) -> bytes:
    """A segment of the main header for a picture halved so often, which has `kept` resolutions."""
    if marker == _SIZ:
        sides = struct.unpack_from(">8I", content, 2)
        return content[:2] + struct.pack(">8I", *(-(-side >> halvings) for side in sides)) + content[34:]
    if marker == _COD:
        several_precincts = content[0] & 1
        return content[:5] + bytes([kept - 1]) + content[6 : 10 + kept * several_precincts]
    if marker == _QCD:
        # One value for all bands, or one for each: an LL and three of each further resolution (A.6.4).
        size = {0: 1, 2: 2}.get(content[0] & 0x1F)
        return content if size is None else content[: 1 + size * (3 * kept - 2)]
    if marker == _TLM:
        entry = (content[1] >> 4 & 3) + (4 if content[1] & 0x40 else 2)
        return content[: 2 + entry * kept]
    return content
