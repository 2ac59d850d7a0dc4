"""Answers kept ready: the same bytes again, of this revision only, and only whole ones."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from dicomweb.archive import metadata
from dicomweb.archive.archive import Archive
from dicomweb.archive.kept_answers import Copying, Written, keeping, kept
from dicomweb.archive.metadata import MetadataForm, contents_of, made_metadata, ready_metadata, version_of
from dicomweb.archive.reading import close
from dicomweb.catalog.delete import delete
from dicomweb.dicom.target import Target
from dicomweb.protocol.metadata_filter import MetadataFilter
from dicomweb.protocol.packing import JsonArray, XmlParts
from tests.archive.real import empty, run
from tests.catalog.rows import add, make_instance

SERIES = Target("1.2", "1.2.1")
CODINGS = ["identity", "zstd", "gzip"]


async def taken(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def make(archive: Archive, key: str, coding: str, *texts: bytes) -> bytes:
    """Write an answer of these texts, and keep it."""
    return await taken(_made(archive, key, coding, *texts))


def _made(archive: Archive, key: str, coding: str, *texts: bytes) -> AsyncIterator[bytes]:
    coder = Copying(coding)

    async def pieces() -> AsyncIterator[bytes]:
        for text in texts:
            yield coder.compress(text)
        yield coder.flush()

    return keeping(archive, [key], coding, pieces(), coder)


async def look(archive: Archive, key: str, coding: str) -> bytes | None:
    """What is kept, after a check of the length that it announces."""
    written = await kept(archive, [key], coding)
    if written is None:
        return None
    data = await taken(written.chunks)
    assert written.length == len(data)
    return data


@pytest.mark.parametrize("coding", CODINGS)
def test_an_answer_is_kept_as_it_went_out(database_url: str, tmp_path: Path, coding: str) -> None:
    async def scenario(archive: Archive) -> None:
        assert await look(archive, "a", coding) is None
        sent = await make(archive, "a", coding, b"one", b"two" * 300_000)
        assert await look(archive, "a", coding) == sent
        assert await look(archive, "b", coding) is None

    run(database_url, tmp_path, scenario)


def test_one_copy_serves_clients_that_take_zstd_and_those_that_take_no_coding(
    database_url: str, tmp_path: Path
) -> None:
    async def scenario(archive: Archive) -> None:
        await make(archive, "a", "identity", b"text")
        coded = await look(archive, "a", "zstd")
        assert coded is not None
        assert zstandard.ZstdDecompressor().decompressobj().decompress(coded) == b"text"
        assert await look(archive, "a", "gzip") is None
        await make(archive, "b", "zstd", b"other")
        assert await look(archive, "b", "identity") == b"other"

    run(database_url, tmp_path, scenario)


def test_an_answer_that_is_not_taken_to_its_end_is_not_kept(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        answer = _made(archive, "a", "identity", b"one", b"two")
        assert await anext(answer) == b"one"
        await close(answer)
        assert await look(archive, "a", "identity") is None

    run(database_url, tmp_path, scenario)


@pytest.mark.parametrize("coding", CODINGS)
def test_an_answer_that_is_very_large_when_coded_is_not_kept(
    database_url: str, tmp_path: Path, coding: str
) -> None:
    noise = [random.Random(number).randbytes(1 << 20) for number in range(5)]

    async def scenario(archive: Archive) -> None:
        await make(archive, "a", coding, *noise)
        assert await look(archive, "a", coding) is None

    run(database_url, tmp_path, scenario)


def test_a_torn_copy_is_none(database_url: str, tmp_path: Path) -> None:
    async def scenario(archive: Archive) -> None:
        await make(archive, "a", "identity", b"one", b"two")
        (file,) = [path for path in (archive.settings.data / "cache").rglob("*") if path.is_file()]
        file.write_bytes(file.read_bytes()[:-1])
        assert await look(archive, "a", "identity") is None

    run(database_url, tmp_path, scenario)


@pytest.mark.parametrize("coding", CODINGS)
def test_metadata_of_a_series_are_kept_until_it_changes(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    monkeypatch.setattr(metadata, "_WORTH_KEEPING", 2)
    form = MetadataForm(JsonArray(), MetadataFilter(), "http://h", coding)

    async def ready(archive: Archive, form: MetadataForm = form) -> bytes | None:
        written = await ready_metadata(archive, SERIES, await version_of(archive, SERIES), form)
        return await taken(written.chunks) if written is not None else None

    async def made(archive: Archive) -> bytes:
        written: Written = await made_metadata(archive, SERIES, await contents_of(archive, SERIES), form)
        return await taken(written.chunks)

    async def scenario(archive: Archive) -> None:
        await empty(archive)
        for number in (1, 2):
            await add(archive.pool, 1, make_instance(Target("1.2", "1.2.1", f"1.2.1.{number}")))
        assert await ready(archive) is None
        first = await made(archive)
        assert await ready(archive) == first
        others = {
            "base": replace(form, base="http://g"),
            "attributes": replace(form, wanted=MetadataFilter(excluded={"00080005": None})),
            "packing": replace(form, packing=XmlParts("boundary")),
        }
        for name, other in others.items():
            assert await ready(archive, other) is None, name
        await add(archive.pool, 1, make_instance(Target("1.2", "1.2.1", "1.2.1.3")))
        assert await ready(archive) is None
        assert await made(archive) != first
        await delete(archive.pool, 1, Target("1.2", "1.2.1", "1.2.1.3"))
        assert await ready(archive) is None

    run(database_url, tmp_path, scenario)
