"""The answer to a store request: the Store Instances Response Module (PS3.18 10.5.3 and I.2)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dicomweb.dicom.uid import is_uid
from dicomweb.errors import InvalidRequest
from dicomweb.protocol.warning import warning_header

_REFERENCED_SOP_CLASS_UID = "00081150"
_REFERENCED_SOP_INSTANCE_UID = "00081155"
_RETRIEVE_URL = "00081190"
_WARNING_REASON = "00081196"
_FAILURE_REASON = "00081197"
_FAILED_SOP_SEQUENCE = "00081198"
_REFERENCED_SOP_SEQUENCE = "00081199"
_OTHER_FAILURES_SEQUENCE = "0008119A"
_FAILED_ATTRIBUTES_SEQUENCE = "00741048"
_ERROR_COMMENT = "00000902"

# ErrorComment is a Long String: a longer sentence goes on in the next item (PS3.5 6.2).
_COMMENT_CHARACTERS = 64
# A thousand refused parts have few different reasons; headers have to stay small.
_MOST_WARNINGS = 8
# So wrapping each of them once is enough.
_KNOWN_SENTENCES = 256
_UNFIT_FOR_TEXT = re.compile(r"[\\\x00-\x1f\x7f]+")

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of one part of a store request.

    The UIDs are as far as they could be read, else empty. retrieve_path: of a stored instance, below the
    DICOMweb base, beginning with a slash. failure_reason: None when it is stored. warning_reason: None
    when there is nothing to warn about. sentence: why it failed or what to know; it holds no attribute value.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    retrieve_path: str
    failure_reason: int | None
    warning_reason: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What answers a store request.

    status: of HTTP. attributes: the body, one DICOM JSON object (Z-09). warnings: values of Warning headers
    (H-10) with the different sentences of all parts. retrieve_url: of the study, for a Location header
    (S-46); empty when the instances belong to several or none is stored.
    """

    status: int
    attributes: Attributes
    warnings: tuple[str, ...]
    retrieve_url: str


def store_report(outcomes: Sequence[StoreOutcome], base_url: str, study: str | None = None) -> StoreReport:
    """Tell the outcome of every part (S-40 to S-44).

    base_url: of the DICOMweb service, without a slash at its end. study: the one that the URL names, so the
    one that every stored instance belongs to. Raises InvalidRequest when there was no part at all.

        report = store_report(outcomes, "https://pacs.example.org/dicomweb")
        Response(orjson.dumps(report.attributes), report.status, media_type="application/dicom+json")
    """
    if not outcomes:
        raise InvalidRequest(
            "The body holds no instance.", hint="Send each instance as one part of the body."
        )
    stored = [outcome for outcome in outcomes if outcome.failure_reason is None]
    failed = [outcome for outcome in outcomes if outcome.failure_reason is not None]
    studies = {study or outcome.study_instance_uid for outcome in stored}
    retrieve_url = f"{base_url}/studies/{studies.pop()}" if len(studies) == 1 else ""
    attributes = {
        _RETRIEVE_URL: _value("UR", retrieve_url),
        **_sequence(_REFERENCED_SOP_SEQUENCE, stored, lambda outcome: _stored_item(outcome, base_url)),
        **_sequence(_FAILED_SOP_SEQUENCE, filter(_is_identified, failed), _failed_item),
        **_sequence(
            _OTHER_FAILURES_SEQUENCE,
            (outcome for outcome in failed if not _is_identified(outcome)),
            _failure_item,
        ),
    }
    return StoreReport(_status(stored, failed), attributes, _warnings(outcomes, base_url), retrieve_url)


def _status(stored: Sequence[StoreOutcome], failed: Sequence[StoreOutcome]) -> int:
    if not stored:
        return 409
    return 202 if failed or any(outcome.warning_reason is not None for outcome in stored) else 200


def _is_identified(outcome: StoreOutcome) -> bool:
    return is_uid(outcome.sop_instance_uid)


def _sequence(
    tag: str, outcomes: Iterable[StoreOutcome], item: Callable[[StoreOutcome], Attributes]
) -> Attributes:
    """The sequence attribute, or nothing: an empty one must not be there (S-41)."""
    items = [item(outcome) for outcome in outcomes]
    return {tag: {"vr": "SQ", "Value": items}} if items else {}


def _reference(outcome: StoreOutcome) -> Attributes:
    sop_class_uid = outcome.sop_class_uid if is_uid(outcome.sop_class_uid) else ""
    return {
        _REFERENCED_SOP_CLASS_UID: _value("UI", sop_class_uid),
        _REFERENCED_SOP_INSTANCE_UID: _value("UI", outcome.sop_instance_uid),
    }


def _stored_item(outcome: StoreOutcome, base_url: str) -> Attributes:
    item = _reference(outcome) | {_RETRIEVE_URL: _value("UR", base_url + outcome.retrieve_path)}
    if outcome.warning_reason is not None:
        item[_WARNING_REASON] = _value("US", outcome.warning_reason)
    return item


def _failed_item(outcome: StoreOutcome) -> Attributes:
    return _reference(outcome) | _failure_item(outcome)


def _failure_item(outcome: StoreOutcome) -> Attributes:
    item: Attributes = {_FAILURE_REASON: _value("US", outcome.failure_reason)}
    if lines := _comments(outcome.sentence):
        comments = [{_ERROR_COMMENT: _value("LO", line)} for line in lines]
        item[_FAILED_ATTRIBUTES_SEQUENCE] = {"vr": "SQ", "Value": comments}
    return item


@lru_cache(maxsize=_KNOWN_SENTENCES)
def _comments(sentence: str) -> tuple[str, ...]:
    return tuple(textwrap.wrap(_plain(sentence), _COMMENT_CHARACTERS))


def _value(vr: str, value: str | int | None) -> Attributes:
    return {"vr": vr} if value in ("", None) else {"vr": vr, "Value": [value]}


def _warnings(outcomes: Iterable[StoreOutcome], base_url: str) -> tuple[str, ...]:
    different = dict.fromkeys(outcome.sentence for outcome in outcomes)
    sentences = dict.fromkeys(filter(None, map(_plain, different)))
    return tuple(warning_header(base_url, sentence) for sentence in tuple(sentences)[:_MOST_WARNINGS])


def _plain(sentence: str) -> str:
    """The sentence as a Long String and a header can hold it."""
    return _UNFIT_FOR_TEXT.sub(" ", sentence).strip()
