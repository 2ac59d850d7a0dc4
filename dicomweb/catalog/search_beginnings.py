"""Studies by the beginning of a patient's ID or of an accession number, newest first: pure.

The index of the value holds the order of answers too: of a beginning that not too many studies have, all its
entries are read and sorted. One that more have is met soon by who looks at studies in their order. Which,
the statement finds out itself: the planner, which goes by statistics, reads the rows of either.
"""

# ruff: noqa: S608 - the statements are put together from constants of our modules and placeholders only.

from __future__ import annotations

from dicomweb.catalog.search_columns import COLUMNS, Arguments, conditions
from dicomweb.catalog.search_patterns import beginning
from dicomweb.catalog.search_statements import STUDY_ORDER, THIN_COLUMNS, THIN_STUDIES, after_ranges
from dicomweb.protocol.search_key import TextLike, Within
from dicomweb.protocol.search_query import Key, Level, SearchQuery
from dicomweb.protocol.search_response import REMAINING_CAP

_PATIENT_ID, _ACCESSION_NUMBER, _STUDY_DATE = (0x00100020,), (0x00080050,), (0x00080020,)
# Entries of the index that are sorted: some 15 ms, while a page of a beginning that as many of five million
# studies have is among some 2,600 rows.
_MOST_SORTED = 50_000
_MOST_OFFSET = 1000


def beginning_of(query: SearchQuery) -> Key | None:
    """The key of such a search for studies, None where it asks otherwise or for more than that and a date."""
    keys = [key for key in query.keys if key.path != _STUDY_DATE]
    dates = [key for key in query.keys if key.path == _STUDY_DATE]
    if query.level != Level.STUDY or query.offset > _MOST_OFFSET or len(keys) != 1:
        return None
    (key,) = keys
    if key.path not in (_PATIENT_ID, _ACCESSION_NUMBER) or not all(isinstance(d.test, Within) for d in dates):
        return None
    is_beginning = isinstance(key.test, TextLike) and beginning(key.test.pattern) is not None
    return key if is_beginning else None


def beginning_studies(
    query: SearchQuery, key: Key, tenant_id: int, arguments: Arguments, *, page: int
) -> str:
    """SELECT of `ids`, `at_least` and `counted` of these studies, in order."""
    assert isinstance(key.test, TextLike)
    bounds = beginning(key.test.pattern)
    assert bounds is not None
    first, end = map(arguments.add, bounds)
    (column,) = COLUMNS[key.path].names
    studies = f"{THIN_STUDIES} WHERE study.tenant_id = {arguments.add(tenant_id)}"
    few = arguments.add(_MOST_SORTED, "::bigint")
    most = arguments.add(page + 1 + REMAINING_CAP, "::bigint")
    next_one = arguments.add(query.offset + page + 1, "::bigint")
    offset = arguments.add(query.offset, "::bigint")
    dates = conditions([one for one in query.keys if one.path == _STUDY_DATE], arguments)
    after = after_ranges(query.after, arguments)
    narrowed = [*dates, f"({' OR '.join(after)})"] if after else dates
    sorted_ones = (
        f"{THIN_COLUMNS} FROM few AS study WHERE {' AND '.join(['NOT (SELECT are FROM many)', *narrowed])}"
    )
    # As something that the index does not hold: else sorting looks cheaper to the planner.
    walked = [
        studies,
        "(SELECT are FROM many)",
        f"({column} || '') >= {first}",
        f"({column} || '') < {end}",
        *dates,
    ]
    parts = [sorted_ones]
    for later in after or ["TRUE"]:
        parts.append(f"({' AND '.join([*walked, later])} ORDER BY {STUDY_ORDER} LIMIT {next_one})")
    return f"""
        WITH few AS MATERIALIZED ({studies} AND {column} >= {first} AND {column} < {end} LIMIT {few}),
             many AS MATERIALIZED (SELECT count(*) >= {few} AS are FROM few),
             page AS MATERIALIZED (SELECT ARRAY(
                 SELECT id FROM ({" UNION ALL ".join(parts)}) AS found
                  ORDER BY {STUDY_ORDER} LIMIT {most} OFFSET {offset}) AS ids)
        SELECT ids, NULL::bigint AS at_least, CASE WHEN are THEN 1 ELSE {REMAINING_CAP + 1} END AS counted
          FROM page, many
    """
