"""Radiotherapy objects as a page: what matters of them, by tables of sections (PS3.3 A.19, A.20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from dicomweb.documents.attributes import Item
from dicomweb.documents.page import Entry, Page, fact, said
from dicomweb.documents.report import subject_facts, title_of

_MOST_SECTIONS = 500
_MOST_VALUES = 6


@dataclass(frozen=True, slots=True)
class _Field:
    """An attribute of an item. within: sequences whose first item holds it. unit: written behind it."""

    label: str
    keyword: str
    unit: str = ""
    within: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Section:
    """The items of a sequence, each with a heading: title and the value of `named`."""

    title: str
    sequence: str
    named: Sequence[str]
    fields: Sequence[_Field]


def outline_page(document: Item) -> Page | None:
    """The object in sections; None when it is of a class that has no table here."""
    outline = _OUTLINES.get(document.code("SOPClassUID"))
    if outline is None:
        return None
    fields, sections = outline
    head = Entry("Document", children=_facts(document, fields))
    entries = [entry for section in sections for entry in _entries(document, section)]
    return Page(
        title_of(document),
        facts=[*subject_facts(document), *([head] if head.children else [])],
        entries=entries,
    )


def _entries(document: Item, section: _Section) -> list[Entry]:
    return [
        Entry(
            " ".join([section.title, *filter(None, (item.text(keyword) for keyword in section.named))]),
            heading=True,
            children=_facts(item, section.fields),
        )
        for item in islice(document.iterate(section.sequence), _MOST_SECTIONS)
    ]


def _facts(item: Item, fields: Sequence[_Field]) -> list[Entry]:
    return said([fact(field.label, _value(item, field)) for field in fields])


def _value(item: Item, field: _Field) -> str:
    for sequence in field.within:
        inner = item.item(sequence)
        if inner is None:
            return ""
        item = inner
    texts = item.texts(field.keyword)
    value = ", ".join([*texts[:_MOST_VALUES], *(["…"] if len(texts) > _MOST_VALUES else [])])
    return f"{value} {field.unit}".strip() if value else ""


_MACHINE = (
    _Field("Radiation", "RadiationType"),
    _Field("Type", "BeamType"),
    _Field("Delivery", "TreatmentDeliveryType"),
    _Field("Machine", "TreatmentMachineName"),
    _Field("Control points", "NumberOfControlPoints"),
    _Field("Final meterset", "FinalCumulativeMetersetWeight"),
)


def _first_control_point(sequence: str) -> tuple[_Field, ...]:
    """What the first control point sets for the whole beam, unless a later one changes it."""
    within = (sequence,)
    return (
        _Field("Energy", "NominalBeamEnergy", "MeV", within),
        _Field("Gantry", "GantryAngle", "°", within),
        _Field("Collimator", "BeamLimitingDeviceAngle", "°", within),
        _Field("Couch", "PatientSupportAngle", "°", within),
        _Field("Isocentre", "IsocenterPosition", "mm", within),
    )


_PLAN_FIELDS = (
    _Field("Label", "RTPlanLabel"),
    _Field("Name", "RTPlanName"),
    _Field("Description", "RTPlanDescription"),
    _Field("Date", "RTPlanDate"),
    _Field("Intent", "PlanIntent"),
    _Field("Geometry", "RTPlanGeometry"),
    _Field("Approval", "ApprovalStatus"),
    _Field("Reviewer", "ReviewerName"),
)
_PRESCRIPTION = _Section(
    "Dose reference",
    "DoseReferenceSequence",
    ("DoseReferenceNumber", "DoseReferenceDescription"),
    (
        _Field("Type", "DoseReferenceType"),
        _Field("Structure", "DoseReferenceStructureType"),
        _Field("Prescribed dose", "TargetPrescriptionDose", "Gy"),
        _Field("Least dose", "TargetMinimumDose", "Gy"),
        _Field("Greatest dose", "TargetMaximumDose", "Gy"),
        _Field("Greatest dose at the organ", "OrganAtRiskMaximumDose", "Gy"),
    ),
)
_FRACTIONS = _Section(
    "Fraction group",
    "FractionGroupSequence",
    ("FractionGroupNumber",),
    (
        _Field("Fractions planned", "NumberOfFractionsPlanned"),
        _Field("Beams", "NumberOfBeams"),
        _Field("Brachytherapy setups", "NumberOfBrachyApplicationSetups"),
        _Field("Meterset of the first beam", "BeamMeterset", within=("ReferencedBeamSequence",)),
        _Field("Dose of the first beam", "BeamDose", "Gy", ("ReferencedBeamSequence",)),
    ),
)
_BEAMS = _Section(
    "Beam",
    "BeamSequence",
    ("BeamNumber", "BeamName"),
    (*_MACHINE, *_first_control_point("ControlPointSequence")),
)
_ION_BEAMS = _Section(
    "Beam",
    "IonBeamSequence",
    ("BeamNumber", "BeamName"),
    (*_MACHINE, *_first_control_point("IonControlPointSequence")),
)
_STRUCTURE_SET_FIELDS = (
    _Field("Label", "StructureSetLabel"),
    _Field("Name", "StructureSetName"),
    _Field("Description", "StructureSetDescription"),
    _Field("Date", "StructureSetDate"),
    _Field("Approval", "ApprovalStatus"),
    _Field("Reviewer", "ReviewerName"),
)
_REGIONS = _Section(
    "Region",
    "StructureSetROISequence",
    ("ROINumber", "ROIName"),
    (
        _Field("Description", "ROIDescription"),
        _Field("Made", "ROIGenerationAlgorithm"),
        _Field("Volume", "ROIVolume", "cm³"),
    ),
)
_OBSERVATIONS = _Section(
    "Observation",
    "RTROIObservationsSequence",
    ("ObservationNumber", "ROIObservationLabel"),
    (
        _Field("Region number", "ReferencedROINumber"),
        _Field("Type", "RTROIInterpretedType"),
        _Field("Interpreter", "ROIInterpreter"),
    ),
)

_STORAGE = "1.2.840.10008.5.1.4.1.1.481."
_OUTLINES: dict[str, tuple[Sequence[_Field], Sequence[_Section]]] = {
    _STORAGE + "3": (_STRUCTURE_SET_FIELDS, (_REGIONS, _OBSERVATIONS)),
    _STORAGE + "5": (_PLAN_FIELDS, (_PRESCRIPTION, _FRACTIONS, _BEAMS)),
    _STORAGE + "8": (_PLAN_FIELDS, (_PRESCRIPTION, _FRACTIONS, _ION_BEAMS)),
}
