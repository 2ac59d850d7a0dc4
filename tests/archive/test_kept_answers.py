"""Answers kept ready: the same bytes again, of this revision only, and only whole ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dicomweb.archive import metadata
from dicomweb.archive.archive import Archive
from dicomweb.archive.kept_answers import kept
from dicomweb.archive.metadata import MetadataForm, contents_of, metadata_documents
from dicomweb.dicom.target import Target
from dicomweb.protocol.metadata_filter import MetadataFilter
from dicomweb.protocol.packing import JsonArray
from tests.archive.real import empty, run
from tests.catalog.rows import add, make_instance

SERIES = Target("1.2", "1.2.1")


class Pieces:
    """Pieces that count how often they were made."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.made = 0

    async def __call__(self) -> AsyncIterator[bytes]:
        self.made += 1
        for piece in self.pieces:
            yield piece


async def taken(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def test_an_answer_is_made_once_for_each_key(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        pieces = Pieces(b"one", b"two")
        for _ in range(3):
            assert await taken(kept(archive, ["a"], pieces())) == b"onetwo"
        assert pieces.made == 1
        await taken(kept(archive, ["b"], pieces()))
        assert pieces.made == 2

    run(database_url, tmp_path, scenario)


def test_an_answer_that_is_not_taken_to_its_end_is_not_kept(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        pieces = Pieces(b"one", b"two")
        answer = kept(archive, ["a"], pieces())
        assert await anext(answer) == b"one"
        await answer.aclose()  # type: ignore[attr-defined]
        assert await taken(kept(archive, ["a"], pieces())) == b"onetwo"
        assert pieces.made == 2

    run(database_url, tmp_path, scenario)


def test_a_very_large_answer_is_not_kept(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        pieces = Pieces(*[bytes(1 << 20)] * 5, b"end")
        for _ in range(2):
            assert len(await taken(kept(archive, ["a"], pieces()))) == (5 << 20) + 3
        assert pieces.made == 2

    run(database_url, tmp_path, scenario)


def test_a_torn_copy_is_made_again(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        pieces = Pieces(b"one", b"two")
        await taken(kept(archive, ["a"], pieces()))
        (file,) = [path for path in (archive.settings.data / "cache").rglob("*") if path.is_file()]
        file.write_bytes(file.read_bytes()[:-1])
        assert await taken(kept(archive, ["a"], pieces())) == b"onetwo"
        assert pieces.made == 2

    run(database_url, tmp_path, scenario)


def test_metadata_of_a_series_are_kept_until_it_changes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "_WORTH_KEEPING", 2)

    async def get(archive: Archive, coding: str = "gzip") -> bytes:
        found = await contents_of(archive, SERIES)
        form = MetadataForm(JsonArray(), MetadataFilter(), "http://h", coding, f"{found.revision}-{coding}")
        return await taken(metadata_documents(archive, SERIES, found, form))

    async def scenario(archive: Archive) -> None:
        await empty(archive)
        for number in (1, 2):
            await add(archive.pool, 1, make_instance(Target("1.2", "1.2.1", f"1.2.1.{number}")))
        first = await get(archive)
        with monkeypatch.context() as patch:
            patch.delattr(metadata, "metadata_pages")
            assert await get(archive) == first
            with pytest.raises(NameError):
                await get(archive, "identity")
        await add(archive.pool, 1, make_instance(Target("1.2", "1.2.1", "1.2.1.3")))
        assert await get(archive) != first

    run(database_url, tmp_path, scenario)
