"""What a store request says of each part."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dicomweb.archive.store_step import Accepted
from dicomweb.catalog.columns import NewInstance
from dicomweb.catalog.instances import Added
from dicomweb.dicom.target import Target
from dicomweb.errors import InvalidDicom
from dicomweb.protocol.store_report import StoreOutcome

# Failure and warning reasons: PS3.18 I.2, PS3.4 B.2.3 and our ranges (S-20..S-25, S-45).
DUPLICATE = 0x0111
ELEMENTS_DISCARDED = 0xB006
DOES_NOT_MATCH_SOP_CLASS = 0xB007

_OTHER_PATIENT = "The study holds instances with another Patient ID."

_Reasons = tuple[int | None, int | None, str]


def refused(error: InvalidDicom) -> StoreOutcome:
    """Of a part that cannot be stored."""
    return StoreOutcome(
        sop_class_uid=error.sop_class_uid,
        sop_instance_uid=error.sop_instance_uid,
        study_instance_uid="",
        retrieve_path="",
        failure_reason=error.failure_reason,
        warning_reason=None,
        sentence=error.message,
    )


def settled(one: Accepted, added: Added) -> Iterator[StoreOutcome]:
    """Of every part that is this instance."""
    reasons = _REASONS[added.state]
    patient = (_OTHER_PATIENT,) if added.other_patient else ()
    return (_outcome(one.instance, *reasons(warnings + patient)) for warnings in one.told)


def _stored(warnings: tuple[str, ...]) -> _Reasons:
    if warnings:
        return None, DOES_NOT_MATCH_SOP_CLASS, " ".join(warnings)
    return None, None, ""


def _kept(_warnings: tuple[str, ...]) -> _Reasons:
    sentence = (
        "Another instance with this SOP Instance UID is stored; by policy it was kept and this one not."
    )
    return None, ELEMENTS_DISCARDED, sentence


def _conflict(_warnings: tuple[str, ...]) -> _Reasons:
    sentence = "Another instance with this SOP Instance UID and other content is stored already."
    return DUPLICATE, None, sentence


# What became of an instance in the catalog -> failure reason, warning reason, sentence.
_REASONS: dict[str, Callable[[tuple[str, ...]], _Reasons]] = {
    "stored": _stored,
    "identical": _stored,
    "replaced": _stored,
    "kept": _kept,
    "conflict": _conflict,
}


def _outcome(
    one: NewInstance, failure_reason: int | None, warning_reason: int | None, sentence: str
) -> StoreOutcome:
    target = Target(one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid)
    return StoreOutcome(
        sop_class_uid=one.sop_class_uid,
        sop_instance_uid=one.sop_instance_uid,
        study_instance_uid=one.study_instance_uid,
        retrieve_path=target.path,
        failure_reason=failure_reason,
        warning_reason=warning_reason,
        sentence=sentence,
    )
