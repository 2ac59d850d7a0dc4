"""The benchmarks run, so that they cannot rot; how fast is not asked here."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks import fill, studies
from benchmarks.answers import all_stored
from benchmarks.cases import CASES, stow
from benchmarks.plans import search_plans
from benchmarks.servers import archive_server
from benchmarks.wire import Client
from dicomweb.run.owner import current_owner
from dicomweb.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
# So many that every kind of study is among them.
STUDIES = 100

# What must be equal: all but row numbers, times, and where the bytes lie.
_ROWS = {
    "study": "SELECT * FROM study ORDER BY study_instance_uid",
    "series": """
        SELECT series.*, study_instance_uid AS parent
          FROM series JOIN study ON study.id = study_row ORDER BY series_instance_uid""",
    "instance": """
        SELECT instance.*, series_instance_uid AS parent, blob.live, metadata, bulkdata IS NULL AS no_bulkdata
          FROM instance JOIN series ON series.id = series_row
               JOIN instance_metadata ON instance_row = instance.id JOIN blob USING (blob_key)
         ORDER BY sop_instance_uid""",
}
_APART = re.compile("id|.*_row|revision|.*_at|blob_.*|digest|live")


def test_the_benchmarks_run(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr + outcome.stdout
    found = json.loads((tmp_path / "figures.json").read_text())["results"]
    assert [one["case"] for one in found] == [case.name for case in CASES]
    assert all(one["archive"]["ms"] > 0 and one["limit"]["ms"] > 0 for one in found)
    written = (tmp_path / "README.md").read_text()
    assert all(case.name in written for case in CASES)


def test_a_filled_catalog_is_what_a_store_writes(archive_directory: Path) -> None:
    assert {studies.study(number).kind for number in range(STUDIES)} == set(studies.KINDS)
    with archive_server(archive_directory / "data") as server:
        owner = current_owner(archive_directory / "data")
        assert owner is not None
        url = owner.share(Settings.from_env({})).database_url
        client = Client(server.base)
        for number in range(STUDIES):
            objects = [data for _, data in studies.instances(studies.study(number))]
            all_stored(client.request(stow(objects)), len(objects))
        client.close()
        stored = asyncio.run(_rows(url))
        asyncio.run(_execute(url, "TRUNCATE study, series, instance, instance_metadata, blob"))
        asyncio.run(fill.fill(url, STUDIES // 2))
        asyncio.run(fill.fill(url, STUDIES - STUDIES // 2))
        filled = asyncio.run(_rows(url))
        assert filled.keys() == stored.keys()
        for table, rows in stored.items():
            for made, sent in zip(filled[table], rows, strict=True):
                assert made == sent, (table, {name for name in sent if made[name] != sent[name]})


async def _rows(url: str) -> dict[str, list[dict[str, Any]]]:
    connection = await asyncpg.connect(url)
    try:
        return {table: [_kept(row) for row in await connection.fetch(sql)] for table, sql in _ROWS.items()}
    finally:
        await connection.close()


def _kept(row: asyncpg.Record) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not _APART.fullmatch(name)}


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_a_filled_catalog_keeps_its_indexes_and_is_searched_by_them(database_url: str) -> None:
    before = asyncio.run(_indexes(database_url))
    asyncio.run(fill.fill(database_url, 3000))
    assert asyncio.run(_indexes(database_url)) == before
    plans = asyncio.run(search_plans(database_url, studies.study(1500)))
    assert [plan.query for plan in plans if not plan.is_bounded] == []


async def _indexes(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch("SELECT indexdef FROM pg_indexes ORDER BY 1")]
    finally:
        await connection.close()
