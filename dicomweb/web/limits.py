"""What the server takes and gives at most, in a form that programs read (K-05)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from dicomweb.dicom.picture import LARGEST_PICTURE, LONGEST_SIDE
from dicomweb.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    JPEG_RECOMPRESSED,
    TRANSFER_SYNTAXES,
)
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.pixels.encodable import ENCODABLE
from dicomweb.settings import Settings

# What pixels can be put into; deflated is the data set around them, and JPEG XL may hold a JPEG as it is.
ENCODED = ENCODABLE | {EXPLICIT_LITTLE, DEFLATED_EXPLICIT_LITTLE, JPEG_RECOMPRESSED}
# Settings that a client meets; where the archive lies and how it is run is nobody's business.
LIMITS = (
    "max_studies",
    "max_results",
    "search_rows",
    "search_seconds",
    "uri_bytes",
    "head_bytes",
    "head_seconds",
    "body_bytes",
    "body_idle_seconds",
    "part_header_bytes",
    "sequence_depth",
    "dataset_bytes",
    "value_bytes",
    "inline_bytes",
    "inflate_bytes",
    "inflate_ratio",
    "decode_seconds",
    "decode_memory",
)


def limits(settings: Settings) -> dict[str, Any]:
    """The document. 0 stands for no limit."""
    described = {item.name: item.metadata["description"] for item in fields(settings)}
    return {
        "limits": {
            name: {"value": getattr(settings, name), "unit": _unit(name), "meaning": described[name]}
            for name in LIMITS
        },
        "rendered": {
            "side": {"value": LONGEST_SIDE, "unit": "pixels", "meaning": "Longest side of a picture."},
            "picture": {"value": LARGEST_PICTURE, "unit": "pixels", "meaning": "Pixels of a picture."},
        },
        "sop_classes": {"stored": "any"},
        "transfer_syntaxes": {
            uid: {
                "name": syntax.name,
                "stored": True,
                "decoded": uid in DECODABLE or not syntax.encapsulated,
                "encoded": uid in ENCODED,
            }
            for uid, syntax in TRANSFER_SYNTAXES.items()
        },
        "duplicates": settings.duplicates,
    }


def _unit(name: str) -> str:
    return (
        "seconds" if name.endswith("_seconds") else "bytes" if name.endswith(("_bytes", "_memory")) else "1"
    )
