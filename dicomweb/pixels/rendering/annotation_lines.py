"""Text about patient and technique, chosen from metadata (PS3.18 8.3.5.1.1). Needs no fonts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

LONGEST_LINE = 120

Attributes = Mapping[str, Any]


def annotation_lines(attributes: Attributes, keyword: str) -> tuple[str, ...]:
    """Lines for one value of the annotation parameter, in lower case; empty for one that is not supported.

    attributes: DICOM JSON of the instance.
    """
    chooser = _CHOOSERS.get(keyword)
    return () if chooser is None else tuple(line[:LONGEST_LINE] for line in chooser(attributes) if line)


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
