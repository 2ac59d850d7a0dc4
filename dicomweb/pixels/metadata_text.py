"""Metadata as the catalog holds it, read in a worker: zstd of DICOM JSON."""

from __future__ import annotations

from typing import Any

import orjson
import zstandard

from dicomweb.errors import DecodeFailed

# Of JSON text; the objects made of it are bounded by the memory of a worker.
_LONGEST = 512 << 20


def read_metadata(compressed: bytes) -> dict[str, Any]:
    """The attributes of an instance. Raises DecodeFailed."""
    try:
        text = zstandard.ZstdDecompressor().decompress(compressed, max_output_size=_LONGEST)
        attributes: dict[str, Any] = orjson.loads(text)
    except (zstandard.ZstdError, orjson.JSONDecodeError, MemoryError):
        raise DecodeFailed("The metadata of the object is too long to be read.") from None
    return attributes
