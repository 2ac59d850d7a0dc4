"""One value as a person reads it: dates, times, names, UIDs (PS3.5 6.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

# Longest text of one value that is shown: a report of this size is read by no one.
_LONGEST_TEXT = 200_000
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d+)?")
_DATE_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\.\d+)?([+-]\d{4})?")
_AGE = re.compile(r"(\d{3})([DWMY])")
_AGE_UNITS = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}
# Control characters have no look; C1 ones and the marks that turn writing round could forge what is read.
_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]")


def readable(vr: str, value: Any) -> str:
    """One value of an attribute of this VR as text."""
    if isinstance(value, dict):
        return person_name(value)
    text = cleaned(str(value))
    form = _FORMS.get(vr)
    return form(text) if form else text


def cleaned(text: str) -> str:
    """Text without characters that have no look, its lines as \\n, within a bound."""
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + "…"
    return _UNREADABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"))


def unpadded(text: str) -> str:
    """Text of a value field without its padding."""
    return cleaned(text.rstrip(" \0"))


def person_name(groups: dict[str, Any]) -> str:
    """A PN value: `Family, Given Middle, Prefix, Suffix`, other writings of it in brackets."""
    written = [_name_group(groups.get(name)) for name in ("Alphabetic", "Ideographic", "Phonetic")]
    shown = [text for text in written if text]
    return f"{shown[0]} ({', '.join(shown[1:])})" if len(shown) > 1 else "".join(shown)


def _name_group(group: Any) -> str:
    if not isinstance(group, str):
        return ""
    family, given, middle, prefix, suffix = [*cleaned(group).split("^"), "", "", "", "", ""][:5]
    parts = (family, f"{given} {middle}", prefix, suffix)
    return ", ".join(part.strip() for part in parts if part.strip())


def _date(text: str) -> str:
    found = _DATE.fullmatch(text.strip())
    return "-".join(found.groups()) if found else text


def _time(text: str) -> str:
    found = _TIME.fullmatch(text.strip())
    return ":".join(part for part in found.groups()[:3] if part) if found else text


def _date_time(text: str) -> str:
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        return text
    year, month, day, hour, minute, second, _, zone = found.groups()
    date = "-".join(part for part in (year, month, day) if part)
    time = ":".join(part for part in (hour, minute, second) if part)
    return " ".join(part for part in (date, time, f"{zone[:3]}:{zone[3:]}" if zone else "") if part)


def _age(text: str) -> str:
    found = _AGE.fullmatch(text.strip())
    return f"{int(found[1])} {_AGE_UNITS[found[2]]}" if found else text


def _uid(text: str) -> str:
    return uid_name(text) or text


@cache
def _uid_names() -> dict[str, str]:
    # Loaded when a document names a UID: the package costs 200 ms to import.
    from pydicom._uid_dict import UID_dictionary

    return {uid: entry[0] for uid, entry in UID_dictionary.items()}


def uid_name(uid: str) -> str:
    """The name of a UID that PS3.6 defines, else empty."""
    return _uid_names().get(uid, "") if uid.startswith("1.2.840.10008.") else ""


_FORMS: dict[str, Callable[[str], str]] = {
    "DA": _date,
    "TM": _time,
    "DT": _date_time,
    "AS": _age,
    "UI": _uid,
}
