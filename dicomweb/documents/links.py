"""Links from a document to what it refers to, as relative references into the archive (RFC 3986 4.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dicomweb.documents.attributes import Item

# From `.../studies/1/series/2/instances/3/rendered` to the service root.
FROM_RENDERED_INSTANCE = "../../../../../../"
_UID = re.compile(r"[0-9.]{1,64}")
# Longest list of references that is looked through: an evidence list names every image of a study at most.
_MOST_REFERENCES = 50_000


@dataclass(frozen=True, slots=True)
class Links:
    """base: relative or absolute URL of the service, with its slash. places: study and series by instance."""

    base: str
    study: str
    places: Mapping[str, tuple[str, str]]

    def instance(self, sop_instance_uid: str, frame: int = 0) -> str:
        """URL of what was referred to, empty where its series is not known."""
        study, series = self.places.get(sop_instance_uid, ("", ""))
        if not all(map(_UID.fullmatch, (study, series, sop_instance_uid))):
            return ""
        frames = f"/frames/{frame}" if frame else ""
        return f"{self.base}studies/{study}/series/{series}/instances/{sop_instance_uid}{frames}/rendered"


def links_of(document: Item, base: str) -> Links:
    """Links of a document, by the lists that name study and series of every reference (PS3.3 C.17.2)."""
    places: dict[str, tuple[str, str]] = {}
    own = document.code("StudyInstanceUID")
    for keyword in _EVIDENCE:
        for study in document.iterate(keyword):
            for series in study.iterate("ReferencedSeriesSequence"):
                place = (study.code("StudyInstanceUID") or own, series.code("SeriesInstanceUID"))
                _add(places, series, place)
    for series in document.iterate("ReferencedSeriesSequence"):
        _add(places, series, (own, series.code("SeriesInstanceUID")))
    return Links(base, own, places)


_EVIDENCE = (
    "CurrentRequestedProcedureEvidenceSequence",
    "PertinentOtherEvidenceSequence",
    "PredecessorDocumentsSequence",
    "IdenticalDocumentsSequence",
    "StudiesContainingOtherReferencedInstancesSequence",
)
_INSTANCES = ("ReferencedSOPSequence", "ReferencedInstanceSequence", "ReferencedImageSequence")


def _add(places: dict[str, tuple[str, str]], series: Item, place: tuple[str, str]) -> None:
    for keyword in _INSTANCES:
        for instance in series.iterate(keyword):
            if len(places) >= _MOST_REFERENCES:
                return
            places.setdefault(instance.code("ReferencedSOPInstanceUID"), place)
