"""The content tree of structured reports and key object selections as entries (PS3.3 C.17.3, C.18).

The tree is shown as it is, whatever template made it: names, values, units and codes are in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from dicomweb.documents.attributes import Item, Numbers
from dicomweb.documents.links import Links
from dicomweb.documents.page import Entry
from dicomweb.documents.values import uid_name

# Bounds of what one document may make us write; CAD reports have a few thousand items.
MOST_ITEMS = 20_000
DEEPEST_ITEM = 60
_MOST_COORDINATES = 8
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}")
# Language of Content Item and Descendants (PS3.16 TID 1204).
_LANGUAGE_CONCEPT = ("121049", "DCM")
_ASIDES = frozenset({"HAS OBS CONTEXT", "HAS ACQ CONTEXT", "HAS CONCEPT MOD"})


@dataclass(slots=True)
class Tree:
    """Walks one content tree. left: items that may still be shown."""

    links: Links
    left: int = MOST_ITEMS

    def entries(self, parent: Item, place: str = "1", depth: int = 0) -> list[Entry]:
        """The content items below `parent`; place: its number in the tree, 1 for the root."""
        children = parent.items("ContentSequence")
        if children and depth >= DEEPEST_ITEM:
            return [_LEFT_OUT]
        shown: list[Entry] = []
        for number, item in enumerate(children, 1):
            if self.left <= 0:
                return [*shown, _LEFT_OUT]
            self.left -= 1
            shown.append(self.entry(item, f"{place}.{number}", depth))
        return shown

    def entry(self, item: Item, place: str, depth: int) -> Entry:
        """One content item with all below it."""
        if item.has("ReferencedContentItemIdentifier"):
            return _reference(item)
        kind = item.code("ValueType")
        name = concept(item.item("ConceptNameCodeSequence"))
        children = self.entries(item, place, depth + 1)
        stated = _STATEMENTS.get(kind, _text)(item, self.links)
        return replace(
            stated,
            label=name or _UNNAMED.get(kind, ""),
            anchor=_anchor(place),
            heading=kind == "CONTAINER",
            aside=item.code("RelationshipType") in _ASIDES,
            language=language_of(item),
            children=[*stated.children, *children],
        )


_LEFT_OUT = Entry(value="Further content is not shown here; the metadata has all of it.")
_UNNAMED = {"CONTAINER": "Section", "IMAGE": "Image", "COMPOSITE": "Object", "WAVEFORM": "Waveform"}


def language_of(item: Item) -> str:
    """The language of an item and all below it, as RFC 5646 writes it, where the item says it."""
    for child in item.iterate("ContentSequence"):
        name = child.item("ConceptNameCodeSequence")
        if name and (name.code("CodeValue"), name.code("CodingSchemeDesignator")) == _LANGUAGE_CONCEPT:
            code = child.item("ConceptCodeSequence")
            language = code.code("CodeValue") if code else ""
            return language if _LANGUAGE.fullmatch(language) else ""
    return ""


def concept(code: Item | None) -> str:
    """What a code means, in words."""
    return "" if code is None else code.text("CodeMeaning") or code_value(code)


def code_value(code: Item) -> str:
    """The code itself, whichever attribute holds it (PS3.3 8.1)."""
    return code.text("CodeValue") or code.text("LongCodeValue") or code.text("URNCodeValue")


def code_detail(code: Item | None) -> str:
    """Code and coding scheme as small print."""
    if code is None:
        return ""
    parts = [part for part in (code_value(code), code.text("CodingSchemeDesignator")) if part]
    return f"({', '.join(parts)})" if parts else ""


def _anchor(place: str) -> str:
    return f"item-{place}"


def _reference(item: Item) -> Entry:
    """A by-reference relationship: the item is elsewhere in the same tree."""
    place = ".".join(map(str, item.counts("ReferencedContentItemIdentifier")))
    relationship = item.text("RelationshipType").capitalize()
    return Entry(relationship, f"see item {place}", target=_anchor(place))


_Statement = Callable[[Item, Links], Entry]


def _text(item: Item, _: Links) -> Entry:
    return Entry(value=item.text("TextValue"))


def _plain(keyword: str) -> _Statement:
    return lambda item, _: Entry(value=item.text(keyword))


def _code(item: Item, _: Links) -> Entry:
    code = item.item("ConceptCodeSequence")
    return Entry(value=concept(code), detail=code_detail(code))


def _number(item: Item, _: Links) -> Entry:
    measured = item.item("MeasuredValueSequence")
    qualifier = concept(item.item("NumericValueQualifierCodeSequence"))
    if measured is None:
        return Entry(value=qualifier or "no value")
    units = measured.item("MeasurementUnitsCodeSequence")
    value = " ".join(part for part in (measured.text("NumericValue"), unit_symbol(units)) if part)
    return Entry(value=value, detail=qualifier)


def unit_symbol(units: Item | None) -> str:
    """The unit as it is written behind a number: the UCUM code, else its name; nothing for plain numbers."""
    if units is None:
        return ""
    symbol = units.text("CodeValue")
    if units.code("CodingSchemeDesignator") != "UCUM":
        return units.text("CodeMeaning") or symbol
    if symbol in ("1", "{1}") or symbol.startswith("{"):
        return symbol.strip("{}1")
    return _SYMBOLS.get(symbol, symbol)


_SYMBOLS = {
    "um": "µm",
    "uV": "µV",
    "us": "µs",
    "mm2": "mm²",
    "mm3": "mm³",
    "cm2": "cm²",
    "cm3": "cm³",
    "deg": "°",
    "[hnsf'U]": "HU",
    "Cel": "°C",
    "mm[Hg]": "mmHg",
}


def _objects(item: Item, links: Links) -> Entry:
    """IMAGE, COMPOSITE and WAVEFORM: one reference, or several below each other."""
    found = [_object(reference, links) for reference in item.iterate("ReferencedSOPSequence")]
    if len(found) == 1:
        return found[0]
    return Entry(children=found)


def _object(reference: Item, links: Links) -> Entry:
    frames, segments = (reference.counts(f"Referenced{what}Number") for what in ("Frame", "Segment"))
    channels = len(reference.numbers("ReferencedWaveformChannels")) // 2
    uid = reference.code("ReferencedSOPInstanceUID")
    parts = [
        _some("frame", frames),
        _some("segment", segments),
        f"{channels} channels" if channels else "",
    ]
    kind = uid_name(reference.code("ReferencedSOPClassUID")).removesuffix(" Storage") or "Object"
    return Entry(
        value=", ".join([kind, *filter(None, parts)]),
        detail=uid,
        link=links.instance(uid, frames[0] if len(frames) == 1 else 0),
        children=[
            replace(_object(state, links), label="Presented by")
            for state in reference.items("ReferencedSOPSequence")[:1]
        ],
    )


def _some(name: str, numbers: list[int]) -> str:
    if not numbers:
        return ""
    more = ", …" if len(numbers) > _MOST_COORDINATES else ""
    return f"{name}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:_MOST_COORDINATES]))}{more}"


def _coordinates(dimensions: int) -> _Statement:
    def state(item: Item, _: Links) -> Entry:
        data = item.numbers("GraphicData")
        points = data[: len(data) // dimensions * dimensions].reshape(-1, dimensions)
        kind = item.text("GraphicType").capitalize()
        return Entry(
            value=f"{kind}, {len(points)} points" if len(points) != 1 else kind, detail=_listed(points)
        )

    return state


def _listed(points: Numbers) -> str:
    shown = "; ".join(", ".join(f"{value:.6g}" for value in point) for point in points[:_MOST_COORDINATES])
    return f"({shown}{'; …' if len(points) > _MOST_COORDINATES else ''})" if len(points) else ""


def _times(item: Item, _: Links) -> Entry:
    positions = [f"sample {text}" for text in item.texts("ReferencedSamplePositions")]
    offsets = [f"{text} s" for text in item.texts("ReferencedTimeOffsets")]
    moments = [*positions, *offsets, *item.texts("ReferencedDateTime")]
    more = ["…"] if len(moments) > _MOST_COORDINATES else []
    return Entry(
        value=item.text("TemporalRangeType").capitalize(),
        detail=", ".join([*moments[:_MOST_COORDINATES], *more]),
    )


def _container(_item: Item, _: Links) -> Entry:
    return Entry()


_STATEMENTS: dict[str, _Statement] = {
    "CONTAINER": _container,
    "TEXT": _text,
    "CODE": _code,
    "NUM": _number,
    "DATETIME": _plain("DateTime"),
    "DATE": _plain("Date"),
    "TIME": _plain("Time"),
    "PNAME": _plain("PersonName"),
    "UIDREF": _plain("UID"),
    "IMAGE": _objects,
    "COMPOSITE": _objects,
    "WAVEFORM": _objects,
    "SCOORD": _coordinates(2),
    "SCOORD3D": _coordinates(3),
    "TCOORD": _times,
}
