"""What the device or a reader noted about a waveform (Waveform Annotation Module, PS3.3 C.10.10)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from dicomweb.documents.attributes import Item
from dicomweb.documents.content_tree import concept, unit_symbol

_MOST_NOTES, _MOST_MEASURES, _PER_LINE = 6, 12, 6
_LONGEST_NOTE = 120
# Annotations of a long recording are one a beat.
_MOST_READ = 2_000


def waveform_notes(document: Item) -> list[str]:
    """Lines to print above the traces: statements, then measurements of the recording as a whole."""
    notes: dict[str, None] = {}
    measures: dict[str, str] = {}
    for item in islice(document.iterate("WaveformAnnotationSequence"), _MOST_READ):
        name, value = concept(item.item("ConceptNameCodeSequence")), item.number("NumericValue")
        if name and value and _concerns_all(item):
            unit = unit_symbol(item.item("MeasurementUnitsCodeSequence"))
            measures.setdefault(name, f"{name} {value:g}{' ' if unit else ''}{unit}")
        elif not item.values("NumericValue"):
            notes.update(dict.fromkeys(_statement(item)))
    shown = list(measures.values())[:_MOST_MEASURES]
    rows = [shown[start : start + _PER_LINE] for start in range(0, len(shown), _PER_LINE)]
    return [*list(notes)[:_MOST_NOTES], *("   ".join(row) for row in rows)]


def _concerns_all(item: Item) -> bool:
    """Whether it is about a whole group: channel 0 stands for all of its channels."""
    channels = item.numbers("ReferencedWaveformChannels")
    return len(channels) < 2 or channels[1] == 0


def _statement(item: Item) -> Iterator[str]:
    text = item.text("UnformattedTextValue") or concept(item.item("ConceptCodeSequence"))
    if text:
        yield " ".join(text.split())[:_LONGEST_NOTE]
