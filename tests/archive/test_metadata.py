"""Metadata and search results on their way out: any size, any cut, in bounded memory (invariant 5)."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, lists, sampled_from

from dicomweb.archive import metadata
from dicomweb.archive.archive import Archive
from dicomweb.archive.metadata import MetadataForm, contents_of, made_metadata, metadata_texts
from dicomweb.archive.search import find, results
from dicomweb.catalog import metadata as stored_metadata
from dicomweb.catalog import search
from dicomweb.catalog.columns import compress
from dicomweb.dicom.target import Target
from dicomweb.protocol.metadata_filter import MetadataFilter
from dicomweb.protocol.packing import JsonArray
from dicomweb.protocol.search_query import Level, parse_search
from tests.archive.real import empty, run
from tests.catalog.rows import add, make_instance

KEY = b'"BulkDataURI":"'
BASE = "https://pacs.example.org/dicomweb"
SERIES = Target("1.2", "1.2.1")

# What makes keys likely, and halves of keys, and what only looks like one.
_text = lists(
    sampled_from([KEY, KEY[:7], KEY[7:], b'"', b'\\"BulkDataURI', b"/studies/1", b" " * 40])
    | binary(max_size=9)
).map(b"".join)


@given(objects=lists(_text, max_size=8), piece=integers(1, 200))
def test_pieces_are_the_whole_text_with_the_base_put_in(objects: list[bytes], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metadata, "_PIECE", piece)
        texts = list(metadata_texts(list(map(compress, objects)), b"[", BASE.encode()))
    whole = b"[" + b",\n".join(objects) if objects else b""
    assert b"".join(texts) == whole.replace(KEY, KEY + BASE.encode())


def _attributes(number: int, size: int) -> dict[str, Any]:
    """Text that hardly shrinks, as much that shrinks to nothing, and bulkdata behind both."""
    noise = random.Random(number).randbytes(size // 4).hex()
    return {
        "00111001": {"vr": "UT", "Value": [noise]},
        "00111002": {"vr": "UT", "Value": ["a" * (size // 2)]},
        "00200013": {"vr": "IS", "Value": [number]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "7FE00010"},
    }


async def _stored(archive: Archive, *sizes: int) -> None:
    await empty(archive)
    for number, size in enumerate(sizes):
        instance = Target(SERIES.study, SERIES.series, f"1.2.1.{number + 1}")
        await add(archive.pool, 1, make_instance(instance, attributes=_attributes(number, size)))


async def _metadata(archive: Archive) -> AsyncIterator[bytes]:
    found = await contents_of(archive, SERIES)
    form = MetadataForm(JsonArray(), MetadataFilter(), BASE, "identity")
    async for piece in (await made_metadata(archive, SERIES, found, form)).chunks:
        yield piece


async def _search(archive: Archive) -> AsyncIterator[bytes]:
    query = parse_search(
        b"includefield=all",
        Level.INSTANCE,
        study_instance_uid=SERIES.study,
        series_instance_uid=SERIES.series,
    )
    answer = await find(archive, query)
    async for piece in results(archive, answer, packing=JsonArray(), base=BASE, coding="identity"):
        yield piece


_Source = Callable[[Archive], AsyncIterator[bytes]]


@pytest.mark.parametrize("source", [_metadata, _search])
def test_large_and_small_instances_keep_their_order(
    database_url: str, tmp_path: Path, source: _Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_metadata, "_PAGE_BYTES", 100_000)
    monkeypatch.setattr(search, "METADATA_BYTES", 100_000)
    sizes = [100, 600_000, 100, 200, 900_000, 900_000, 50_000, 300]

    async def scenario(archive: Archive) -> list[bytes]:
        await _stored(archive, *sizes)
        return [piece async for piece in source(archive)]

    pieces = run(database_url, tmp_path, scenario)
    found = orjson.loads(b"".join(pieces))
    assert sorted(len(one["00111002"]["Value"][0]) for one in found) == sorted(size // 2 for size in sizes)
    numbers = [one["00200013"]["Value"][0] for one in found]
    assert numbers == list(range(len(sizes)))


@pytest.mark.parametrize(("source", "bound"), [(_metadata, 8 << 20), (_search, 40 << 20)])
def test_memory_is_bounded_by_an_instance_not_by_a_page_of_them(
    database_url: str, tmp_path: Path, source: _Source, bound: int
) -> None:
    size, count = 2 << 20, 24

    async def scenario(archive: Archive) -> tuple[int, int]:
        await _stored(archive, *[size] * count)
        tracemalloc.start()
        try:
            total = 0
            async for piece in source(archive):
                total += len(piece)
            return total, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    total, peak = run(database_url, tmp_path, scenario)
    assert total > size * count
    assert peak < bound
