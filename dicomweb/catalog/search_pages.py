"""One page of a search in one statement: its rows, in order, and how many matches are known: pure.

Ids are found first, thin, where it can be in an index that runs in the order of answers and holds all they
are found by; the rows of the page are joined to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.catalog.search_beginnings import beginning_of, beginning_studies
from dicomweb.catalog.search_below import studies_above
from dicomweb.catalog.search_columns import COLUMNS, Arguments, conditions
from dicomweb.catalog.search_modalities import modalities_of, studies_of_modalities
from dicomweb.catalog.search_names import name_ranges, named_studies
from dicomweb.catalog.search_statements import (
    STUDY_ORDER,
    Statement,
    after_ranges,
    matching_ids,
    matching_studies,
    plan_of,
)
from dicomweb.protocol.next_page import StudyPlace
from dicomweb.protocol.search_key import TextIs, Within
from dicomweb.protocol.search_query import Key, Level, SearchQuery
from dicomweb.protocol.search_response import REMAINING_CAP, Selection, home_level

# Rows that are read by the statement that finds them. Longer answers are read while they are written.
SHORT_PAGE = 100


@dataclass(frozen=True, slots=True)
class PageStatement:
    """A statement with columns `known`, `counted`, and those of a row; one line for each row of the page.

    known: matches that were found, on the page and beyond it. counted: how many beyond it were looked for.
    planned_once: whether the best plan is the same whatever is looked for.
    """

    sql: str
    arguments: tuple[object, ...]
    planned_once: bool


def page_statement(query: SearchQuery, selection: Selection, tenant_id: int, *, page: int) -> PageStatement:
    """The first rows of a page, SHORT_PAGE at most, of a query whose keys all have columns."""
    arguments = Arguments()
    if _is_first_in_order(query):
        return _first_in_order(query, selection, tenant_id, arguments, page)
    found, planned_once = _found(query, tenant_id, arguments, page)
    shown = arguments.add(min(page, SHORT_PAGE), "::int")
    sql = f"""
        WITH found AS MATERIALIZED ({found})
        SELECT coalesce(found.at_least, cardinality(found.ids)) AS known, found.counted,
               {_columns(query.level, selection)}
          FROM found, unnest(found.ids[:{shown}]) WITH ORDINALITY AS page (id, place)
               {_JOINS[query.level]}
         ORDER BY page.place
    """  # noqa: S608
    return PageStatement(sql, tuple(arguments.values), planned_once)


def _is_first_in_order(query: SearchQuery) -> bool:
    """Whether the first studies of one index are the page."""
    return query.level == Level.STUDY and not query.offset and query.after is None and _is_planned_once(query)


def _first_in_order(
    query: SearchQuery, selection: Selection, tenant_id: int, arguments: Arguments, page: int
) -> PageStatement:
    """The rows as the index finds them: by their ids twice as many blocks were read, all over the disk."""
    where = matching_studies(query, tenant_id, arguments)
    most = arguments.add(page + REMAINING_CAP + 1, "::bigint")
    shown = arguments.add(min(page, SHORT_PAGE), "::bigint")
    ordered = f"FROM study WHERE {where} ORDER BY {STUDY_ORDER} LIMIT"
    matches = f"SELECT started_from {ordered} {most}"
    sql = f"""
        WITH found AS MATERIALIZED (SELECT count(*) AS known FROM ({matches}) AS matches)
        SELECT found.known, {REMAINING_CAP + 1} AS counted, {_columns(query.level, selection)}
          FROM found, (SELECT * {ordered} {shown}) AS study
         ORDER BY study.started_from DESC NULLS LAST, study.study_instance_uid
    """  # noqa: S608
    return PageStatement(sql, tuple(arguments.values), planned_once=True)


def _found(query: SearchQuery, tenant_id: int, arguments: Arguments, page: int) -> tuple[str, bool]:
    """SELECT of `ids`, `at_least` and `counted`, and whether it is planned once.

    at_least: how many matches there are, where that is known otherwise than by the ids.
    """
    if ranges := name_ranges(query):
        return named_studies(query, ranges, tenant_id, arguments, page=page), True
    if begun := beginning_of(query):
        return beginning_studies(query, begun, tenant_id, arguments, page=page), True
    if above := studies_above(query):
        return _found_below(query, above, tenant_id, arguments, page)
    modalities = modalities_of(query)
    planned_once = bool(modalities) or _is_planned_once(query)
    counted = REMAINING_CAP + 1 if planned_once else 1 if is_walk(query) else _COUNTED_BELOW
    if modalities:
        ids = studies_of_modalities(query, modalities, tenant_id, arguments, limit=page + counted)
    else:
        ids = matching_ids(query, tenant_id, arguments, limit=page + counted)
    return f"SELECT ARRAY({ids}) AS ids, NULL::bigint AS at_least, {counted} AS counted", planned_once


def _found_below(
    query: SearchQuery, above: SearchQuery, tenant_id: int, arguments: Arguments, page: int
) -> tuple[str, bool]:
    """The same of a search whose results are in the first studies of another one."""
    limit = page + _COUNTED_BELOW
    studies, planned_once = _found(above, tenant_id, arguments, query.offset + limit)
    # No more of them than results: a search for studies also counts on.
    first = f"(SELECT ids[:{arguments.add(query.offset + limit, '::int')}] FROM studies)::bigint[]"  # noqa: S608
    ids = matching_ids(query, tenant_id, arguments, limit=limit, studies=first)
    sql = (
        f"WITH studies AS MATERIALIZED ({studies})"
        f" SELECT ARRAY({ids}) AS ids, NULL::bigint AS at_least, {_COUNTED_BELOW} AS counted"
    )
    return sql, planned_once


# --- columns ---------------------------------------------------------------------------------------

_JOINS = {
    Level.STUDY: "JOIN study ON study.id = page.id",
    Level.SERIES: "JOIN series ON series.id = page.id JOIN study ON study.id = series.study_row",
    Level.INSTANCE: (
        "JOIN instance ON instance.id = page.id JOIN series ON series.id = instance.series_row"
        " JOIN study ON study.id = series.study_row"
    ),
}
# In the order of the fields of StudyRow, SeriesRow (without its study) and InstanceRow (without its series).
_COLUMNS = {
    Level.STUDY: (
        "study.study_instance_uid, study.modalities, study.sop_classes, study.number_of_series,"
        " study.number_of_instances, study.attributes, study.started_from"
    ),
    Level.SERIES: "series.series_instance_uid, series.number_of_instances, series.attributes",
    Level.INSTANCE: (
        "instance.sop_instance_uid, instance.transfer_syntax_uid, instance.attributes, NULL,"
        " instance.sop_class_uid, instance.pixel_layout"
    ),
}
# Of a level that only its UID is sent of: the same fields, empty.
_UID_ONLY = {
    Level.STUDY: "study.study_instance_uid, '{}'::text[], '{}'::text[], 0, 0, '{}'::bytea, NULL::bigint",
    Level.SERIES: "series.series_instance_uid, 0, '{}'::bytea",
}


def _columns(level: Level, selection: Selection) -> str:
    return ", ".join(
        _COLUMNS[one] if one == level or selection.needs(one) else _UID_ONLY[one]
        for one in Level
        if one <= level
    )


# --- plans and counts ------------------------------------------------------------------------------

# Keys of studies that stand in an index together with the order of answers.
_STUDY_UID, _STUDY_DATE, _STUDY_TIME = 0x0020000D, 0x00080020, 0x00080030
_ORDERED = (0x00100020, 0x00080050)
# Matches beyond a page that are looked for over several tables: each may be the only one of many rows.
_COUNTED_BELOW = 101


def _is_planned_once(query: SearchQuery) -> bool:
    """Whether an index gives the page in order, or the path says in which study to look."""
    if query.level > Level.STUDY:
        return bool(query.study_instance_uid)
    return all(map(_is_ordered, query.keys))


def _is_ordered(key: Key) -> bool:
    match key.test:
        case Within():
            return key.path == (_STUDY_DATE,)
        case TextIs(values=(_,)):
            return key.path[0] in _ORDERED or key.path == (_STUDY_UID,)
        case TextIs():
            return key.path == (_STUDY_UID,)
    return False


def is_walk(query: SearchQuery) -> bool:
    """Whether the page may be found by looking at studies in their order, one after the other.

    Many match, or few: who counts on might look at very many. remaining_statement knows where to stop.
    """
    return query.level == Level.STUDY and all(home_level(key.path[0]) == Level.STUDY for key in query.keys)


# Studies that are looked at for the count of what remains behind a page of a walk.
COUNTED_STUDIES = 1000


def remaining_statement(query: SearchQuery, tenant_id: int, last: StudyPlace) -> Statement:
    """Of the studies that follow the last one of a page: how many match, and how many were looked at.

    Both are counts of at most COUNTED_STUDIES of those with a date, and as many of those without.
    """
    arguments = Arguments()
    tenant, most = arguments.add(tenant_id), arguments.add(COUNTED_STUDIES, "::bigint")
    dates = [key for key in query.keys if key.path == (_STUDY_DATE,)]
    walked = [f"study.tenant_id = {tenant}", *conditions(dates, arguments)]
    # No more than is asked: dates and modalities stand in the index.
    names = {"study.started_from", *(name for key in query.keys for name in COLUMNS[key.path].names)}
    if any(key.path == (_STUDY_TIME,) for key in query.keys):
        names.add("study.started_to")
    studies = f"SELECT {', '.join(sorted(names))} FROM study WHERE"  # noqa: S608
    parts = [
        f"({studies} {' AND '.join([*walked, one])} ORDER BY {STUDY_ORDER} LIMIT {most})"
        for one in after_ranges(last, arguments)
    ]
    matches = " AND ".join(conditions(plan_of(query).declared[Level.STUDY], arguments))
    sql = (
        f"SELECT count(*) FILTER (WHERE {matches}), count(*)"  # noqa: S608
        f" FROM ({' UNION ALL '.join(parts)}) AS study"
    )
    return Statement(sql, tuple(arguments.values))
