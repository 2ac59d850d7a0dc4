"""Every real file at hand, element by element against pydicom's JSON model.

Differences that stand, each with its reason, are in DIFFERENCES; any other one fails.
"""

from __future__ import annotations

import logging
import struct
import warnings
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomweb.dicom.json_model import little_endian
from dicomweb.dicom.part10 import scan
from dicomweb.dicom.value_representation import VALUE_REPRESENTATIONS
from dicomweb.errors import InvalidDicom
from tests.dicom.corpus import CORPORA, paths, read

Element = dict[str, Any]
Difference = Callable[[str, Element, Element], bool]
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


def charset(tag: str, ours: Element, _: Element) -> bool:
    """JSON is UTF-8, and its Specific Character Set says so (J-21); pydicom keeps the term of the file."""
    return tag == "00080005" and ours == {"vr": "CS", "Value": ["ISO_IR 192"]}


def bulkdata(_: str, ours: Element, theirs: Element) -> bool:
    """Pixel data always goes as BulkDataURI, other values by their size in bytes, texts and numbers too
    (J-17, J-18); pydicom counts base64, and binary VRs alone."""
    return "BulkDataURI" in ours or ("BulkDataURI" in theirs and "InlineBinary" in ours)


def byte_order(_: str, ours: Element, theirs: Element) -> bool:
    """Byte strings are little endian (J-10); pydicom leaves those of big-endian files as they are."""
    if ours["vr"] != "OW" or not {"InlineBinary"} <= ours.keys() & theirs.keys():
        return False
    turned = little_endian(b64decode(ours["InlineBinary"]), 2)
    return turned == b64decode(theirs["InlineBinary"])


def unknown_is_little(_: str, ours: Element, theirs: Element) -> bool:
    """What was sent as UN is little endian in every syntax (PS3.5 6.2.2); pydicom turns its numbers round."""
    number = VALUE_REPRESENTATIONS[ours["vr"]].number
    if not number or ours["vr"] != theirs["vr"] or not {"Value"} <= ours.keys() & theirs.keys():
        return False
    if not all(isinstance(value, int | float) for value in ours["Value"]):
        return False
    form = f"{len(ours['Value'])}{number}"
    return struct.pack(f"<{form}", *ours["Value"]) == struct.pack(f">{form}", *theirs["Value"])


def wide_integers(_: str, ours: Element, theirs: Element) -> bool:
    """Integers beyond 2^53 are strings (J-07)."""
    return ours["vr"] in ("SV", "UV") and ours["Value"] == [str(value) for value in theirs["Value"]]


def no_numbers(_: str, ours: Element, theirs: Element) -> bool:
    """A text that is no number stays text (J-08); pydicom refuses the element."""
    return "error" in theirs and ours["vr"] in ("IS", "DS")


def padding(_: str, ours: Element, theirs: Element) -> bool:
    """Every value loses its padding (J-12); pydicom trims the last one only."""
    return ours.get("Value") == [str(value).rstrip() for value in theirs.get("Value", ())]


def gb2312(_: str, ours: Element, theirs: Element) -> bool:
    """pydicom leaves the escape sequences of ISO 2022 IR 58 in the text."""
    return ours["vr"] == "PN" and any("\x1b$)A" in name["Ideographic"] for name in theirs["Value"])


# What may differ, each function saying why.
DIFFERENCES = (charset, bulkdata, byte_order, unknown_is_little, wide_integers, no_numbers, padding, gb2312)


@pytest.mark.parametrize("corpus", [*CORPORA, "charset"])
def test_every_file_reads_as_pydicom_reads_it(corpus: str, request: pytest.FixtureRequest) -> None:
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    found = []
    used: set[Difference] = set()
    sources = charset_files() if corpus == "charset" else paths(corpus, request)
    for path in sources:
        found += [f"{path.name}: {problem}" for problem in compare_file(path, used)]
    assert not found, "\n".join(found[:20])
    assert len(sources) > 10
    if corpus == "shared":
        assert used == set(DIFFERENCES)  # an excuse that no file needs any more goes


