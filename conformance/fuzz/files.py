"""Mutated DICOM files: bytes, lengths, tags and codestreams; each gets a SOP Instance UID of its own."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

# SOP Instance UID and its copy in group 2, with a 16-bit length in explicit or a 32-bit one in implicit VR.
_SOP_INSTANCE = re.compile(rb"\x08\x00\x18\x00(?:UI)?(..)(?:\0\0)?([0-9.]{10,64})", re.DOTALL)
_MARKERS = (
    b"\xff\xd8\xff",
    b"\xff\x4f\xff\x51",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\xfe\xff\x00\xe0",
    b"\xe0\x7f\x10\x00",
)
_LENGTHS = (0, 1, 3, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF)
_DIMENSIONS = (0, 1, 2, 0x7FFF, 0xB505, 0xFFFF)
_VRS = (b"UN", b"SQ", b"OB", b"OW", b"US", b"UI", b"PN", b"DS", b"IS", b"AT", b"??", b"UT", b"FD", b"OF")
# What decides how pixels are read: samples, photometric, planar, frames, rows, columns, bits, sign.
_PIXEL_TAGS = tuple(
    bytes.fromhex(f"2800{n}00") for n in ("02", "08", "06", "10", "11", "00", "01", "02", "03")
)

Mutation = Callable[[random.Random, bytearray], None]


def mutate(rng: random.Random, file: bytes) -> tuple[bytes, str]:
    """A broken copy and its SOP Instance UID (empty where the file names none)."""
    data = bytearray(file)
    uid = _renamed(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if data:
            rng.choice(_MUTATIONS)(rng, data)
    return bytes(data), uid


def _renamed(rng: random.Random, data: bytearray) -> str:
    found = _SOP_INSTANCE.search(data)
    if found is None:
        return ""
    old = bytes(found[2]).rstrip(b"\0")
    digits = "".join(rng.choice("123456789") for _ in range(len(old) - 5))
    new = f"2.25.{digits}".encode()
    data[:] = data.replace(old, new)
    return new.decode()


def _flip(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 2, 16, 200))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    data[place : place + rng.choice((1, 2, 4, 64))] = rng.randbytes(rng.choice((1, 2, 4, 64)))


def _cut_off(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _take_out(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    del data[place : place + rng.choice((1, 2, 8, 100, 4096))]


def _repeat(rng: random.Random, data: bytearray) -> None:
    place, length = rng.randrange(len(data)), rng.choice((8, 64, 1024))
    data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))


def _length(rng: random.Random, data: bytearray) -> None:
    """A length field, or what may be one, says something else."""
    place = rng.randrange(128, max(len(data), 129)) & ~1
    form = rng.choice(("<H", "<I"))
    value = rng.choice(_LENGTHS) & (0xFFFF if form == "<H" else 0xFFFFFFFF)
    data[place : place + struct.calcsize(form)] = struct.pack(form, value)


def _pixel_attribute(rng: random.Random, data: bytearray) -> None:
    tag = rng.choice(_PIXEL_TAGS)
    place = data.find(tag)
    if place > 0:
        data[place + 8 : place + 10] = struct.pack("<H", rng.choice(_DIMENSIONS))


def _header_region(rng: random.Random, data: bytearray) -> None:
    """Within the first kilobytes, where the attributes are."""
    place = rng.randrange(min(len(data), 4096))
    data[place] = rng.randrange(256)


def _vr(rng: random.Random, data: bytearray) -> None:
    places = [found.start() for found in re.finditer(rb"(?<=[\0-\xff]{4})[A-Z]{2}", data[:8192])]
    if places:
        place = rng.choice(places)
        data[place : place + 2] = rng.choice(_VRS)


def _codestream(rng: random.Random, data: bytearray) -> None:
    """Near the beginning of a codestream or an item."""
    places = [place for marker in _MARKERS if (place := data.find(marker, 132)) > 0]
    if not places:
        _flip(rng, data)
        return
    place = rng.choice(places) + rng.randrange(200)
    if place < len(data):
        data[place] = rng.choice((0, 0xFF, rng.randrange(256)))


_MUTATIONS: Sequence[Mutation] = (
    _flip,
    _overwrite,
    _cut_off,
    _take_out,
    _repeat,
    _length,
    _pixel_attribute,
    _header_region,
    _vr,
    _codestream,
    _codestream,
    _pixel_attribute,
)
