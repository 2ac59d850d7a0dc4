"""The query of a WADO-URI request (PS3.18 9; checklist I-01 to I-10): raw query string in, value out.

Here the target stands in the query too, and media types in `contentType`, which goes before the Accept
header (V-14).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from dicomweb.dicom.picture import Viewport, Window
from dicomweb.dicom.target import Target
from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.frame_list import parse_frame_list
from dicomweb.protocol.media_types import APPLICATION_DICOM, parse_media_type, split_outside_quotes
from dicomweb.protocol.rendered_query import (
    RenderedQuery,
    check_area,
    given,
    make_window,
    parameters,
    parse_number,
    parse_quality,
    parse_side,
    parse_viewport,
    with_annotation,
)

_UIDS = {"studyUID": "study", "seriesUID": "series", "objectUID": "instance"}
_PRESENTATION = ("presentationSeriesUID", "presentationUID")
_NAMES = (
    "requestType",
    *_UIDS,
    *_PRESENTATION,
    "contentType",
    "transferSyntax",
    "anonymize",
    "frameNumber",
    "rows",
    "columns",
    "region",
    "viewport",
    "windowCenter",
    "windowWidth",
    "imageQuality",
    "annotation",
    "imageAnnotation",
)
# What belongs to pictures, so not beside application/dicom.
_PICTURE_NAMES = frozenset(["windowCenter", "windowWidth"])
# What may stand beside a presentation state (I-06).
_NOT_BESIDE_PRESENTATION = frozenset(["windowCenter", "windowWidth", "frameNumber"])


@dataclass(frozen=True, slots=True)
class WadoUriQuery:
    """One WADO-URI request.

    content_types: empty where the Accept header decides. transfer_syntax: a UID, `*`, or empty.
    presentation: series and instance of a presentation state of the same study, or None.
    """

    target: Target
    content_types: tuple[str, ...] = ()
    transfer_syntax: str = ""
    anonymize: bool = False
    frame_number: int | None = None
    picture: RenderedQuery = field(default_factory=RenderedQuery)
    presentation: tuple[str, str] | None = None

    @property
    def wants_dicom(self) -> bool:
        """Whether contentType asks for the object itself."""
        return self.content_types == (APPLICATION_DICOM,)


def parse_wado_uri(query: bytes, *, strict_uids: bool = False) -> WadoUriQuery:
    """Parse a raw query string. Raises InvalidRequest, whose text never repeats a value."""
    values = parameters(query, _NAMES)
    if values.get("requestType") != "WADO":
        raise InvalidRequest("The parameter requestType must be WADO.")
    asked = WadoUriQuery(
        target=Target(**{level: _uid(values, name, strict_uids) for name, level in _UIDS.items()}),
        content_types=given(values, "contentType", _content_types) or (),
        transfer_syntax=given(values, "transferSyntax", _transfer_syntax) or "",
        anonymize=_anonymize(values),
        frame_number=given(values, "frameNumber", _frame_number),
        picture=_picture(values),
        presentation=_presentation(values, strict_uids),
    )
    _check_combination(asked, frozenset(values))
    return asked


def _check_combination(asked: WadoUriQuery, names: frozenset[str]) -> None:
    if asked.wants_dicom and names & _PICTURE_NAMES:
        raise InvalidRequest("A window is for pictures; contentType asks for the DICOM object.")
    if asked.presentation is not None and names & _NOT_BESIDE_PRESENTATION:
        raise InvalidRequest("A presentation state says itself what is shown and how; the request does too.")


def _uid(values: Mapping[str, str], name: str, strict: bool) -> str:
    if name not in values:
        raise InvalidRequest(f"The parameter {name} is missing.")
    if not is_uid(values[name], strict=strict):
        raise InvalidRequest(f"The parameter {name} is not a UID.")
    return values[name]


def _content_types(text: str) -> tuple[str, ...]:
    """Media types without parameters but q; application/dicom stands alone (I-04)."""
    found = tuple(_content_type(member) for member in split_outside_quotes(text, ",") or [text])
    if APPLICATION_DICOM in found and len(set(found)) > 1:
        raise InvalidRequest("contentType mixes application/dicom with rendered media types.")
    return tuple(dict.fromkeys(found))


def _content_type(text: str) -> str:
    media_type = parse_media_type(text)
    if {"transfer-syntax", "charset"} & set(media_type.parameters):
        raise InvalidRequest(
            "A media type in contentType has a parameter that is none there.",
            hint="The query parameters transferSyntax and charset stand for them (PS3.18 9.1).",
        )
    if "*" in media_type.essence:
        raise InvalidRequest("contentType holds a wildcard.", hint="Leave contentType out to take anything.")
    return media_type.essence


def _transfer_syntax(text: str) -> str:
    if text != "*" and not is_uid(text):
        raise InvalidRequest("The parameter transferSyntax is not one UID.")
    return text


def _anonymize(values: Mapping[str, str]) -> bool:
    if values.get("anonymize", "yes") != "yes":
        raise InvalidRequest("The parameter anonymize can only be yes.")
    return "anonymize" in values


def _frame_number(text: str) -> int:
    numbers = parse_frame_list(text)
    if len(numbers) != 1:
        raise InvalidRequest("The parameter frameNumber must be one frame number.")
    return numbers[0]


def _presentation(values: Mapping[str, str], strict: bool) -> tuple[str, str] | None:
    if not any(name in values for name in _PRESENTATION):
        return None
    series, instance = (_uid(values, name, strict) for name in _PRESENTATION)
    return series, instance


def _picture(values: Mapping[str, str]) -> RenderedQuery:
    if "annotation" in values and "imageAnnotation" in values:
        raise InvalidRequest("The annotation is given by two parameters.")
    asked = RenderedQuery(
        viewport=_viewport(values),
        window=_window(values),
        quality=given(values, "imageQuality", lambda text: parse_quality(text, "imageQuality")),
    )
    asked = with_annotation(asked, values.get("annotation"))
    return with_annotation(asked, values.get("imageAnnotation"), "imageAnnotation")


def _window(values: Mapping[str, str]) -> Window | None:
    names = [name for name in ("windowCenter", "windowWidth") if name in values]
    if len(names) == 1:
        raise InvalidRequest("windowCenter and windowWidth come together or not at all.")
    if not names:
        return None
    center, width = (parse_number(name, values[name]) for name in names)
    return make_window(center, width)


def _viewport(values: Mapping[str, str]) -> Viewport | None:
    """rows and columns as maxima, and a region of the image; or `viewport` as of rendered resources."""
    rows, columns = (given(values, name, partial(parse_side, name)) for name in ("rows", "columns"))
    if "viewport" in values:
        if rows or columns or "region" in values:
            raise InvalidRequest("The viewport is given by two parameters.")
        return parse_viewport(values["viewport"])
    if rows and columns:
        check_area("rows", columns, rows)
    size = Viewport(columns, rows)
    if "region" in values:
        return _with_region(size, values["region"])
    return size if rows or columns else None


def _with_region(size: Viewport, text: str) -> Viewport:
    """`xmin,ymin,xmax,ymax`, each from 0 to 1 (I-05)."""
    numbers = [parse_number("region", value.strip(" ")) for value in text.split(",")]
    if len(numbers) != 4 or not all(0 <= number <= 1 for number in numbers):
        raise InvalidRequest("The parameter region must be four numbers from 0 to 1.")
    left, top, right, bottom = numbers
    if left >= right or top >= bottom:
        raise InvalidRequest("The region is empty.")
    return replace(
        size, x=left, y=top, source_width=right - left, source_height=bottom - top, normalized=True
    )
