"""Objects for the tests of documents, as DICOM JSON in bytes, the way a job gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from pydicom.dataset import Dataset

from dicomweb.dicom.part10 import scan
from dicomweb.documents.attributes import Item
from tests.builders import BASIC_TEXT_SR, make_dataset, write_instance

_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content(value_type: str, name: str = "", *children: Dataset, **attributes: Any) -> Dataset:
    """A content item (PS3.3 C.17.3)."""
    item = Dataset()
    item.RelationshipType = attributes.pop("relationship", "CONTAINS")
    item.ValueType = value_type
    if name:
        item.ConceptNameCodeSequence = [code("1", "99TEST", name)]
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    if children:
        item.ContentSequence = list(children)
    return item


def report(*children: Dataset, **attributes: Any) -> bytes:
    """A structured report with these content items."""
    return as_json(
        make_dataset(
            sop_class_uid=BASIC_TEXT_SR,
            with_pixels=False,
            attributes={
                "Modality": "SR",
                "ConceptNameCodeSequence": [code("18748-4", "LN", "Diagnostic Imaging Report")],
                "ContentSequence": list(children),
                **attributes,
            },
        )
    )


def as_json(dataset: Dataset) -> bytes:
    """The metadata of an object as the archive stores it."""
    return orjson.dumps(scan([write_instance(dataset, _EXPLICIT_LITTLE)]).attributes)


def scanned(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Metadata and bulk values, by path, of a Part 10 file."""
    inflated: list[bytes] = []
    found = scan([data], on_inflated=inflated.append)
    indexed = b"".join(inflated) or data
    bulk = {value.path: indexed[value.offset :][: value.length] for value in found.bulkdata}
    return orjson.dumps(found.attributes), bulk


def item(attributes: dict[str, Any], bulk: dict[str, bytes] | None = None) -> Item:
    """A data set in DICOM JSON."""
    return Item(attributes, bulk=bulk or {})


def sequence(*items: dict[str, Any]) -> dict[str, Any]:
    """An SQ attribute in DICOM JSON."""
    return {"vr": "SQ", "Value": list(items)}


def of(vr: str, *values: Any) -> dict[str, Any]:
    """An attribute in DICOM JSON."""
    return {"vr": vr, "Value": list(values)}


def lines(text: bytes) -> Sequence[str]:
    """Plain text without the margins of its lines."""
    return [line.strip() for line in text.decode().splitlines()]
