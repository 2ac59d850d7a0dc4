"""DICOM JSON written as the Native DICOM Model in XML (PS3.19 A.1, PS3.18 F.3.1).

What goes in is JSON text as the archive writes it. It is walked item by item, so that an object of tens of
thousands costs the memory of one. Numbers keep the digits that they have in the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from dicomweb.dicom.dictionary import keyword_of
from dicomweb.dicom.json_text import attributes_of, decoder, has_items, items_of
from dicomweb.dicom.private_blocks import is_creator, is_private

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_BEGIN = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">\n'
)
_END = "</NativeDicomModel>\n"
# Text of one piece, in characters.
_PIECE = 128 << 10

_ATTRIBUTE_END = "</DicomAttribute>\n"
# Numbers as text: what Python would make of them is never needed, and loses digits.
_decode = decoder(number=str)

_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

# Beside markup, a carriage return, which a reader would turn into a line feed, and what XML 1.0 cannot
# hold at all: that becomes U+FFFD, so that it is seen where something stood.
_SPECIAL = re.compile("[&<>\r\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL_IN_QUOTES = re.compile(_SPECIAL.pattern[:-1] + '"\t\n]')
_ESCAPES = {character: f"&#{ord(character)};" for character in '\r\t\n"'} | {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
}


def native_xml(attributes: Mapping[str, Any]) -> bytes:
    """The XML document of a data set. attributes: DICOM JSON; may hold orjson.Fragment."""
    return b"".join(native_xml_of(orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS)))


def native_xml_of(text: bytes) -> Iterator[bytes]:
    """The XML document of a data set, in pieces. text: its DICOM JSON as orjson writes it."""
    out = [_BEGIN]
    size = 0
    for part in _data_set(text.decode()):
        out.append(part)
        size += len(part)
        if size >= _PIECE:
            yield "".join(out).encode()
            out, size = [], 0
    out.append(_END)
    yield "".join(out).encode()


def _data_set(text: str) -> Iterator[str]:
    """The attributes of the JSON object that is the whole text."""
    creators: dict[str, str] = {}
    for tag, start, _ in attributes_of(text):
        if not has_items(text, start):
            yield _attribute(tag, _decode(text, start)[0], creators)
            continue
        yield _start(tag, "SQ", creators)
        for number, item in enumerate(items_of(text, start, _decode), 1):
            yield _item(number, item)
        yield _ATTRIBUTE_END


def _item(number: int, item: Mapping[str, Any]) -> str:
    creators: dict[str, str] = {}
    inner = "".join([_attribute(tag, element, creators) for tag, element in item.items()])
    return f'<Item number="{number}">\n{inner}</Item>\n'


def _attribute(tag: str, element: Mapping[str, Any], creators: dict[str, str]) -> str:
    """One attribute. creators: of the data set's private blocks as far as read, by group and block."""
    if tag.endswith("0000"):
        return ""  # a group length, X-04
    vr = element["vr"]
    values = element.get("Value")
    if values:
        if is_creator(tag) and isinstance(values[0], str):
            creators[tag[:4] + tag[6:]] = values[0]
        if vr == "SQ":
            body = "".join([_item(number, item or {}) for number, item in enumerate(values, 1)])
        elif vr == "PN":
            body = "".join([_person_name(number, name) for number, name in enumerate(values, 1)])
        else:
            body = "".join([_value(number, value) for number, value in enumerate(values, 1)])
    elif "BulkDataURI" in element:
        body = f'<BulkData uri="{_quoted(element["BulkDataURI"])}"/>\n'
    elif "InlineBinary" in element:
        body = f"<InlineBinary>{element['InlineBinary']}</InlineBinary>\n"
    else:
        body = ""
    return f"{_start(tag, vr, creators)}{body}{_ATTRIBUTE_END}"


def _start(tag: str, vr: str, creators: Mapping[str, str]) -> str:
    creator = creators.get(tag[:6]) if is_private(tag) and tag[4:6] != "00" else None
    if creator is None:
        return _plain_start(tag, vr)
    # The creator stands for the block, whose digits are 00.
    return f'<DicomAttribute tag="{tag[:4]}00{tag[6:]}" vr="{vr}" privateCreator="{_quoted(creator)}">\n'


@lru_cache(maxsize=8192)
def _plain_start(tag: str, vr: str) -> str:
    keyword = keyword_of(int(tag, 16))
    named = f' keyword="{keyword}"' if keyword else ""
    return f'<DicomAttribute tag="{tag}" vr="{vr}"{named}>\n'


def _value(number: int, value: str | None) -> str:
    """An empty value keeps its place (F.3.1)."""
    return f'<Value number="{number}">{_text(value or "")}</Value>\n'


def _person_name(number: int, name: Mapping[str, str] | None) -> str:
    groups = [_name_group(group, name[group]) for group in _NAME_GROUPS if group in name] if name else ()
    return f'<PersonName number="{number}">{"".join(groups)}</PersonName>\n'


def _name_group(group: str, text: str) -> str:
    """The components that hold anything, and the last one also empty, so that no delimiter is lost."""
    components = text.split("^", len(_NAME_COMPONENTS) - 1)
    last = len(components) - 1
    parts = [
        f"<{name}>{_text(component)}</{name}>"
        for index, (name, component) in enumerate(zip(_NAME_COMPONENTS, components, strict=False))
        if component or index == last
    ]
    return f"<{group}>{''.join(parts)}</{group}>"


def _text(text: str) -> str:
    return _SPECIAL.sub(_escape, text)


def _quoted(text: str) -> str:
    return _SPECIAL_IN_QUOTES.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], "\ufffd")
