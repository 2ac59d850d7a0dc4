"""What an operation is described to answer is what negotiation gives."""

from __future__ import annotations

import pytest

from dicomweb.protocol import operations
from dicomweb.protocol.answer_types import answer_types, best_type
from dicomweb.protocol.description import Operation
from dicomweb.protocol.media_types import media_ranges
from dicomweb.protocol.negotiate import acceptable

OPERATIONS = [one for one in vars(operations).values() if isinstance(one, Operation)]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.resource], ids=lambda one: one.name)
def test_every_type_of_the_resource_may_be_asked_for(operation: Operation) -> None:
    assert operation.resource is not None
    types = answer_types(operation)
    assert types
    assert len(types) == len(set(types))
    for media_type in types:
        if media_type not in operation.gives:
            acceptable([media_type], [], operation.resource)


def test_names_are_unique_and_every_operation_says_when_it_succeeds() -> None:
    names = [one.name for one in OPERATIONS]
    assert len(names) == len(set(names))
    for operation in OPERATIONS:
        assert any(200 <= status < 300 for status in operation.statuses), operation.name
        assert operation.summary.endswith(".")


WADL, JSON = "application/vnd.sun.wadl+xml", "application/json"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", WADL),
        ("*/*", WADL),
        (JSON, JSON),
        ("application/dicom+json", JSON),
        (f"{WADL};q=0.5, {JSON}", JSON),
        (f"{WADL}, {JSON}", WADL),
        (f"{WADL};q=0, */*", JSON),
        ("application/*;q=0.1", WADL),
        ("text/html, */*;q=0.8", WADL),
        ("text/html", None),
        (f"{WADL};q=0, {JSON};q=0", None),
        ('multipart/related; type="application/json"', None),
    ],
)
def test_the_best_type_is_the_one_with_the_highest_q(accept: str, expected: str | None) -> None:
    assert best_type(media_ranges([accept]), [WADL, JSON]) == expected