def charset_files() -> list[Path]:
    return sorted((Path(pydicom.__file__).parent / "data" / "charset_files").rglob("*.dcm"))


def compare_file(path: Path, used: set[Difference]) -> Iterator[str]:
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = read(path)
            whole = all(dataset.get(keyword) for keyword in _UIDS)
        except Exception:  # pydicom raises anything; some files that it cannot read, we can
            dataset, whole = None, False
        try:
            scanned = scan([data])
        except InvalidDicom as failure:
            # The two files of pydicom's that are cut off are refused for that.
            if whole and "truncated" not in path.name:
                yield f"refused: {failure.message}"
            return
        if dataset is None or not len(dataset):
            return
        ours = orjson.loads(orjson.dumps(scanned.attributes))
        yield from differing(ours, json_of(dataset), used)


def json_of(dataset: Dataset) -> dict[str, Element]:
    """pydicom's JSON, element by element, so that one it refuses does not hide the rest."""
    attributes: dict[str, Element] = {}
    for tag in dataset.keys():  # noqa: SIM118 -- a Dataset iterates over elements
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                attributes[f"{tag:08X}"] = {"vr": "SQ", "Value": [json_of(item) for item in element.value]}
            elif tag.element:
                attributes[f"{tag:08X}"] = element.to_json_dict(lambda _: "bulk", 1024)
        except Exception as error:
            attributes[f"{tag:08X}"] = {"vr": "", "error": repr(error)}
    return attributes


def differing(
    ours: dict[str, Element], theirs: dict[str, Element], used: set[Difference], where: str = ""
) -> Iterator[str]:
    for tag in sorted(ours.keys() | theirs.keys()):
        path = where + tag
        if tag not in ours:
            yield f"{path} is missing"
        elif tag not in theirs:
            if tag != "00080005":
                yield f"{path} is not pydicom's"
        elif ours[tag]["vr"] == "SQ" and theirs[tag]["vr"] == "SQ":
            a, b = ours[tag].get("Value", []), theirs[tag].get("Value", [])
            if len(a) != len(b):
                yield f"{path} has {len(a)} items, not {len(b)}"
            for index, (one, other) in enumerate(zip(a, b, strict=False)):
                yield from differing(one, other, used, f"{path}/{index}/")
        elif not same(ours[tag], theirs[tag]):
            reason = explained(tag, ours[tag], theirs[tag])
            if reason is None:
                yield f"{path} {str(ours[tag])[:80]} is {str(theirs[tag])[:80]}"
            else:
                used.add(reason)


def explained(tag: str, ours: Element, theirs: Element) -> Difference | None:
    return next((holds for holds in DIFFERENCES if holds(tag, ours, theirs)), None)


def same(ours: Element, theirs: Element) -> bool:
    """Equal, numbers as numbers; values that are empty in one form or another are alike."""
    if ours["vr"] != theirs["vr"] or ("InlineBinary" in ours) != ("InlineBinary" in theirs):
        return False
    if "InlineBinary" in ours or "BulkDataURI" in ours or "BulkDataURI" in theirs:
        return ours == theirs
    a, b = ours.get("Value") or [], theirs.get("Value") or []
    if not any(map(full, a)) and not any(map(full, b)):
        return True
    return len(a) == len(b) and all(alike(one, other) for one, other in zip(a, b, strict=True))


def full(value: Any) -> bool:
    return value is not None and value not in ("", {})


def alike(one: Any, other: Any) -> bool:
    if not full(one) or not full(other):
        return full(one) == full(other)
    if isinstance(one, dict):
        return bool(trimmed(one) == trimmed(other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    return bool(one == other)


def trimmed(name: dict[str, str]) -> dict[str, str]:
    return {group: text.rstrip() for group, text in name.items() if text.strip()}
