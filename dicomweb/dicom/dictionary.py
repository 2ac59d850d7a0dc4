"""The data dictionary: VR and keyword of tags, standard and private (PS3.6, PS3.5 7.8).

The tables are pydicom's. They are plain data in files of their own and are loaded as such: importing the
package around them takes 200 ms and numpy, in every process, for code that is not used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

# Fits every tag of the private dictionary that is met in practice; bounds what hostile input can fill.
_PRIVATE_CACHE_SIZE = 20_000


def _table(name: str) -> ModuleType:
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        raise ImportError("pydicom is not installed")
    path = Path(package.origin).with_name(f"{name}.py")
    loader = SourceFileLoader(f"dicomweb.dicom.{name}", str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


_DICOM = _table("_dicom_dict")

_FIRST_OF_DATA_SETS = 0x00080000
# Tag -> VR as PS3.6 writes it, so also 'US or SS', 'OB or OW', 'US or OW', 'US or SS or OW'.
# VR_OF_TAG has what data sets hold; commands, file meta information and directories come below group 8.
_VR: dict[int, str] = {tag: entry[0] for tag, entry in _DICOM.DicomDictionary.items() if entry[0] != "NONE"}
VR_OF_TAG = {tag: vr for tag, vr in _VR.items() if tag >= _FIRST_OF_DATA_SETS}

_KEYWORDS: dict[int, str] = {tag: entry[4] for tag, entry in _DICOM.DicomDictionary.items() if entry[4]}
_TAGS: dict[str, int] = {keyword: tag for tag, keyword in _KEYWORDS.items()}


def _repeaters() -> list[tuple[int, int, str, str]]:
    """Repeating groups and elements (50xx, 60xx, ...): mask, tag under the mask, VR, keyword."""
    found = []
    for pattern, entry in _DICOM.RepeatersDictionary.items():
        mask = int("".join("0" if digit == "x" else "F" for digit in pattern), 16)
        found.append((mask, int(pattern.replace("x", "0"), 16), entry[0], entry[4]))
    return found


_REPEATERS = _repeaters()
_REPEATER_GROUPS = frozenset({0x0020, 0x0028, 0x1000, 0x1010})


def _may_repeat(group: int) -> bool:
    high = group >> 8
    return group & 1 == 0 and (high in (0x50, 0x60, 0x7F) or group in _REPEATER_GROUPS)


def vr_of(tag: int) -> str:
    """The VR of a standard tag as PS3.6 writes it, empty when it is unknown or private."""
    vr = _VR.get(tag)
    if vr is not None:
        return vr
    if tag & 0xFFFF == 0:
        return "UL"  # group lengths
    if _may_repeat(tag >> 16):
        for mask, masked, repeated, _ in _REPEATERS:
            if tag & mask == masked:
                return repeated
    return ""


def keyword_of(tag: int) -> str:
    """The keyword of a standard tag, empty when it has none."""
    keyword = _KEYWORDS.get(tag)
    if keyword is not None:
        return keyword
    if _may_repeat(tag >> 16):
        for mask, masked, _, repeated in _REPEATERS:
            if tag & mask == masked:
                return repeated
    return ""


def tag_of(keyword: str) -> int | None:
    """The tag of a keyword, None when there is none (a repeating group's keyword names no single tag)."""
    return _TAGS.get(keyword)


_PIXEL_REPRESENTATION = 0x00280103
_LUT_DESCRIPTOR = 0x00283002
_WAVEFORM_BITS_ALLOCATED = 0x54001004


def resolved_vr(tag: int, vr: str, number: Callable[[int], int | None], *, explicit: bool) -> str:
    """One VR of a choice such as 'US or SS' (PS3.5 annex A, PS3.6 notes).

    number: first value of a US element of the same data set or those around it, None when absent.
    """
    if vr == "US or SS":
        return "SS" if number(_PIXEL_REPRESENTATION) == 1 else "US"
    if vr == "US or OW":
        return "US" if number(_LUT_DESCRIPTOR) == 1 else "OW"
    if vr == "OB or OW" and explicit and tag >> 16 == 0x5400:
        return "OW" if (number(_WAVEFORM_BITS_ALLOCATED) or 16) > 8 else "OB"
    return "OW"


_PrivateTable = dict[str, dict[str, tuple[str, str, str, str]]]


@cache
def _private_table() -> _PrivateTable:
    table: _PrivateTable = _table("_private_dict").private_dictionaries
    return table


_private_cache: dict[tuple[str, int], str] = {}


def private_vr_of(creator: str, tag: int) -> str:
    """The VR of a private element of this creator, empty when unknown. The block number does not matter."""
    key = (creator, tag)
    vr = _private_cache.get(key)
    if vr is None:
        vr = _find_private_vr(creator, tag)
        if len(_private_cache) < _PRIVATE_CACHE_SIZE:
            _private_cache[key] = vr
    return vr


def _find_private_vr(creator: str, tag: int) -> str:
    elements = _private_table().get(creator)
    if elements is None:
        return ""
    text = f"{tag:08X}"
    for pattern in (text, f"{text[:4]}xx{text[6:]}", f"{text[:2]}xxxx{text[6:]}"):
        entry = elements.get(pattern)
        if entry is not None:
            return entry[0].replace("_", " or ")
    return ""
