"""What PostgreSQL does for every kind of search, by EXPLAIN: no plan may cost more as the archive grows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.studies import Study
from dicomweb.catalog.pool import Connection, connection, create_pool, lookup_connection
from dicomweb.catalog.search_pages import page_statement
from dicomweb.protocol.search_query import Level, parse_search
from dicomweb.protocol.search_response import REMAINING_CAP, select
from dicomweb.settings import DEFAULT_TENANT

_PAGE = 25
# Rows that a search may touch: its page and the capped count, each joined over up to three levels, and the
# candidates that an intersection of trigrams gives up again.
MOST_ROWS = 4 * (REMAINING_CAP + _PAGE)


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What one search did. scans: the tables and indexes it read.

    rows: rows and index entries that it read there, dropped ones too. blocks: of 8 KiB, that it touched.
    """

    query: str
    level: str
    scans: tuple[str, ...]
    rows: int
    blocks: int
    ms: float

    @property
    def is_bounded(self) -> bool:
        """Whether it touched no more than an answer may need."""
        return self.rows <= MOST_ROWS


def queries(study: Study) -> Iterator[tuple[str, Level]]:
    """One query of every kind that a study answers, and some that nothing answers."""
    name, year = study.patient_name, study.study_date[:4]
    day = f"StudyDate={study.study_date}"
    dates = f"StudyDate={year}0101-{year}1231"
    studies = (
        *(
            "",
            "offset=1000",
            f"cursor={10**17},1.2",
            f"StudyInstanceUID={study.uid}",
            f"PatientID={study.patient_id}",
        ),
        *("PatientID=nobody", f"PatientID={study.patient_id[:6]}*", "PatientID=*77", "PatientSex=F"),
        *(f"AccessionNumber={study.accession_number}", f"StudyID={study.study_id}"),
        *(f"PatientName={name[:4]}*", f"PatientName={name[:2]}*", f"PatientName={name[0]}*"),
        *(f"PatientName={name}", f"PatientName=*{name[2:6]}*", f"PatientName={name[:4]}*&{dates}"),
        *("PatientName=zzzz*", f"PatientName={name[0]}?{name[2:4]}*"),
        *(f"PatientName={name[:4]}&fuzzymatching=true", f"{day}&PatientName={name[:3]}*"),
        *(f"ReferringPhysicianName={study.referring_physician_name[:4]}*", "StudyDescription=*thorax*"),
        *(day, dates, f"StudyDate={year}0101-", "StudyDate=19000101-19001231", f"{dates}&StudyTime=10-12"),
        *("ModalitiesInStudy=CT", "ModalitiesInStudy=PT", "ModalitiesInStudy=XX"),
        *(f"ModalitiesInStudy=PT&{dates}", f"PatientBirthDate={study.patient_birth_date}"),
        *("IssuerOfPatientID=none", f"SeriesInstanceUID={study.series_uid(1)}"),
        f"SOPInstanceUID={study.instance_uid(1, 1)}",
    )
    yield from ((query, Level.STUDY) for query in studies)
    series = ("", "Modality=MG", "Modality=XX", f"PatientID={study.patient_id}", f"PatientName={name[:4]}*")
    yield from ((query, Level.SERIES) for query in series)
    instances = ("", f"StudyInstanceUID={study.uid}", "SOPClassUID=1.9", f"PatientID={study.patient_id}")
    yield from ((query, Level.INSTANCE) for query in instances)


async def search_plans(url: str, study: Study) -> list[SearchPlan]:
    """Run each search as the archive does, and say what it touched."""
    pool = await create_pool(url)
    found = []
    try:
        for query, level in queries(study):
            parsed = parse_search(query.encode(), level)
            statement = page_statement(parsed, select(parsed), DEFAULT_TENANT, page=_PAGE)
            connected = lookup_connection if statement.planned_once else connection
            async with connected(pool) as db:
                plan = await explained(db, statement.sql, statement.arguments)
            found.append(_search_plan(query, level, plan))
    finally:
        await pool.close()
    return found


async def explained(db: Connection, sql: str, arguments: Sequence[object]) -> dict[str, Any]:
    """What PostgreSQL did, planned as the session says: EXPLAIN of a statement itself sees its arguments."""
    await db.execute(f"PREPARE explained AS {sql}")
    try:
        values = ", ".join(map(_literal, arguments))
        execute = f"EXECUTE explained ({values})" if arguments else "EXECUTE explained"
        text = await db.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
    finally:
        await db.execute("DEALLOCATE explained")
    (plan,) = json.loads(text)
    return dict(plan)


def _literal(value: object) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(map(_literal, value))}]"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def _search_plan(query: str, level: Level, plan: Mapping[str, Any]) -> SearchPlan:
    nodes = list(_nodes(plan["Plan"]))
    return SearchPlan(
        query=query,
        level=level.name.lower(),
        scans=tuple(dict.fromkeys(filter(None, map(_scan, nodes)))),
        rows=sum(map(_rows, nodes)),
        blocks=plan["Plan"].get("Shared Hit Blocks", 0) + plan["Plan"].get("Shared Read Blocks", 0),
        ms=plan["Execution Time"],
    )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _scan(node: Mapping[str, Any]) -> str:
    where = node.get("Index Name") or node.get("Relation Name")
    return f"{node['Node Type']} {where}" if "Scan" in node["Node Type"] and where else ""


def _rows(node: Mapping[str, Any]) -> int:
    if not _scan(node):
        return 0
    dropped = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows = node["Actual Rows"] + sum(node.get(name, 0) for name in dropped)
    return int(rows * node["Actual Loops"])
