"""Content negotiation: which representation of what is stored answers a request (PS3.18 8.7).

A handler reads the Accept header first (400, 406), then, knowing what lies in the archive, asks for the
whole answer (406). Nothing here does I/O.

    accept = acceptable(request.headers.getlist("accept"), query_values("accept"), Resource.FRAMES)
    stored = Stored(uid, Category.SINGLE_FRAME, decodable=uid in DECODABLE)
    answer = negotiate(accept, [stored] * len(frame_numbers), single_item=len(frame_numbers) == 1)
    answer.multipart                  # False: the body is the one part itself
    answer.parts[0].as_stored         # True: send the bytes as they lie there; False: decode or re-encode
    answer.parts[0].content_type      # image/jls; transfer-syntax=1.2.840.10008.1.2.4.80
    answer.root_type                  # for multipart.related_content_type
    answer.complete                   # False: some parts are None, left out with 206 (W-60)

A study of many instances may be asked part by part instead: `choose(accept, stored, multipart=True)`.
Metadata, search and store answers are JSON or XML whatever is stored: `document(accept)` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from dicomweb.dicom.transfer_syntax import DEFAULT_FOR_MEDIA_TYPE, EXPLICIT_LITTLE, lookup
from dicomweb.errors import InvalidRequest, NotAcceptable
from dicomweb.protocol.media_types import (
    APPLICATION_DICOM,
    OCTET_STREAM,
    Form,
    MediaRange,
    media_ranges,
)
from dicomweb.protocol.offers import DOCUMENTS, SERVED, offers
from dicomweb.protocol.representations import Category, Chosen, Offer, Resource, Stored, category_of

__all__ = [
    "Acceptable",
    "Answer",
    "Category",
    "Chosen",
    "Resource",
    "Stored",
    "acceptable",
    "available",
    "category_of",
    "choose",
    "document",
    "negotiate",
    "supported",
]


@dataclass(frozen=True, slots=True)
class Acceptable:
    """What a request will take. ranges: of the Accept header. preferred: of the accept parameter, if any."""

    resource: Resource
    ranges: tuple[MediaRange, ...]
    preferred: tuple[MediaRange, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. parts: in the order of what was stored, None where one cannot be given."""

    multipart: bool
    parts: tuple[Chosen | None, ...]

    @property
    def complete(self) -> bool:
        """Whether every part goes out; if not, the status is 206 (W-60, Z-02)."""
        return None not in self.parts

    @property
    def root_type(self) -> str:
        """Media type of the first part that goes out."""
        return next(part.media_type for part in self.parts if part is not None)


_NATIVE = Stored(EXPLICIT_LITTLE, Category.SINGLE_FRAME)


def acceptable(
    accept_headers: Sequence[str],
    accept_parameters: Sequence[str],
    resource: Resource,
    *,
    strict: bool = False,
) -> Acceptable:
    """Read what the request accepts.

    accept_headers: every Accept header line. accept_parameters: every value of the query parameter
    `accept`, percent-decoded. strict: without an Accept header the answer is 406 (Z-01).
    Raises InvalidRequest for a malformed parameter (G-05, G-26), NotAcceptable when nothing that this
    resource can ever give would do. PS3.18 8.7.5 to 8.7.8.
    """
    headers = tuple(header for header in accept_headers if header.strip(" \t,"))
    parameters = tuple(accept_parameters)
    # A client sends the same few headers with every request.
    read = _remembered if sum(map(len, headers + parameters)) <= _LONGEST_REMEMBERED else _acceptable
    return read(headers, parameters, resource, strict)


def _acceptable(
    headers: tuple[str, ...], parameters: tuple[str, ...], resource: Resource, strict: bool
) -> Acceptable:
    if not headers and strict:
        raise NotAcceptable("The request has no Accept header.", available=available(resource))
    ranges = media_ranges(headers or ["*/*"])
    preferred = _parameter_ranges(parameters)
    # No supported type in the parameter: then the header alone decides (G-27, Z-11).
    preferred = tuple(wanted for wanted in preferred if _may_serve(resource, wanted))
    accept = Acceptable(resource, ranges, preferred)
    if not any(_may_serve(resource, wanted) for wanted in preferred or ranges if wanted.q > 0):
        raise _refusal(resource)
    if resource in DOCUMENTS:  # what is stored does not matter, so it is settled already
        document(accept)
    return accept


_LONGEST_REMEMBERED = 2048
_remembered = lru_cache(maxsize=256)(_acceptable)


def _parameter_ranges(values: Sequence[str]) -> tuple[MediaRange, ...]:
    ranges = media_ranges(values, lenient=False)
    if any(wanted.wildcard for wanted in ranges):
        raise InvalidRequest(
            "The accept parameter holds a wildcard.",
            hint="Wildcards belong in the Accept header (PS3.18 8.3.3.1).",
        )
    return ranges


