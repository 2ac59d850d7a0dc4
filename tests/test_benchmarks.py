"""The benchmarks run, so that they cannot rot; how fast is not asked here."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from benchmarks import fill, studies
from benchmarks.answers import WrongAnswer, all_stored, demand, next_page
from benchmarks.case import Call, Case, Held, Reach
from benchmarks.cases import CASES, stow
from benchmarks.markdown import markdown
from benchmarks.measure import Bench, Figures, Result, run_case
from benchmarks.objects import Objects, Scale, Series
from benchmarks.plans import search_plans
from benchmarks.report import Report, growths, reached
from benchmarks.servers import archive_server, limit_server
from benchmarks.wire import Answer, Client, Request
from dicomweb.run.owner import current_owner
from dicomweb.settings import Settings
from tests.benchmark_tool import run_tool

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
    "study_modality": "SELECT * FROM study_modality ORDER BY study_instance_uid, modality",
}
_TABLES = "study, study_modality, series, instance, instance_metadata, blob"
_APART = re.compile("id|.*_row|revision|.*_at|blob_.*|digest|live")


def test_the_benchmarks_run(tmp_path: Path) -> None:
    run_tool("benchmarks", "--quick", "--growth", "30", results=tmp_path)
    found = json.loads((tmp_path / "figures.json").read_text())["results"]
    growing = [case.name for case in CASES if case.grows]
    assert [one["case"] for one in found] == [*growing, *(case.name for case in CASES)]
    assert all(one["archive"]["ms"] > 0 and one["limit"]["ms"] > 0 for one in found)
    assert not (tmp_path / "memory.png").exists()
    assert {"growth.png", "throughput.png"} <= {path.name for path in tmp_path.iterdir()}
    written = (tmp_path / "README.md").read_text()
    assert all(case.name in written for case in CASES)


_NONE = Series("", "", [])


def _no_call(_held: Held, _number: int) -> Call:
    return Call([], lambda _: None)


def _result(cpu_ms: float, *, studies: int = 200, peer: Figures | None = None) -> Result:
    case = Case("a case", _no_call, Reach(1.5, of_peer=2), grows=True)
    return Result(case, studies, archive=Figures(10.0, cpu_ms, 5), limit=Figures(1.0, 0.1, 5), peer=peer)


def test_a_reach_is_met_when_all_of_it_is_known_and_met() -> None:
    slow, fast = Figures(20.0, 9.0, 5), Figures(19.0, 9.0, 5)
    assert reached(_result(1.5, peer=slow)) is True
    assert reached(_result(1.6, peer=slow)) is False
    assert reached(_result(1.5, peer=fast)) is False
    assert reached(_result(1.5)) is None
    assert reached(_result(1.6)) is False


def test_growth_is_flat_within_one_and_a_half_times() -> None:
    def growth(*cpu_ms: float) -> bool:
        results = [_result(cpu, studies=10**at) for at, cpu in enumerate(cpu_ms, 3)]
        (one,) = growths(Report({}, results, {}))
        return one.is_flat

    assert growth(1.0, 1.5, 1.2)
    assert not growth(1.0, 1.51)
    assert not growth(1.51, 1.0)
    assert growths(Report({}, [_result(1.0)], {})) == []


def test_a_peer_that_fails_is_left_out_and_the_archive_is_not(tmp_path: Path) -> None:
    """Both are the bare server here; the peer answers rightly once, then something else."""

    def call(_held: Held, number: int) -> Call:
        return Call([Request("/7")], lambda answers: demand(next(rights), "something else"))

    # The archive's warm call, the peer's, then a call of the archive and one of the peer in each round.
    rights = iter([True, True, True, False, True, True])
    with limit_server(tmp_path / "files") as server:
        (tmp_path / "files" / "7").write_bytes(b"content")
        held = Held(Objects([], _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, Scale(0, 0, 0, 0, 0)), 1)
        bench = Bench(server, server, tmp_path / "files", server, held, 0.0)
        result = run_case(Case("a case", call, burst=1), bench)
    assert result.failure == ""
    assert result.archive is not None
    assert result.archive.calls == 3
    assert result.peer is None
    assert result.peer_failure == "something else"


def test_the_next_page_is_where_the_link_says() -> None:
    base, path = "http://host:1/dicomweb", "/studies?limit=2"

    def answer(link: str) -> Answer:
        return Answer(200, "application/dicom+json", b"[]", link=link)

    assert next_page(answer('<?limit=2&offset=2>; rel="next"'), base, path) == "/studies?limit=2&offset=2"
    absolute = answer(f"<{base}/studies?after=x>; rel=next")
    assert next_page(absolute, base, path) == "/studies?after=x"
    with pytest.raises(WrongAnswer):
        next_page(answer(""), base, path)


def test_what_other_tools_wrote_stands_in_the_results(tmp_path: Path) -> None:
    circumstances = {"limit": "nginx", "peer": "none"}
    report = Report(circumstances, [_result(1.0)], {})
    (tmp_path / "memory.md").write_text("## Memory\n\nflat\n")
    assert "## Memory\n\nflat\n" in markdown(report, tmp_path)
    assert "## Memory" not in markdown(report)


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
        asyncio.run(_execute(url, f"TRUNCATE {_TABLES}"))
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


def test_memory_is_measured_in_parts_that_are_written_together(tmp_path: Path) -> None:
    """One part now, the other another day: the results hold both."""
    for arguments in (
        ("--requests", "40", "--clients", "0"),
        ("--requests", "0", "--clients", "2", "--mib", "1"),
    ):
        run_tool("benchmarks.memory", *arguments, results=tmp_path)
    parts = json.loads((tmp_path / "memory.json").read_text())
    assert [part["name"] for part in parts] == ["Mixed requests", "Slow clients of one study"]
    assert all(part["name"] in (tmp_path / "memory.md").read_text() for part in parts)
    assert (tmp_path / "memory.png").exists()
