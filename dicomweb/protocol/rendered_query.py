"""The query parameters of rendered resources and thumbnails (PS3.18 8.3.5; R-01, R-05 to R-11).

Pure: raw query string in, value out. Whatever is wrong with a parameter that is known raises InvalidRequest;
names that are not known are ignored (G-04). Commas separate encoded or not: no value here holds one (G-08).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from dicomweb.dicom.picture import (
    LARGEST_PICTURE,
    LINEAR,
    LINEAR_EXACT,
    LONGEST_SIDE,
    SIGMOID,
    Viewport,
    Window,
)
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.search_key import decode

ANNOTATIONS = ("patient", "technique")
ICC_PROFILES = ("no", "yes", "srgb", "adobergb", "rommrgb")
_WITHOUT_PROFILE = frozenset(["image/gif", "image/jxl", "image/svg+xml"])
FUNCTIONS = {"linear": LINEAR, "linear-exact": LINEAR_EXACT, "sigmoid": SIGMOID}

_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
# As a Decimal String is written, at a length where no number overflows and int() is cheap.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_LONGEST_NUMBER = 32
_MOST_ANNOTATIONS = 20
_VIEWPORT_VALUES = 6
# What single precision holds, with room to calculate.
_LARGEST_NUMBER = 1e30

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class RenderedQuery:
    """How a picture is wanted. None: as the server does without the parameter.

    annotation: keywords that are drawn. unsupported: keywords that a Warning names (R-10).
    """

    viewport: Viewport | None = None
    window: Window | None = None
    quality: int | None = None
    icc_profile: str | None = None
    annotation: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()

    def picture_parameters(self) -> dict[str, Any]:
        """What decides about the pixels, JSON-able, by the names of pixels.rendering.request."""
        return {
            "viewport": asdict(self.viewport) if self.viewport else None,
            "window": asdict(self.window) if self.window else None,
            "quality": self.quality,
            "icc_profile": self.icc_profile,
        }


def parse_rendered(query: bytes) -> RenderedQuery:
    """The parameters of a rendered resource. query: raw, percent-encoded. Raises InvalidRequest."""
    values = parameters(query, ("annotation", "quality", "viewport", "window", "iccprofile"))
    asked = RenderedQuery(
        viewport=given(values, "viewport", parse_viewport),
        window=given(values, "window", parse_window),
        quality=given(values, "quality", parse_quality),
        icc_profile=given(values, "iccprofile", _icc_profile),
    )
    return with_annotation(asked, values.get("annotation"))


def parse_thumbnail(query: bytes) -> RenderedQuery:
    """The parameters of a thumbnail: its size alone (R-07). Raises InvalidRequest."""
    values = parameters(query, ("viewport",))
    viewport = given(values, "viewport", parse_viewport)
    if viewport is not None and viewport.has_region:
        raise InvalidRequest("The viewport of a thumbnail is its width and height alone.")
    return RenderedQuery(viewport=viewport)


def refuse_for_presentation(asked: RenderedQuery) -> None:
    """A presentation state says itself how values become grey and what is shown (R-05, R-07)."""
    if asked.window is not None:
        raise InvalidRequest("A presentation state has its own window; the request names another.")
    if asked.viewport is not None and asked.viewport.has_region:
        raise InvalidRequest("The viewport of a presentation state is its width and height alone.")


def refuse_profile(asked: RenderedQuery, media_types: Iterable[str]) -> None:
    """No colour space can be asked for of types that hold no profile here (R-11)."""
    if asked.icc_profile not in (None, "no") and not _WITHOUT_PROFILE.isdisjoint(media_types):
        raise InvalidRequest("The picture's media type holds no ICC profile; iccprofile can only be no.")


def parameters(query: bytes, names: Iterable[str]) -> Mapping[str, str]:
    """The values of the named parameters, decoded, without padding (G-10). Raises InvalidRequest."""
    found: dict[str, str] = {}
    known = frozenset(names)
    for pair in query.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        try:
            name = decode(raw_name)
        except InvalidRequest:
            continue  # a name that cannot be read is not known
        if name not in known:
            continue
        if name in found:
            raise InvalidRequest(f"The parameter {name} is given more than once.")
        found[name] = decode(raw_value).strip(" \0")
    return found


def given(values: Mapping[str, str], name: str, parse: Callable[[str], _Value]) -> _Value | None:
    """The value of a parameter, None when it is not there."""
    return parse(values[name]) if name in values else None


def parse_viewport(text: str) -> Viewport:
    """`vw,vh[,sx,sy,sw,sh]`; what is left out between commas has its default (R-06).

    >>> parse_viewport("512,256,,,-100,")
    Viewport(width=512, height=256, x=0.0, y=0.0, source_width=100.0, source_height=None, \
flip_horizontal=True, flip_vertical=False, normalized=False)
    """
    values = [value.strip(" ") for value in text.split(",")]
    if not 2 <= len(values) <= _VIEWPORT_VALUES:
        raise InvalidRequest(
            "The viewport must be a width and a height, and may name a part of the image.",
            hint="viewport=width,height[,x,y,source width,source height]",
        )
    width, height = (parse_side("viewport", value) for value in values[:2])
    check_area("viewport", width, height)
    x, y, source_width, source_height = _optional(values[2:])
    if min(x or 0.0, y or 0.0) < 0:
        raise InvalidRequest("The viewport begins outside the image.")
    if 0.0 in (source_width, source_height):
        raise InvalidRequest("The viewport shows no part of the image.")
    return Viewport(
        width,
        height,
        x=x or 0.0,
        y=y or 0.0,
        source_width=None if source_width is None else abs(source_width),
        source_height=None if source_height is None else abs(source_height),
        flip_horizontal=(source_width or 0.0) < 0,
        flip_vertical=(source_height or 0.0) < 0,
    )


def _optional(values: Sequence[str]) -> list[float | None]:
    numbers = [parse_number("viewport", value) if value else None for value in values]
    return numbers + [None] * (_VIEWPORT_VALUES - 2 - len(numbers))


def parse_side(name: str, text: str) -> int:
    """A number of pixels of the picture's side."""
    if not _WHOLE.fullmatch(text) or int(text) < 1:
        raise InvalidRequest(f"The parameter {name} must give sides in whole pixels, from 1.")
    if int(text) > LONGEST_SIDE:
        raise InvalidRequest(f"The parameter {name} asks for more than {LONGEST_SIDE} pixels on a side.")
    return int(text)


