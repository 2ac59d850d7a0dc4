"""Text about patient and technique: chosen from metadata, and burned into pictures (PS3.18 8.3.5.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw

from dicomweb.pixels.lettering import Font, lettered

Attributes = Mapping[str, Any]

_LONGEST_LINE = 120
_MOST_LINES = 24
# Of the picture's height; a line must be readable, and several fit.
_LINE_SHARE = 1 / 32
_SMALLEST_FONT, _LARGEST_FONT = 10, 48


def annotation_lines(attributes: Attributes, keyword: str) -> tuple[str, ...]:
    """Lines for one value of the annotation parameter, in lower case; empty for one that is not supported.

    attributes: DICOM JSON of the instance.
    """
    chooser = _CHOOSERS.get(keyword)
    return () if chooser is None else tuple(line[:_LONGEST_LINE] for line in chooser(attributes) if line)


def _text(attributes: Attributes, tag: str) -> str:
    """All values of an attribute as one text."""
    values = attributes.get(tag, {}).get("Value")
    return (
        "/".join(_words(value) for value in values if value is not None) if isinstance(values, list) else ""
    )


def _words(value: Any) -> str:
    """One value; of a name the Latin letters, which every font has, as a reader writes it."""
    if not isinstance(value, Mapping):
        return str(value)
    family, *given = str(next(iter(value.values()), "")).split("^")
    return ", ".join(part for part in (family, " ".join(filter(None, given))) if part)


def _patient(attributes: Attributes) -> Iterable[str]:
    yield _text(attributes, "00100010")
    yield _labelled(attributes, (("ID", "00100020", ""),))
    yield _labelled(attributes, (("born", "00100030", ""), ("", "00100040", "")))


# Label, tag, unit: what is absent is left out.
_TECHNIQUE: tuple[tuple[tuple[str, str, str], ...], ...] = (
    (("", "00080060", ""), ("", "0008103E", "")),
    (("", "00080020", ""), ("", "00080030", "")),
    (("Series", "00200011", ""), ("Image", "00200013", "")),
    (("", "00180060", " kV"), ("", "00181151", " mA"), ("", "00181152", " mAs"), ("", "00181150", " ms")),
    (("TR", "00180080", " ms"), ("TE", "00180081", " ms"), ("TI", "00180082", " ms"), ("", "00181314", "°")),
    (("Slice", "00180050", " mm"), ("at", "00201041", " mm")),
    (("W", "00281051", ""), ("L", "00281050", "")),
)


def _technique(attributes: Attributes) -> Iterable[str]:
    for parts in _TECHNIQUE:
        yield _labelled(attributes, parts)


def _labelled(attributes: Attributes, parts: Sequence[tuple[str, str, str]]) -> str:
    found = ((label, _text(attributes, tag), unit) for label, tag, unit in parts)
    return "  ".join(f"{label} {text}{unit}".strip() for label, text, unit in found if text)


_CHOOSERS: dict[str, Callable[[Attributes], Iterable[str]]] = {"patient": _patient, "technique": _technique}
KEYWORDS = frozenset(_CHOOSERS)
"""Values of the annotation parameter that are supported, in lower case."""


def burn_in(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """The picture with lines of text in its top left corner, white with a dark edge."""
    lines = ["".join(filter(str.isprintable, line))[:_LONGEST_LINE] for line in lines[:_MOST_LINES]]
    if not lines:
        return picture
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    size, texts = _fitting(draw, lines, picture.width, picture.height)
    white, black = (255, 0) if picture.mode == "L" else ((255,) * 3, (0,) * 3)
    step = round(size * 1.2)
    for number, (line, font) in enumerate(texts):
        place = (step // 2, step // 2 + number * step)
        draw.text(place, line, fill=white, font=font, stroke_width=max(step // 12, 1), stroke_fill=black)
    return picture


def _fitting(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], width: int, height: int
) -> tuple[float, list[tuple[str, Font]]]:
    """Size and fonts in proportion to the picture, smaller where a line would not fit its width."""
    size = min(max(height * _LINE_SHARE, _SMALLEST_FONT), _LARGEST_FONT)
    texts = [lettered(line, size) for line in lines]
    longest = max(draw.textlength(line, font=font) for line, font in texts)
    if longest > 0.95 * width:
        size = max(size * 0.95 * width / longest, _SMALLEST_FONT)
        texts = [lettered(line, size) for line in lines]
    return size, texts
