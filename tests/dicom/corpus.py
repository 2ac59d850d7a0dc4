"""Files to hold our reading and writing against pydicom's: the shared data and pydicom's own."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

# Words that pydicom keeps as bytes, in the byte order of the file.
_BYTE_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


# UN is little endian inside big endian too (PS3.5 6.2.2); pydicom turns what its dictionary knows.
UNKNOWN_IN_BIG_ENDIAN = "cornerstone3D__CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm"
CORPORA = ("pydicom", "shared")


def paths(corpus: str, request: pytest.FixtureRequest) -> list[Path]:
    """DICOM files of the pydicom wheel, or of the shared data outside `broken` (skips without it)."""
    if corpus == "pydicom":
        return sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm"))
    data_dir: Path = request.getfixturevalue("data_dir")
    return [path for path in sorted(data_dir.rglob("*")) if path.is_file() and _is_sample(path, data_dir)]


def _is_sample(path: Path, data_dir: Path) -> bool:
    inside = path.relative_to(data_dir).parts
    return len(inside) > 1 and inside[0] != "broken" and path.suffix != ".gz"


def read(source: Path | bytes) -> Dataset:
    """pydicom's reading, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(BytesIO(source) if isinstance(source, bytes) else source, force=True)


def as_explicit_file(dataset: bytes) -> bytes:
    """A data set in Explicit VR Little Endian as a file that pydicom reads."""
    uid = b"1.2.840.10008.1.2.1\0"
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(element))
    return bytes(128) + b"DICM" + length + element + dataset


def differences(one: Dataset, other: Dataset, *, little: bool = True, where: str = "") -> list[str]:
    """Where two data sets differ in tags, VRs or values; padding, group lengths and group 2 aside.

    little: byte order of the word strings of `one`; those of `other` are little endian.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(_differences(one, other, little, where))


def _differences(one: Dataset, other: Dataset, little: bool, where: str) -> Iterator[str]:
    left, right = ({tag for tag in ds.keys() if _counts(tag)} for ds in (one, other))  # noqa: SIM118
    for tag in sorted(left ^ right):
        yield f"{where}{tag} is only in {'the first' if tag in left else 'the second'}"
    bits = one.get("BitsAllocated") or 16
    for tag in sorted(left & right):
        a, b = one[tag], other[tag]
        if a.VR == "SQ" and b.VR == "SQ":
            if len(a.value) != len(b.value):
                yield f"{where}{tag} has {len(a.value)} and {len(b.value)} items"
            for index, (x, y) in enumerate(zip(a.value, b.value, strict=False)):
                yield from _differences(x, y, little, f"{where}{tag}/{index}/")
        elif not _same(a, b, little, bits):
            yield f"{where}{tag} {a.VR} {b.VR} differs"


def _counts(tag: Any) -> bool:
    return bool(tag.element != 0 and tag.group >= 8)


def _same(a: DataElement, b: DataElement, little: bool, bits: int) -> bool:
    x, y = a.value, b.value
    if isinstance(x, bytes) and isinstance(y, bytes):
        word = _BYTE_WORDS.get(b.VR, 1)
        if a.tag == 0x7FE00010 and b.VR == "OW":
            word = max(bits // 8, 2)
        return _even(x if little else turned(x, word)) == _even(y)
    return a.VR == b.VR and (x == y or _unpadded(x) == _unpadded(y))


def _unpadded(value: Any) -> list[str]:
    """Values as text, each without the padding that has no meaning; none and empty are the same."""
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    return ["" if one is None else str(one).strip() for one in values]


def turned(data: bytes, word: int) -> bytes:
    """Words of big endian, one by one: slow and obvious."""
    return b"".join(data[i : i + word][::-1] for i in range(0, len(data), word)) if word > 1 else data


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)
