"""The media types that an operation answers with, from the tables that negotiation itself goes by."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.dicom.transfer_syntax import TRANSFER_SYNTAXES
from dicomweb.protocol.description import Operation
from dicomweb.protocol.media_types import LEGACY_NAMES, OCTET_STREAM, Form, MediaRange
from dicomweb.protocol.offers import DOCUMENTS, FORMS, SERVED
from dicomweb.protocol.rendered_forms import STILLS
from dicomweb.protocol.representations import Resource

_CODESTREAMS = sorted(
    {syntax.media_type for syntax in TRANSFER_SYNTAXES.values() if syntax.media_type} - {OCTET_STREAM}
)
# Where the table of what is served leaves it to the data.
_TYPES: dict[Resource, Sequence[str]] = {
    Resource.BULKDATA: [OCTET_STREAM, "application/pdf", *_CODESTREAMS],
    Resource.PIXELDATA: [OCTET_STREAM, *_CODESTREAMS],
    Resource.RENDERED: STILLS,
    Resource.THUMBNAIL: STILLS,
    Resource.RENDERED_VOLUME: STILLS,
}


def answer_types(operation: Operation) -> list[str]:
    """As they stand in an Accept header, the default first."""
    own = _packed(operation.resource) if operation.resource else []
    fit = [_accept(name, form) for name, form in own if operation.form in (form, Form.EITHER)]
    return list(dict.fromkeys([*fit, *operation.gives]))


def _packed(resource: Resource) -> list[tuple[str, Form]]:
    if resource in DOCUMENTS:
        return [(offer.chosen.media_type, form) for offer in DOCUMENTS[resource] for form in offer.forms]
    types = _TYPES.get(resource) or sorted(SERVED[resource], key=lambda name: (name != OCTET_STREAM, name))
    return [(name, form) for form in FORMS.get(resource, (Form.SINGLE, Form.MULTIPART)) for name in types]


def _accept(media_type: str, form: Form) -> str:
    return f'multipart/related; type="{media_type}"' if form is Form.MULTIPART else media_type


def best_type(ranges: Sequence[MediaRange], offered: Sequence[str]) -> str | None:
    """The single-part type that the request likes best, the first of equals; None when none is acceptable.

    ranges: of the request, empty when it does not say.
    """
    if not ranges:
        return offered[0]
    liked = [(_liking(ranges, media_type), media_type) for media_type in offered]
    q, best = max(liked, key=lambda one: one[0])
    return best if q > 0 else None


def _liking(ranges: Sequence[MediaRange], media_type: str) -> float:
    """q of the most specific range that matches."""
    kind = media_type.partition("/")[0]
    # Ranges come without legacy names, of which application/json is one.
    for name in (LEGACY_NAMES.get(media_type, media_type), f"{kind}/*", "*/*"):
        found = [one.q for one in ranges if one.media_type == name and one.form is not Form.MULTIPART]
        if found:
            return max(found)
    return 0.0
