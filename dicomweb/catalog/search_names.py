"""Studies by the beginning of a patient's name, newest first, however many have it: pure.

One index holds the names in their order, one the studies of each first two characters in the order of
answers. Where few have the name, all of them are taken from the first and sorted; where many have it, the
second meets enough of them soon. Which it is, the statement finds out itself: few are as many as are counted,
so that neither way reads more as the archive grows.
"""

# ruff: noqa: S608 - the statements are put together from constants of our modules and placeholders only.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.catalog.search_columns import Arguments, conditions
from dicomweb.catalog.search_patterns import beginning, has_groups
from dicomweb.catalog.search_statements import STUDY_ORDER, THIN_COLUMNS, THIN_STUDIES, after_ranges
from dicomweb.protocol.search_key import NameLike, Within, has_wildcard
from dicomweb.protocol.search_query import Level, SearchQuery
from dicomweb.protocol.search_response import REMAINING_CAP

_PATIENT_NAME, _STUDY_DATE = (0x00100010,), (0x00080020,)
# Beyond it more than those few would be passed over.
_MOST_OFFSET = 1000
# Characters that study_patient_name_start goes by.
_START = 2


@dataclass(frozen=True, slots=True)
class NameRange:
    """Folded names from `first` up to, and without, `end`, in the order of their characters' numbers.

    start: what all of them begin with, as far as study_patient_name_start tells names apart.
    """

    first: str
    end: str
    start: str


def name_ranges(query: SearchQuery) -> tuple[NameRange, ...]:
    """The names that a search for studies asks for, empty where it asks otherwise or for more than that."""
    by_path = {key.path: key for key in query.keys}
    name = by_path.pop(_PATIENT_NAME, None)
    date = by_path.pop(_STUDY_DATE, None)
    is_plain = query.level == Level.STUDY and query.offset <= _MOST_OFFSET and not by_path
    if not is_plain or name is None or not (date is None or isinstance(date.test, Within)):
        return ()
    match name.test:
        case NameLike(patterns=patterns) if all(map(_is_range, patterns)):
            return tuple(map(_range, patterns))
    return ()


def _is_range(pattern: str) -> bool:
    """Whether it is a name, or the beginning of one that is not too short for study_patient_name_start."""
    bounds = beginning(pattern)
    return len(bounds[0]) >= _START if bounds else not has_wildcard(pattern)


def _range(pattern: str) -> NameRange:
    # No text lies between a name and that name with the first of all characters.
    first, end = beginning(pattern) or (pattern, f"{pattern}\x01")
    return NameRange(first, end, first[:_START])


# --- SQL -------------------------------------------------------------------------------------------

_FIRST = "study.patient_name"
# The same as something that study_patient_name does not hold: else that index, and sorting, look cheaper to
# the planner, which does not know how many studies have the name.
_UNSORTED = f"({_FIRST} || '')"
# Component groups beside the first one, each with the condition of its index (schemas/sql/0002).
_SECOND = r"split_part(study.patient_name_groups, E'\n', 3)"
_THIRD = r"split_part(study.patient_name_groups, E'\n', 4)"
_HAS_SECOND, _HAS_THIRD, _HAS_MORE = (has_groups("study.patient_name_groups", count) for count in (2, 3, 4))


def named_studies(
    query: SearchQuery, ranges: Sequence[NameRange], tenant_id: int, arguments: Arguments, *, page: int
) -> str:
    """SELECT of `ids`, `at_least` and `counted` of the studies whose patient has such a name, in order."""
    studies = f"{THIN_STUDIES} WHERE study.tenant_id = {arguments.add(tenant_id)}"
    few = arguments.add(query.offset + page + 1 + REMAINING_CAP, "::bigint")
    most = arguments.add(page + 1 + REMAINING_CAP, "::bigint")
    offset = arguments.add(query.offset, "::bigint")
    bounds = [(arguments.add(one.first), arguments.add(one.end)) for one in ranges]
    dates = conditions([key for key in query.keys if key.path == _STUDY_DATE], arguments)
    after = after_ranges(query.after, arguments)
    narrowed = [*dates, f"({' OR '.join(after)})"] if after else dates
    parts = [f"{studies} AND {one}" for one in _by_other_groups(query, bounds, arguments)]
    parts.append(f"{THIN_COLUMNS} FROM few AS study WHERE NOT (SELECT are FROM many)")
    parts = [" AND ".join([part, *narrowed]) for part in parts]
    next_one = f"{arguments.add(page + 1, '::bigint')} + {offset}"
    for one, bound in zip(ranges, bounds, strict=True):
        start = f"left({_FIRST}, {_START}) = {arguments.add(one.start)}"
        for later in after or ["TRUE"]:
            walked = [studies, "(SELECT are FROM many)", start, _within(_UNSORTED, [bound]), *dates, later]
            parts.append(f"({' AND '.join(walked)} ORDER BY {STUDY_ORDER} LIMIT {next_one})")
    taken = " UNION ALL ".join(f"{studies} AND {_within(_FIRST, [bound])}" for bound in bounds)
    return f"""
        WITH few AS MATERIALIZED ({taken} LIMIT {few}),
             many AS MATERIALIZED (SELECT count(*) >= {few} AS are FROM few),
             page AS MATERIALIZED (SELECT ARRAY(
                 SELECT id FROM ({" UNION ALL ".join(parts)}) AS found
                  ORDER BY {STUDY_ORDER} LIMIT {most} OFFSET {offset}) AS ids)
        SELECT ids,
               CASE WHEN are AND NOT {bool(narrowed)} THEN {most} END AS at_least,
               CASE WHEN are AND {bool(narrowed)} THEN 1 ELSE {REMAINING_CAP + 1} END AS counted
          FROM page, many
    """


def _within(column: str, bounds: Sequence[tuple[str, str]]) -> str:
    found = [f"({column} >= {first} AND {column} < {end})" for first, end in bounds]
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def _by_other_groups(
    query: SearchQuery, bounds: Sequence[tuple[str, str]], arguments: Arguments
) -> list[str]:
    """Studies that have such a name in another component group only: next to none, or all of a country's."""
    first, second, third = (_within(column, bounds) for column in (_FIRST, _SECOND, _THIRD))
    (anywhere,) = conditions([key for key in query.keys if key.path == _PATIENT_NAME], arguments)
    return [
        f"{_HAS_SECOND} AND {second} AND {first} IS NOT TRUE",
        f"{_HAS_THIRD} AND {third} AND {first} IS NOT TRUE AND {second} IS NOT TRUE",
        f"{_HAS_MORE} AND {anywhere} AND ({first} OR {second} OR {third}) IS NOT TRUE",
    ]
