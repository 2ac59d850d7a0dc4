"""The query parameters of rendered MPR and 3D volumes (PS3.18 8.3.5.3; R-31 to R-33).

Pure: raw query string in, value out. Whatever contradicts itself or cannot be done raises InvalidRequest.
Every other name is a matching key as in a search (8.3.5.3.2), and ignored with a warning where it is no
attribute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.rendered_query import RenderedQuery, given, parameters, parse_number, parse_rendered
from dicomweb.protocol.search_key import decode
from dicomweb.protocol.search_query import Key, Level, parse_search


class Reformat(Enum):
    """Reformatting Operation Type (0072,0510) of the resource."""

    MPR = "MPR"
    RENDERING_3D = "3D_RENDERING"


METHODS = ("volume_rendered", "maximum_ip", "minimum_ip", "average_ip")
ORIENTATIONS = ("a", "p", "r", "l", "h", "f")
MOST_STEPS = 120
"""Most pictures of an animation."""

_PICTURE = ("annotation", "quality", "viewport", "window", "iccprofile")
_ANIMATION = ("swivelrange", "animationstepsize", "animationrate")
_VIEWPOINT = ("viewpointposition", "viewpointlookat", "viewpointup")
_REFERENCES = "volumeinputreference"
_OTHERS = ("renderingmethod", "orientation", "mprslab", "volumetriccurvepoint", "renderedvolumetricmetadata")
NAMES = frozenset({*_PICTURE, *_ANIMATION, *_VIEWPOINT, *_OTHERS, _REFERENCES, "accept", "charset"})
"""Names that are no matching keys."""

# What a Volumetric Presentation State says itself.
_STATED = ("renderingmethod", "mprslab", *_ANIMATION, "volumetriccurvepoint", "renderedvolumetricmetadata")

_FRAME_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_MOST_REFERENCES = 5000
# Millimetres: the Earth is smaller, and squares of it are still exact enough.
_FARTHEST = 1e6
_LEAST_SLAB = 1e-3
_RATES = (0.01, 50.0)
_DEFAULT_STEPS = 36
_DEFAULT_RATE = 10.0

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Swivel:
    """An animation: degrees from end to end, degrees of a step, pictures a second (8.3.5.3.9, .11, .12)."""

    range: float
    step: float
    rate: float

    @property
    def angles(self) -> list[float]:
        """Of each picture, the view that was asked for being in the middle (C.11.29)."""
        count = max(round(self.range / self.step), 1)
        return [(index - (count - 1) / 2) * self.step for index in range(count)]


@dataclass(frozen=True, slots=True)
class VolumeQuery:
    """How a volume is wanted. None: as the server does without the parameter.

    method: as Rendering Method (0070,120D). references: UIDs of series or instances, each with a frame
    number or None; the UID is empty for a frame of the target itself. keys: that each instance must match.
    stated: names of parameters that a presentation state does not leave to the request.
    """

    picture: RenderedQuery = field(default_factory=RenderedQuery)
    method: str | None = None
    orientation: str | None = None
    position: Point | None = None
    lookat: Point | None = None
    up: Point | None = None
    slab: float | None = None
    swivel: Swivel | None = None
    references: tuple[tuple[str, int | None], ...] = ()
    keys: tuple[Key, ...] = ()
    metadata_only: bool = False
    stated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_volume(query: bytes, reformat: Reformat) -> VolumeQuery:
    """The parameters of a rendered volume. query: raw, percent-encoded. Raises InvalidRequest."""
    values = parameters(query, (*_ANIMATION, *_VIEWPOINT, *_OTHERS))
    _refuse_exclusions(values, reformat)
    picture = parse_rendered(query)
    references, (keys, warnings) = _references(query), _keys(query)
    if references and keys:
        raise InvalidRequest("The parameter volumeinputreference excludes matching by attributes.")
    return VolumeQuery(
        picture=picture,
        method=given(values, "renderingmethod", _method),
        orientation=given(values, "orientation", _orientation),
        position=given(values, "viewpointposition", lambda text: _point("viewpointposition", text)),
        lookat=given(values, "viewpointlookat", lambda text: _point("viewpointlookat", text)),
        up=given(values, "viewpointup", _direction),
        slab=given(values, "mprslab", lambda text: _within("mprslab", text, _LEAST_SLAB, _FARTHEST)),
        swivel=_swivel(values),
        references=references,
        keys=keys,
        metadata_only=given(values, "renderedvolumetricmetadata", _yes) is True,
        stated=(
            *(name for name in _STATED if name in values),
            *([_REFERENCES] if references else []),
            *(["matching"] if keys else []),
        ),
        warnings=warnings,
    )


def _refuse_exclusions(values: Mapping[str, str], reformat: Reformat) -> None:
    asked = set(values)
    if "orientation" in asked and not asked.isdisjoint(_VIEWPOINT):
        raise InvalidRequest("The parameter orientation excludes those of the viewpoint.")
    if "mprslab" in asked and reformat is not Reformat.MPR:
        raise InvalidRequest("The parameter mprslab belongs to renderedmpr only.")
    if "volumetriccurvepoint" in asked:
        raise InvalidRequest("Animations along a curve are not made here.", hint="Use swivelrange.")
    if "swivelrange" not in asked and not asked.isdisjoint(_ANIMATION):
        raise InvalidRequest("The parameters animationstepsize and animationrate need swivelrange.")


# --- single values ---------------------------------------------------------------------------------


def _method(text: str) -> str:
    if text not in METHODS:
        raise InvalidRequest(f"The parameter renderingmethod must be one of: {', '.join(METHODS)}.")
    return text.upper()


def _orientation(text: str) -> str:
    if text not in ORIENTATIONS:
        raise InvalidRequest(f"The parameter orientation must be one of: {', '.join(ORIENTATIONS)}.")
    return text


def _yes(text: str) -> bool:
    if text != "yes":
        raise InvalidRequest("The parameter renderedvolumetricmetadata must be yes.")
    return True


def _point(name: str, text: str) -> Point:
    values = [value.strip(" ") for value in text.split(",")]
    if len(values) != 3:
        raise InvalidRequest(f"The parameter {name} must be three numbers with commas between.")
    x, y, z = (parse_number(name, value) for value in values)
    if max(abs(x), abs(y), abs(z)) > _FARTHEST:
        raise InvalidRequest(f"The parameter {name} lies too far away.")
    return x, y, z


def _direction(text: str) -> Point:
    direction = _point("viewpointup", text)
    if max(map(abs, direction)) < 1e-6:
        raise InvalidRequest("The parameter viewpointup gives no direction.")
    return direction


def _within(name: str, text: str, least: float, most: float) -> float:
    number = parse_number(name, text)
    if not least <= number <= most:
        raise InvalidRequest(f"The parameter {name} must be from {least:g} to {most:g}.")
    return number


def _swivel(values: Mapping[str, str]) -> Swivel | None:
    if "swivelrange" not in values:
        return None
    whole = _within("swivelrange", values["swivelrange"], 0.1, 360.0)
    step = max(whole / _DEFAULT_STEPS, 1.0)
    if "animationstepsize" in values:
        step = _within("animationstepsize", values["animationstepsize"], 0.01, 360.0)
    rate = _DEFAULT_RATE
    if "animationrate" in values:
        rate = _within("animationrate", values["animationrate"], *_RATES)
    if whole / step > MOST_STEPS + 0.5:
        raise InvalidRequest(f"The animation would have more than {MOST_STEPS} pictures: take larger steps.")
    return Swivel(whole, step, rate)


# --- what the volume is made of --------------------------------------------------------------------


def _references(query: bytes) -> tuple[tuple[str, int | None], ...]:
    """UIDs, each with the numbers of frames that follow it; the parameter may be repeated."""
    found: list[tuple[str, int | None]] = []
    for text in _all_values(query, _REFERENCES):
        uid = ""
        for value in text.split(","):
            value = value.strip(" \0")
            if _FRAME_NUMBER.fullmatch(value):
                if found and found[-1] == (uid, None) and uid:
                    found.pop()
                found.append((uid, int(value)))
            elif "." in value and is_uid(value, strict=False):
                uid = value
                found.append((uid, None))
            else:
                raise InvalidRequest(
                    "The parameter volumeinputreference must be a UID, which frame numbers may follow."
                )
            if len(found) > _MOST_REFERENCES:
                raise InvalidRequest(f"A volume has at most {_MOST_REFERENCES} input references.")
    return tuple(dict.fromkeys(found))


def _all_values(query: bytes, wanted: str) -> list[str]:
    found = []
    for pair in query.split(b"&"):
        raw_name, _, raw_value = pair.partition(b"=")
        if _name(raw_name) == wanted:
            found.append(decode(raw_value))
    return found


def _name(raw: bytes) -> str:
    """Empty for one that cannot be read, which is not known then."""
    try:
        return decode(raw).strip(" \0")
    except InvalidRequest:
        return ""


def _keys(query: bytes) -> tuple[tuple[Key, ...], tuple[str, ...]]:
    """Matching keys, and what is ignored (8.3.4.1)."""
    named = ((_name(pair.partition(b"=")[0]), pair) for pair in query.split(b"&"))
    search = parse_search(
        b"&".join(pair for name, pair in named if name and name not in NAMES), Level.INSTANCE
    )
    return search.keys, search.warnings
