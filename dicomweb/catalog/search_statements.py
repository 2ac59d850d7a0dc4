"""A SearchQuery as SQL: pure. Fixed names and $n only; what a client wrote is an argument (Q-39)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.catalog.search_columns import Arguments, conditions, is_declared
from dicomweb.protocol.next_page import StudyPlace
from dicomweb.protocol.search_query import Key, Level, SearchQuery
from dicomweb.protocol.search_response import home_level

_TABLES = {Level.STUDY: "study", Level.SERIES: "series", Level.INSTANCE: "instance"}
_FROM = {
    Level.STUDY: "study",
    Level.SERIES: "study JOIN series ON series.study_row = study.id",
    Level.INSTANCE: (
        "study JOIN series ON series.study_row = study.id JOIN instance ON instance.series_row = series.id"
    ),
}
# Below a row of the level: what EXISTS looks into.
_BELOW = {
    (Level.STUDY, Level.SERIES): "series WHERE series.study_row = study.id",
    (Level.STUDY, Level.INSTANCE): (
        "series JOIN instance ON instance.series_row = series.id WHERE series.study_row = study.id"
    ),
    (Level.SERIES, Level.INSTANCE): "instance WHERE instance.series_row = series.id",
}
# Numbers ascending without number last, as the indexes run.
_ORDER = {
    Level.STUDY: "study.started_from DESC NULLS LAST, study.study_instance_uid",
    Level.SERIES: "series.series_number, series.series_instance_uid",
    Level.INSTANCE: "instance.instance_number, instance.sop_instance_uid",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its arguments."""

    sql: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys of a query by who answers them.

    declared: by columns, per level. undeclared: by stored JSON, per level.
    depth: the lowest level whose rows the statement runs over.
    """

    declared: dict[Level, list[Key]]
    undeclared: dict[Level, list[Key]]
    depth: Level


def plan_of(query: SearchQuery) -> Plan:
    declared: dict[Level, list[Key]] = {level: [] for level in Level}
    undeclared: dict[Level, list[Key]] = {level: [] for level in Level}
    by_filter = {key.path[0] for key in query.keys if not is_declared(key)}
    for key in query.keys:
        level = home_level(key.path[0])
        if is_declared(key):
            declared[level].append(key)
        if key.path[0] in by_filter:
            # With an undeclared key of the same sequence it must meet in one item: asked again there.
            undeclared[level].append(key)
    depth = max([query.level, *(level for level in Level if undeclared[level])])
    return Plan(declared, undeclared, depth)


def matching_statement(query: SearchQuery, tenant_id: int, *, page: int, limit: int) -> Statement:
    """Ids of the matching rows in the total order, for a query whose keys all have columns: one array.

    Of studies also where the last one of a full page stands, at the same moment.
    """
    arguments = Arguments()
    ids = f"SELECT ARRAY({matching_ids(query, tenant_id, arguments, limit=limit)}) AS ids"
    if query.level > Level.STUDY:
        return Statement(ids, tuple(arguments.values))
    last = arguments.add(page, "::int")
    sql = (
        f"WITH found AS MATERIALIZED ({ids})"  # noqa: S608
        " SELECT ids, started_from, study_instance_uid"
        f" FROM found LEFT JOIN study ON study.id = ids[{last}]"
    )
    return Statement(sql, tuple(arguments.values))


def matching_ids(
    query: SearchQuery, tenant_id: int, arguments: Arguments, *, limit: int, studies: str = ""
) -> str:
    """SQL of these ids, in one column; its arguments are added.

    studies: SQL of an array of the ids of studies that they are in, where that is known.
    """
    plan = plan_of(query)
    table, source = _TABLES[query.level], _FROM[plan.depth]
    where = _where(query, plan, tenant_id, arguments)
    if studies:
        where += f" AND study.id = ANY({studies})"
    page = Window(arguments.add(limit, "::bigint"), arguments.add(query.offset, "::bigint"))
    ranges = after_ranges(query.after, arguments)
    if ranges:
        return merged_ids([f"{THIN_COLUMNS} FROM {source} WHERE {where} AND {one}" for one in ranges], page)
    return f"SELECT {table}.id FROM {source} WHERE {where} ORDER BY {_order(query)} {page}"  # noqa: S608


def matching_studies(query: SearchQuery, tenant_id: int, arguments: Arguments) -> str:
    """The condition of the studies that match, of a search for studies."""
    return _where(query, plan_of(query), tenant_id, arguments)


# --- pages behind another one ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """Which of the matches a statement gives: placeholders of their number and of how many to pass over."""

    limit: str
    offset: str

    def __str__(self) -> str:
        return f"LIMIT {self.limit} OFFSET {self.offset}"


# Of studies: what they are sorted by, and their ids with it.
STUDY_ORDER = "started_from DESC NULLS LAST, study_instance_uid"
THIN_COLUMNS = "SELECT study.id, study.started_from, study.study_instance_uid"
THIN_STUDIES = f"{THIN_COLUMNS} FROM study"


def after_ranges(after: StudyPlace | None, arguments: Arguments) -> list[str]:
    """What comes after a study, each a range of the index of the order: with a date, and without one."""
    if after is None:
        return []
    uid = arguments.add(after.study_instance_uid)
    if after.started_from is None:
        return [f"study.started_from IS NULL AND study.study_instance_uid > {uid}"]
    start = arguments.add(after.started_from, "::bigint")
    later = f"(study.started_from < {start} OR study.study_instance_uid > {uid})"
    return [f"study.started_from <= {start} AND {later}", "study.started_from IS NULL"]


def merged_ids(selects: Sequence[str], page: Window) -> str:
    """Ids in order out of selects of studies (id, started_from, study_instance_uid), each asked in order."""
    ordered = [f"({one} ORDER BY {STUDY_ORDER} LIMIT {page.limit} + {page.offset})" for one in selects]
    union = " UNION ALL ".join(ordered)
    return f"SELECT id FROM ({union}) AS merged ORDER BY {STUDY_ORDER} {page}"  # noqa: S608


def candidates_statement(query: SearchQuery, tenant_id: int, *, limit: int) -> Statement:
    """Id of the result and the stored JSON to be asked, in the total order; a result may have several rows.

    Columns: id, study_attributes, series_attributes, the place of the study, metadata; attributes and
    metadata are null where no key asks them.
    """
    plan = plan_of(query)
    arguments = Arguments()
    where = _where(query, plan, tenant_id, arguments)
    ranges = after_ranges(query.after, arguments)
    if ranges:
        where += f" AND ({' OR '.join(ranges)})"
    documents = {
        Level.STUDY: "study.attributes",
        Level.SERIES: "series.attributes",
        Level.INSTANCE: "instance_metadata.metadata",
    }
    study, series, metadata = (
        documents[level] if plan.undeclared[level] else "NULL::bytea" for level in documents
    )
    wanted = f"{study}, {series}, study.started_from, study.study_instance_uid, {metadata}"
    source = _FROM[plan.depth]
    if plan.undeclared[Level.INSTANCE]:
        source += " JOIN instance_metadata ON instance_metadata.instance_row = instance.id"
    sql = (
        f"SELECT {_TABLES[query.level]}.id, {wanted} FROM {source} WHERE {where}"  # noqa: S608
        f" ORDER BY {_order(query)} LIMIT {arguments.add(limit)}"
    )
    return Statement(sql, tuple(arguments.values))


def _where(query: SearchQuery, plan: Plan, tenant_id: int, arguments: Arguments) -> str:
    tenant = arguments.add(tenant_id)
    found = [f"{_TABLES[level]}.tenant_id = {tenant}" for level in Level if level <= plan.depth]
    if query.study_instance_uid:
        found.append(f"study.study_instance_uid = {arguments.add(query.study_instance_uid)}")
    if query.series_instance_uid:
        found.append(f"series.series_instance_uid = {arguments.add(query.series_instance_uid)}")
    for level in Level:
        if level <= plan.depth:
            found += _level_conditions(plan, level, arguments)
    deepest = max(level for level in Level if plan.declared[level] or level == plan.depth)
    if deepest > plan.depth:
        found.append(_exists_below(plan, deepest, tenant, arguments))
    return " AND ".join(found)


def _level_conditions(plan: Plan, level: Level, arguments: Arguments) -> list[str]:
    found = conditions(plan.declared[level], arguments)
    if level == Level.INSTANCE:
        found.append("instance.superseded_at IS NULL")
    return found


def _exists_below(plan: Plan, deepest: Level, tenant: str, arguments: Arguments) -> str:
    """Keys of levels below the result: some one row there satisfies all of them (Q-12)."""
    levels = [level for level in Level if plan.depth < level <= deepest]
    found = [f"{_TABLES[level]}.tenant_id = {tenant}" for level in levels]
    for level in levels:
        found += _level_conditions(plan, level, arguments)
    return f"EXISTS (SELECT 1 FROM {_BELOW[plan.depth, deepest]} AND {' AND '.join(found)})"  # noqa: S608


def _order(query: SearchQuery) -> str:
    """The total order: upper levels first, unless the path fixes them (Q-47)."""
    fixed = {Level.STUDY: query.study_instance_uid, Level.SERIES: query.series_instance_uid}
    return ", ".join(_ORDER[level] for level in Level if level <= query.level and not fixed.get(level))
