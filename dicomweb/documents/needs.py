"""Which bulk values a job needs: what the metadata gives by BulkDataURI and a document shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

# Bounds of one document: values, and bytes of each.
_MOST_VALUES = 256
_MOST_TEXT = 256 << 10
_MOST_SAMPLES = 16 << 20
_MOST_CONTOUR = 1 << 20
_DEEPEST = 64

_CONTENT, _TEXT_VALUE = "0040A730", "0040A160"
_WAVEFORMS, _WAVEFORM_DATA = "54000100", "54001010"
_ROI_CONTOURS, _CONTOURS, _CONTOUR_DATA = "30060039", "30060040", "30060050"


class BulkNeed(NamedTuple):
    """A bulk value by its path, as BulkDataURI has it. most_bytes: the first ones; the rest is not drawn."""

    path: str
    most_bytes: int


def bulk_needs(job: str, attributes: Mapping[str, Any]) -> tuple[BulkNeed, ...]:
    """What a job needs beside the metadata, in the order in which its buffers take them."""
    search = _SEARCHES.get(job)
    return tuple(islice(search(attributes), _MOST_VALUES)) if search else ()


def _items(attributes: Mapping[str, Any], tag: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Items of a sequence with what their paths begin with."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    for index, item in enumerate(values if isinstance(values, list) else ()):
        if isinstance(item, dict):
            yield f"{tag}/{index}/", item


def _given_apart(item: Mapping[str, Any], tag: str) -> bool:
    element = item.get(tag)
    return isinstance(element, dict) and "BulkDataURI" in element


def _texts(attributes: Mapping[str, Any], path: str = "", depth: int = 0) -> Iterator[BulkNeed]:
    if _given_apart(attributes, _TEXT_VALUE):
        yield BulkNeed(path + _TEXT_VALUE, _MOST_TEXT)
    if depth < _DEEPEST:
        for place, item in _items(attributes, _CONTENT):
            yield from _texts(item, path + place, depth + 1)


def _samples(attributes: Mapping[str, Any]) -> Iterator[BulkNeed]:
    for place, item in _items(attributes, _WAVEFORMS):
        if _given_apart(item, _WAVEFORM_DATA):
            yield BulkNeed(place + _WAVEFORM_DATA, _MOST_SAMPLES)


def _contour_points(attributes: Mapping[str, Any]) -> Iterator[BulkNeed]:
    for place, structure in _items(attributes, _ROI_CONTOURS):
        for inner, contour in _items(structure, _CONTOURS):
            if _given_apart(contour, _CONTOUR_DATA):
                yield BulkNeed(place + inner + _CONTOUR_DATA, _MOST_CONTOUR)


_SEARCHES: dict[str, Callable[[Mapping[str, Any]], Iterator[BulkNeed]]] = {
    "report": _texts,
    "waveform": _samples,
    "contours": _contour_points,
}
