"""Batches to a destination: every file reported once, with the truth about it, whatever the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, integers, lists, sampled_from, tuples

from dicomweb.archive.file_head import FileHead
from dicomweb.archive.import_ import (
    BATCH_FILES,
    Answer,
    Destination,
    FileOutcome,
    Unreadable,
    import_files,
)
from dicomweb.archive.source_files import Found, Passed, SourceFile
from dicomweb.errors import Unavailable


class Recording(Destination):
    """A destination that knows what each file really holds: its UID and whether it is taken."""

    def __init__(self, truth: dict[Path, tuple[str, str]], unreadable: set[Path] = frozenset()) -> None:  # type: ignore[assignment]
        self.truth, self.unreadable = truth, unreadable
        self.stored: set[Path] = set()
        self.requests: list[list[SourceFile]] = []

    async def send(self, batch: Sequence[SourceFile]) -> list[Answer]:
        self.requests.append(list(batch))
        await asyncio.sleep(0)
        for file in batch:
            if file.path in self.unreadable:
                raise Unreadable(file.path, "cannot be read")
        self.stored |= {file.path for file in batch if not self.truth[file.path][1]}
        return [Answer(*self.truth[file.path]) for file in reversed(batch)]


def run(files: Sequence[Found], destination: Destination) -> list[FileOutcome]:
    outcomes: list[FileOutcome] = []
    asyncio.run(import_files(iter(files), destination, outcomes.append))
    return outcomes


def source(number: int, uid: str, size: int = 1) -> SourceFile:
    return SourceFile(Path(f"/files/{number}"), size, 0, FileHead(sop_instance_uid=uid))


UIDS = sampled_from(["1", "2", "3", ""])


@given(
    files=lists(
        tuples(UIDS, UIDS, sampled_from(["", "", "refused so", "refused else"]), booleans()), max_size=12
    )
)
def test_every_file_has_the_outcome_it_would_have_alone(files: list[tuple[str, str, str, bool]]) -> None:
    """Heads that lie, that are empty, that name the same instance twice; files that vanish meanwhile."""
    sources = [source(number, head) for number, (head, _, _, _) in enumerate(files)]
    truth = {file.path: (uid, reason) for file, (_, uid, reason, _) in zip(sources, files, strict=True)}
    unreadable = {file.path for file, (_, _, _, gone) in zip(sources, files, strict=True) if gone}
    lying = {file.path for file in sources if file.head.sop_instance_uid != truth[file.path][0]}
    destination = Recording(truth, unreadable)
    outcomes = run(sources, destination)
    assert sorted(outcome.path for outcome in outcomes) == sorted(file.path for file in sources)
    for outcome in outcomes:
        if outcome.path in unreadable:
            assert (outcome.state, outcome.reason) == ("refused", "cannot be read")
        elif not lying:
            expected = truth[outcome.path][1]
            assert (outcome.state, outcome.reason) == ("refused" if expected else "stored", expected)


@given(sizes=lists(integers(0, 40 << 20), max_size=30))
def test_requests_are_bounded_and_each_file_is_sent_once(sizes: list[int]) -> None:
    sources = [source(number, str(number), size) for number, size in enumerate(sizes)]
    destination = Recording({file.path: (file.head.sop_instance_uid, "") for file in sources})
    run(sources, destination)
    sent = [file.path for request in destination.requests for file in request]
    assert sorted(sent) == sorted(file.path for file in sources)
    for request in destination.requests:
        assert len(request) <= BATCH_FILES
        assert len(request) == 1 or sum(file.size for file in request) <= 32 << 20


def test_what_was_passed_over_is_reported_and_not_sent() -> None:
    destination = Recording({})
    files = [Passed(Path("/a"), "not a DICOM file"), Passed(Path("/b"), "cannot be read", unreadable=True)]
    outcomes = run(files, destination)
    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [
        ("passed", "not a DICOM file"),
        ("refused", "cannot be read"),
    ]
    assert destination.requests == []


def test_a_destination_that_is_away_ends_the_import() -> None:
    class Away(Destination):
        async def send(self, batch: Sequence[SourceFile]) -> list[Answer]:
            raise Unavailable("away")

    with pytest.raises(Unavailable, match="away"):
        run([source(number, str(number)) for number in range(500)], Away())