def check_area(name: str, width: int, height: int) -> None:
    """Refuse a picture that is too large."""
    if width * height > LARGEST_PICTURE:
        raise InvalidRequest(f"The parameter {name} asks for more than {LARGEST_PICTURE} pixels.")


def parse_window(text: str) -> Window:
    """`center,width,function` (R-05)."""
    values = [value.strip(" ") for value in text.split(",")]
    if len(values) != 3 or values[2] not in FUNCTIONS:
        raise InvalidRequest(
            "The window must be a center, a width and a function.",
            hint=f"window=center,width,function with a function of: {', '.join(FUNCTIONS)}.",
        )
    center, width = (parse_number("window", value) for value in values[:2])
    return make_window(center, width, FUNCTIONS[values[2]])


def make_window(center: float, width: float, function: str = LINEAR) -> Window:
    """A window whose width its function can take (PS3.3 C.11.2.1)."""
    if width <= 0 or (function == LINEAR and width < 1):
        least = "at least 1" if function == LINEAR else "more than 0"
        raise InvalidRequest(f"The width of this window must be {least}.")
    return Window(center, width, function)


def parse_quality(text: str, name: str = "quality") -> int:
    """1 to 100 (R-09)."""
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= 100:
        raise InvalidRequest(f"The parameter {name} must be a whole number from 1 to 100.")
    return int(text)


def _icc_profile(text: str) -> str:
    if text not in ICC_PROFILES:
        raise InvalidRequest(f"The parameter iccprofile must be one of: {', '.join(ICC_PROFILES)}.")
    return text


def with_annotation(asked: RenderedQuery, text: str | None, name: str = "annotation") -> RenderedQuery:
    """The same with the annotation keywords of a comma list, each once (R-10)."""
    if text is None:
        return asked
    keywords = list(dict.fromkeys(keyword.strip(" ") for keyword in text.split(",")))
    if len(keywords) > _MOST_ANNOTATIONS or not all(_KEYWORD.fullmatch(keyword) for keyword in keywords):
        raise InvalidRequest(
            f"The parameter {name} must be a list of keywords.",
            hint=f"Supported are: {', '.join(ANNOTATIONS)}.",
        )
    return replace(
        asked,
        annotation=tuple(keyword for keyword in keywords if keyword in ANNOTATIONS),
        unsupported=tuple(keyword for keyword in keywords if keyword not in ANNOTATIONS),
    )


def parse_number(name: str, text: str) -> float:
    """A finite decimal number."""
    if len(text) > _LONGEST_NUMBER or not _DECIMAL.fullmatch(text):
        raise InvalidRequest(f"The parameter {name} holds something that is not a number.")
    number = float(text)
    if abs(number) > _LARGEST_NUMBER:
        raise InvalidRequest(f"The parameter {name} holds a number that is too large.")
    return number
