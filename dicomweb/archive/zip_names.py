"""How the files of a ZIP archive are named: by their place, for people or as a File-set of DICOM media."""

from __future__ import annotations

import re
from collections.abc import Callable

from dicomweb.catalog.series_labels import SeriesLabel

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9]+")
_LONGEST_WORD = 40

# Number of the series, what it is called, number of the instance in it; both count from 1.
Naming = Callable[[int, SeriesLabel | None, int], str]


def for_people(series: int, label: SeriesLabel | None, instance: int) -> str:
    """`002_CT_Thorax-axial/00017.dcm`: every file system takes it, and it leads nowhere else."""
    words = [_NOT_PLAIN.sub("-", text)[:_LONGEST_WORD].strip("-") for text in label or ()]
    folder = "_".join([f"{series:03}", *filter(None, words)])
    return f"{folder}/{instance:05}.dcm"


def for_media(series: int, _label: SeriesLabel | None, instance: int) -> str:
    """`DICOM/S0000002/I0000017`: components of eight capitals and digits (PS3.10 8.2)."""
    return f"DICOM/S{series:07}/I{instance:07}"
