"""An icon for any kind of object: what a thumbnail shows when there is no picture (R-20).

It is drawn from the SOP class and the modality alone, so it can hold nothing of the patient.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dicomweb.documents.drawing import Drawing, Label, Path, ellipse, points, rectangle
from dicomweb.documents.values import uid_name

_SIDE = 128.0
_BACKGROUND, _LINE = "#20242b", "#dfe5ee"
_LINE_WIDTH = 3.0
_LONGEST_UID = 64
# What a coded string may look like to be shown (PS3.5 6.2); longer ones would not fit.
_MODALITY = re.compile(r"[A-Z][A-Z0-9]{1,7}")

_Shapes = list[Path]


def icon(sop_class_uid: str, modality: str = "") -> Drawing:
    """The icon of an object of this SOP class and Modality."""
    kind = _kind_of(sop_class_uid) or _BY_MODALITY.get(modality) or _OTHER
    letters = modality if _MODALITY.fullmatch(modality) else kind.letters
    caption = Label(_SIDE / 2, 116, letters, 24 if len(letters) < 7 else 17, _LINE, "middle", bold=True)
    return Drawing(_SIDE, _SIDE, [*kind.draw(kind.colour), caption], _BACKGROUND, title=letters)


@dataclass(frozen=True, slots=True)
class _Kind:
    """letters: shown where the object has no Modality. colour: of what is special in the drawing."""

    letters: str
    colour: str
    draw: Callable[[str], _Shapes]


def _line(*corners: tuple[float, float], colour: str = _LINE, width: float = _LINE_WIDTH) -> Path:
    return Path([points(corners)], colour, width)


def _sheet() -> Path:
    """A sheet of paper with a folded corner."""
    outline = points([(36, 10), (76, 10), (92, 26), (92, 90), (36, 90)])
    return Path([outline], _LINE, _LINE_WIDTH, closed=True)


def _fold() -> Path:
    return _line((76, 10), (76, 26), (92, 26))


def _text(colour: str) -> _Shapes:
    lines = [points([(46, y), (x, y)]) for y, x in ((40, 82), (52, 78), (64, 82), (76, 66))]
    return [_sheet(), _fold(), _line((46, 26), (64, 26), colour=colour, width=5), Path(lines, _LINE, 2.5)]


def _measurements(colour: str) -> _Shapes:
    bars = [rectangle(46 + 13 * n, 78 - high, 8, high) for n, high in enumerate((18, 34, 26))]
    return [_sheet(), _fold(), Path(bars, fill=colour, closed=True)]


def _key(colour: str) -> _Shapes:
    angle = np.arange(10) * np.pi / 5 - np.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, 36.0, 15.0)
    star = np.column_stack([64 + reach * np.cos(angle), 52 + reach * np.sin(angle)])
    return [Path([star], colour, _LINE_WIDTH, closed=True, fill=colour)]


def _wave(colour: str) -> _Shapes:
    beat = [(14, 56), (34, 56), (40, 48), (46, 56), (52, 56), (57, 64), (64, 14), (71, 86), (76, 56)]
    trace = [*beat, (86, 56), (93, 44), (101, 56), (114, 56)]
    return [_line(*trace, colour=colour, width=4)]


def _sound(colour: str) -> _Shapes:
    bars = [points([(24 + 10 * n, 52 - high), (24 + 10 * n, 52 + high)]) for n, high in enumerate(_LOUDNESS)]
    return [Path(bars, colour, 5)]


_LOUDNESS = (6, 16, 30, 20, 38, 26, 34, 14, 6)


def _curves(colour: str) -> _Shapes:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    wobble = 1 + 0.16 * np.cos(3 * angle + 0.6)
    rings = [
        np.column_stack([64 + 1.1 * r * wobble * np.cos(angle), 52 + r * wobble * np.sin(angle)])
        for r in (34, 22, 10)
    ]
    return [
        Path(rings[:1], _LINE, _LINE_WIDTH, closed=True),
        Path(rings[1:], colour, _LINE_WIDTH, closed=True),
    ]


def _area(colour: str) -> _Shapes:
    outer, inner = _curves(colour)
    return [outer, Path(inner.strokes[:1], colour, 2, closed=True, fill=colour, opacity=0.75)]


def _beams(colour: str) -> _Shapes:
    cross = [points([(64, 12), (64, 92)]), points([(24, 52), (104, 52)])]
    return [
        Path([ellipse(64, 52, 30, 30)], _LINE, _LINE_WIDTH, closed=True),
        Path(cross, _LINE, 2),
        Path([ellipse(64, 52, 11, 11)], colour, 2, closed=True, fill=colour),
    ]


def _dose(colour: str) -> _Shapes:
    return [
        Path([ellipse(64, 52, reach * 1.15, reach)], colour, 2, closed=True, fill=colour, opacity=opacity)
        for reach, opacity in ((38, 0.15), (27, 0.35), (15, 0.8))
    ]


def _sliders(colour: str) -> _Shapes:
    tracks = [points([(24, y), (104, y)]) for y in (26, 52, 78)]
    knobs = [ellipse(x, y, 9, 9) for x, y in ((48, 26), (84, 52), (60, 78))]
    return [Path(tracks, _LINE, _LINE_WIDTH), Path(knobs, colour, 2, closed=True, fill=colour)]


def _overlap(colour: str) -> _Shapes:
    turned = points([(62, 24), (104, 40), (88, 82), (46, 66)])
    return [
        Path([rectangle(26, 18, 50, 50)], _LINE, _LINE_WIDTH, closed=True),
        Path([turned], colour, _LINE_WIDTH, closed=True, fill=colour, opacity=0.35),
    ]


def _solid(colour: str) -> _Shapes:
    top = points([(64, 10), (102, 30), (64, 50), (26, 30)])
    left = points([(26, 30), (64, 50), (64, 94), (26, 74)])
    right = points([(102, 30), (64, 50), (64, 94), (102, 74)])
    return [
        Path([top], _LINE, 2, closed=True, fill=colour, opacity=0.9),
        Path([left], _LINE, 2, closed=True, fill=colour, opacity=0.55),
        Path([right], _LINE, 2, closed=True, fill=colour, opacity=0.3),
    ]


def _image(colour: str) -> _Shapes:
    hills = points([(22, 82), (48, 46), (64, 66), (78, 54), (106, 82)])
    return [
        Path([rectangle(18, 16, 92, 70)], _LINE, _LINE_WIDTH, closed=True),
        Path([hills], colour, 2, closed=True, fill=colour, opacity=0.8),
        Path([ellipse(86, 34, 8, 8)], _LINE, 2, closed=True, fill=_LINE),
    ]


def _spectrum(colour: str) -> _Shapes:
    x = np.linspace(20, 108, 120)
    peaks = ((36, 26, 2.5), (56, 60, 2.0), (66, 34, 2.0), (90, 46, 2.5))
    y = 84 - sum(high / (1 + ((x - at) / wide) ** 2) for at, high, wide in peaks)
    return [Path([np.column_stack([x, y])], colour, _LINE_WIDTH), _line((18, 90), (110, 90))]


def _data(colour: str) -> _Shapes:
    rims = [ellipse(64, y, 34, 11) for y in (24, 46, 68)]
    sides = [points([(x, 24), (x, 80)]) for x in (30, 98)]
    return [
        Path(sides, _LINE, _LINE_WIDTH),
        Path([ellipse(64, 80, 34, 11)], _LINE, _LINE_WIDTH, closed=True),
        Path(rims[1:], _LINE, 1.5, closed=True),
        Path(rims[:1], _LINE, 2, closed=True, fill=colour),
    ]


def _palette(colour: str) -> _Shapes:
    steps = np.linspace(0.15, 1, 8)
    return [
        Path([rectangle(20 + 11 * n, 30, 11, 44)], fill=colour, closed=True, opacity=float(step))
        for n, step in enumerate(steps)
    ] + [Path([rectangle(20, 30, 88, 44)], _LINE, _LINE_WIDTH, closed=True)]


_BLUE, _GREEN, _AMBER, _RED, _VIOLET = "#5aa9ff", "#58d68d", "#f5c04e", "#ff7b72", "#c792ea"

_OTHER = _Kind("DICOM", _BLUE, _data)
_TEXT = _Kind("SR", _BLUE, _text)
_FIGURES = _Kind("SR", _BLUE, _measurements)
_PICTURE = _Kind("IMG", _BLUE, _image)
_PLAN = _Kind("PLAN", _RED, _beams)
_WAVE = _Kind("WAVE", _GREEN, _wave)
_SOUND = _Kind("AU", _GREEN, _sound)
_STATE = _Kind("PR", _VIOLET, _sliders)
_SOLID = _Kind("M3D", _VIOLET, _solid)
_AREA = _Kind("SEG", _GREEN, _area)
_LINES = _Kind("RTSTRUCT", _GREEN, _curves)
_DOSE = _Kind("RTDOSE", _RED, _dose)
_REGISTERED = _Kind("REG", _AMBER, _overlap)
_SPECTRUM = _Kind("MRS", _GREEN, _spectrum)
_DOCUMENT = _Kind("DOC", _RED, _text)
_KEY = _Kind("KO", _AMBER, _key)
_COLOURS = _Kind("LUT", _VIOLET, _palette)

_STORAGE = "1.2.840.10008.5.1.4.1.1"
# By SOP class or what its UID begins with, component by component (PS3.4 B.5, PS3.6 annex A); the longest
# one decides. Images have names that say so.
_KINDS: dict[str, _Kind] = {
    f"{_STORAGE}.{end}": kind
    for kind, ends in (
        (_KEY, ("88.59",)),
        (_FIGURES, ("67", "78", "79", "80", "90", *(f"88.{end}" for end in (50, 65, *range(67, 78))))),
        (_TEXT, ("88", "200", "501.3")),
        (_SOLID, ("104.3", "104.4", "104.5", "68")),
        (_DOCUMENT, ("104", "78.6", "79.1")),
        (_SOUND, ("9.4",)),
        (_WAVE, ("9", "129")),
        (_STATE, ("11", "131")),
        (_LINES, ("481.3",)),
        (_DOSE, ("481.2",)),
        (_PLAN, ("481",)),
        (_PICTURE, ("481.1", "481.23", "481.24", "30", "81", "82", "77.1.5.8")),
        (_REGISTERED, ("66.1", "66.2", "66.3", "66.6")),
        (_AREA, ("66.4", "66.5", "66.7", "66.8", "91", "481.11")),
        (_SPECTRUM, ("4.2",)),
    )
    for end in ends
} | {"1.2.840.10008.5.1.4.39": _COLOURS, "1.2.840.10008.5.1.4.34": _PLAN, "1.2.840.10008.5.1.4.38": _STATE}


def _kind_of(sop_class_uid: str) -> _Kind | None:
    if "Image" in uid_name(sop_class_uid):
        return _KINDS.get(sop_class_uid, _PICTURE)
    beginning = sop_class_uid[:_LONGEST_UID]
    while beginning:
        if beginning in _KINDS:
            return _KINDS[beginning]
        beginning = beginning.rpartition(".")[0]
    return None


_BY_MODALITY = {
    "SR": _TEXT,
    "DOC": _DOCUMENT,
    "KO": _KEY,
    "PR": _STATE,
    "ECG": _WAVE,
    "HD": _WAVE,
    "EPS": _WAVE,
    "EEG": _WAVE,
    "AU": _SOUND,
    "RTPLAN": _PLAN,
    "RTSTRUCT": _LINES,
    "RTDOSE": _DOSE,
    "SEG": _AREA,
    "REG": _REGISTERED,
    "M3D": _SOLID,
}