def _may_serve(resource: Resource, wanted: MediaRange) -> bool:
    """Whether this range can match anything that the resource ever gives."""
    if wanted.q == 0:
        return False
    if resource in DOCUMENTS:
        return any(
            _type_matches(wanted, offer.chosen.media_type) and wanted.form in (*offer.forms, Form.EITHER)
            for offer in DOCUMENTS[resource]
        )
    served = SERVED.get(resource)
    return served is None or any(_type_matches(wanted, media_type) for media_type in served)


def _type_matches(wanted: MediaRange, media_type: str) -> bool:
    if wanted.media_type in ("", "*/*"):
        return True
    if wanted.wildcard:
        return media_type.lower().startswith(wanted.media_type[:-1])
    return wanted.media_type == media_type.lower()


def document(accept: Acceptable) -> Answer:
    """The form of metadata, search results or a store response: `root_type` tells JSON from XML, and
    `multipart` is one part for each item (M-02, M-06, S-13). Raises NotAcceptable.
    """
    return negotiate(accept, [_NATIVE], single_item=True)


def negotiate(accept: Acceptable, stored: Iterable[Stored], *, single_item: bool) -> Answer:
    """Choose packaging and every part of an answer.

    stored: one for each part, in order. single_item: the resource holds exactly one item by its kind (an
    instance, one frame, one bulkdata value), not by chance (G-36); then stored has one element.
    Raises NotAcceptable when no part can be given.
    """
    items = list(stored)
    accept = supported(accept, items)
    if single_item and len(items) == 1:
        best = _best_form(accept, items[0], tuple(Form))
        if best is None:
            raise _refusal(accept.resource, items)
        return Answer(best[0] is Form.MULTIPART, (best[1].chosen,))
    chosen = {item: choose(accept, item, multipart=True) for item in dict.fromkeys(items)}
    if not any(chosen.values()):
        raise _refusal(accept.resource, items, multipart_only=True)
    return Answer(True, tuple(chosen[item] for item in items))


def supported(accept: Acceptable, items: Sequence[Stored]) -> Acceptable:
    """Without an accept parameter of which nothing stored supports a type: then the header alone decides
    (G-27, Z-11)."""
    distinct = dict.fromkeys(items) if accept.preferred else ()
    found = (offer for item in distinct for offer in offers(accept.resource, item))
    if any(_offer_type_matches(wanted, offer) for offer in found for wanted in accept.preferred):
        return accept
    return replace(accept, preferred=())


def choose(accept: Acceptable, stored: Stored, *, multipart: bool) -> Chosen | None:
    """The form in which one part goes out, None when it cannot be given in an acceptable one (G-28)."""
    form = Form.MULTIPART if multipart else Form.SINGLE
    best = _best_form(accept, stored, (form,))
    return best[1].chosen if best else None


# A viewer asks for all its frames with one header, and those of a series are alike. Bounded, as headers may
# be long.
@lru_cache(maxsize=256)
def _best_form(accept: Acceptable, stored: Stored, forms: tuple[Form, ...]) -> tuple[Form, Offer] | None:
    candidates = offers(accept.resource, stored)
    best = _best(accept, candidates, forms)
    if best is None and accept.preferred and accept.resource is Resource.FRAMES:
        # The parameter names a type alone, and the header how it is packed: viewers are configured so (V-08).
        preferred = tuple(replace(wanted, form=Form.EITHER) for wanted in accept.preferred)
        best = _best(replace(accept, preferred=preferred), candidates, forms)
    return best


_Rank = tuple[float, int, int, bool, int, int]


def _best(
    accept: Acceptable, candidates: Sequence[Offer], forms: Sequence[Form]
) -> tuple[Form, Offer] | None:
    """The offer, and its packaging, that the request likes best (G-22)."""
    ranked: list[tuple[_Rank, Form, Offer]] = []
    for place, offer in enumerate(candidates):
        for turn, form in enumerate(offer.forms):
            wanted = _wanted(accept, offer, form) if form in forms else None
            if wanted is not None:
                against = not _prefers(accept.resource, wanted, offer)
                rank = (-wanted.q, _effort(wanted, offer), wanted.position, against, turn, place)
                ranked.append((rank, form, offer))
    if not ranked:
        return None
    _, form, offer = min(ranked, key=lambda entry: entry[0])
    return form, offer


def _effort(wanted: MediaRange, offer: Offer) -> int:
    """0 for what is sent without encoding anything; of the others, what was named comes first.

    Viewers list every codestream that they can decode, and mean by it that nothing need be encoded for them.
    """
    return 0 if not offer.re_encoded else 2 if wanted.wildcard else 1


def _wanted(accept: Acceptable, offer: Offer, form: Form) -> MediaRange | None:
    """The range that speaks for this offer, None when the request excludes it.

    The most specific one gives q; among equals the first to appear counts, so that a viewer's
    "octet-stream as stored" ranks the stored codestream before its own type is named (V-18). With an accept
    parameter that one ranks, and the header has only to allow the media type (G-26).
    """
    if not accept.preferred:
        return _speaking(accept.ranges, offer, form)
    allowed = _speaking(accept.ranges, offer, form, any_syntax=True)
    return _speaking(accept.preferred, offer, form) if allowed else None


