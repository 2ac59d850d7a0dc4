"""Available Transfer Syntax UID (0008,3002) in search results: how an instance can be retrieved (M-19)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import orjson

from dicomweb.archive.sources import stored_form
from dicomweb.dicom.pixel_layout import PixelLayout
from dicomweb.dicom.transfer_syntax import lookup
from dicomweb.protocol.negotiate import Resource
from dicomweb.protocol.offers import offers
from dicomweb.protocol.search_rows import InstanceRow

# In these, instances of a series differ, and what can be made of them does not.
_PLACES = ("element_offset", "element_end", "value_offset", "value_length")


@dataclass(frozen=True, slots=True)
class _Held:
    sop_class_uid: str
    transfer_syntax_uid: str
    pixel_layout: PixelLayout | None


def available_syntaxes(row: InstanceRow) -> tuple[str, ...]:
    """The stored transfer syntax first, where it may be sent, then those that lose nothing (G-31).

    Others that lose something are made when they are asked for, but are not the instance as it is.
    """
    alike = None
    if row.pixel_layout is not None:
        layout = orjson.loads(row.pixel_layout)
        layout.update(dict.fromkeys(_PLACES, 0))
        alike = orjson.dumps(layout)
    return _available(row.sop_class_uid, row.transfer_syntax_uid, alike)


@lru_cache(maxsize=1024)
def _available(sop_class_uid: str, transfer_syntax_uid: str, layout: bytes | None) -> tuple[str, ...]:
    held = _Held(sop_class_uid, transfer_syntax_uid, PixelLayout.from_json(layout) if layout else None)
    found = [offer.chosen.transfer_syntax_uid for offer in offers(Resource.INSTANCES, stored_form(held))]
    kept = dict.fromkeys(uid for uid in found if uid == transfer_syntax_uid or not _loses(uid))
    return tuple(sorted(kept, key=lambda uid: uid != transfer_syntax_uid))


def _loses(uid: str) -> bool:
    syntax = lookup(uid)
    return syntax is not None and syntax.lossy