def _speaking(
    ranges: Sequence[MediaRange], offer: Offer, form: Form, *, any_syntax: bool = False
) -> MediaRange | None:
    matching = [
        wanted
        for wanted in ranges
        if wanted.form in (form, Form.EITHER)
        and _offer_type_matches(wanted, offer)
        and (any_syntax or _syntax_matches(wanted, offer))
    ]
    best = max(matching, key=lambda wanted: _specificity(wanted, offer), default=None)
    if best is None or best.q == 0:
        return None
    return next(wanted for wanted in matching if wanted.q == best.q)


def _specificity(wanted: MediaRange, offer: Offer) -> tuple[int, int, int]:
    exact = wanted.media_type == offer.chosen.media_type.lower()
    general = wanted.media_type in ("", "*/*")
    syntax = 0 if not wanted.transfer_syntax else 1 if wanted.transfer_syntax == "*" else 2
    return (2 if exact else 0 if general else 1, wanted.form is not Form.EITHER, syntax)


def _offer_type_matches(wanted: MediaRange, offer: Offer) -> bool:
    if _type_matches(wanted, offer.chosen.media_type):
        return True
    # Asked as octet-stream, codestreams go under their true type (Z-05); _syntax_matches says when.
    return (
        wanted.media_type == OCTET_STREAM and offer.encoded and offer.chosen.media_type != APPLICATION_DICOM
    )


def _syntax_matches(wanted: MediaRange, offer: Offer) -> bool:
    if not offer.chosen.transfer_syntax_uid:  # plain bytes have none
        return True
    if wanted.transfer_syntax == "*":
        return not offer.re_encoded or _is_default(offer)
    if wanted.transfer_syntax:
        return wanted.transfer_syntax == offer.chosen.transfer_syntax_uid or (
            offer.any_pixel_syntax and _is_pixel_syntax(wanted.transfer_syntax)
        )
    if not offer.encoded or offer.stands_in or wanted.q == 0:
        return True
    if wanted.media_type in (APPLICATION_DICOM, OCTET_STREAM):  # these mean ELE (G-32)
        return False
    # The type of a codestream means the stored one of that type, else that of column D (M-13).
    return not offer.re_encoded or _is_default(offer)


def _is_default(offer: Offer) -> bool:
    """Never lossy: who wants that names its transfer syntax."""
    return DEFAULT_FOR_MEDIA_TYPE.get(offer.chosen.media_type) == offer.chosen.transfer_syntax_uid


def _is_pixel_syntax(uid: str) -> bool:
    syntax = lookup(uid)
    return syntax is not None and syntax.encapsulated


def _prefers(resource: Resource, wanted: MediaRange, offer: Offer) -> bool:
    """As stored if asked so, and for frames as `multipart/related; type="*/*"` (V-12); else the default."""
    if wanted.transfer_syntax not in ("", "*"):
        return wanted.transfer_syntax == offer.chosen.transfer_syntax_uid
    stored = wanted.transfer_syntax == "*" or (
        resource is not Resource.INSTANCES and wanted.form is Form.MULTIPART and wanted.media_type == "*/*"
    )
    return offer.encoded is stored


def available(
    resource: Resource, stored: Iterable[Stored] = (), *, multipart_only: bool = False
) -> list[str]:
    """Media types, with transfer syntaxes, that the resource can give: the body of a 406 (G-37).

    stored: what the target holds; without it, what the resource gives in general.
    """
    items = list(dict.fromkeys(stored))
    lines: dict[str, None] = {}
    for offer in (offer for item in items or [_NATIVE] for offer in offers(resource, item)):
        for form in offer.forms:
            if form is Form.MULTIPART or not multipart_only:
                lines[_accept_value(offer.chosen, form)] = None
    default = offers(resource, _NATIVE)[0].chosen
    if not items and default.transfer_syntax_uid:
        lines[_accept_value(Chosen(default.media_type, "*", True), Form.MULTIPART)] = None
    return list(lines)


def _accept_value(chosen: Chosen, form: Form) -> str:
    if form is Form.SINGLE:
        return chosen.content_type
    _, semicolon, syntax = chosen.content_type.partition(";")
    return f'multipart/related; type="{chosen.media_type}"{semicolon}{syntax}'


def _refusal(
    resource: Resource, stored: Iterable[Stored] = (), *, multipart_only: bool = False
) -> NotAcceptable:
    return NotAcceptable(
        f"None of the media types that the request accepts can be given for {resource.value}.",
        available=available(resource, stored, multipart_only=multipart_only),
        hint="Accept one of the available types; transfer-syntax=* asks for the data as stored.",
    )
