"""Which attribute has a typed column, and what a test of it is in SQL: pure.

SQL text holds fixed column names and $n only; everything a client wrote is an argument, with LIKE's own
characters escaped (Q-39). protocol/search_filter.py is the same meaning in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dicomweb.catalog.search_patterns import (
    beginning,
    escape_like,
    group_expression,
    has_groups,
    like,
    like_with_case,
    with_case,
)
from dicomweb.dicom.matching import day_moment
from dicomweb.protocol.attribute_path import Path
from dicomweb.protocol.search_filter import predicate
from dicomweb.protocol.search_key import (
    ANY,
    AllOf,
    AnyOf,
    Empty,
    NameHasWord,
    NameLike,
    NumberIs,
    Test,
    TextIs,
    TextLike,
    Within,
    has_wildcard,
)
from dicomweb.protocol.search_query import Key, Level


@dataclass(slots=True)
class Arguments:
    """Arguments of one statement, in the order of their $n."""

    values: list[object] = field(default_factory=list)

    def add(self, value: object, cast: str = "") -> str:
        """The placeholder of a value, with a cast where PostgreSQL cannot see the type."""
        self.values.append(value)
        return f"${len(self.values)}{cast}"


@dataclass(frozen=True, slots=True)
class Column:
    """Where the values of an attribute lie.

    names: column names with their table; what they mean is the business of `condition`.
    exact: an empty column means an empty attribute (a date that is none leaves its column empty too).
    """

    level: Level
    condition: Callable[[tuple[str, ...], Test, Arguments], str]
    names: tuple[str, ...]
    exact: bool = True


# --- one test --------------------------------------------------------------------------------------


def _text(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    (column,) = names
    match test:
        case TextIs(values=(value,)):
            return f"{column} = {arguments.add(value)}"
        case TextIs():
            return f"{column} = ANY({arguments.add(list(test.values), '::text[]')})"
        case TextLike():
            return _like(column, test.pattern, arguments)
    return _not_of_this_kind(test)


def _like(column: str, pattern: str, arguments: Arguments) -> str:
    """A pattern. How a text begins is a range, for which no index of trigrams is taken: it would read every
    row that matches, where the other index holds what answers are sorted by."""
    if bounds := beginning(pattern):
        first, end = map(arguments.add, bounds)
        return f"({column} >= {first} AND {column} < {end})"
    return f"{column} LIKE {arguments.add(like(pattern))}"


def _description(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    """A text that has an index of trigrams only."""
    (column,) = names
    if not isinstance(test, TextLike):
        return _text(names, test, arguments)
    found = f"{with_case(column)} LIKE {arguments.add(like_with_case(test.pattern))}"
    return f"({found} AND {column} LIKE {arguments.add(like(test.pattern))})"


def _texts(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    (column,) = names
    match test:
        case TextIs():
            return f"{column} && {arguments.add(list(test.values), '::text[]')}"
        case TextLike():
            pattern = arguments.add(like(test.pattern))
            return f"EXISTS (SELECT 1 FROM unnest({column}) AS one WHERE one LIKE {pattern})"  # noqa: S608
    return _not_of_this_kind(test)


def _name(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    """A person name: its first group for prefixes by B-tree, all groups and words by trigrams."""
    first, groups = names
    match test:
        case NameLike():
            return _or([_name_like(first, groups, pattern, arguments) for pattern in test.patterns])
        case NameHasWord():
            found = [f"{groups} LIKE {arguments.add(f'%{_TAB}{escape_like(test.word)}%')}"]
            if test.sound:
                found.append(f"{groups} LIKE {arguments.add(f'%{_TAB}~{test.sound}{_TAB}%')}")
            return _or(found)
    return _not_of_this_kind(test)


_TAB = "\t"


def _name_like(first: str, groups: str, pattern: str, arguments: Arguments) -> str:
    start = "%" if pattern.startswith(ANY) else "%\n"
    end = "%" if pattern.endswith(ANY) else "\n%"
    inner = pattern.strip(ANY)
    is_anchored = not pattern.startswith(ANY)
    # The trigrams of one letter before a wildcard are in half of all names: not as their index holds them.
    searched = f"({groups} || '')" if is_anchored and has_wildcard(inner) else groups
    condition = f"{searched} LIKE {arguments.add(start + like(inner) + end)}"
    if has_wildcard(inner):
        # The wildcards of LIKE also run over the end of a group.
        condition = f"({condition} AND {searched} ~ {arguments.add(group_expression(pattern))})"
    if not is_anchored:
        return condition
    return f"({_like(first, pattern, arguments)} OR ({has_groups(groups, 2)} AND {condition}))"


def _numeric(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    (column,) = names
    match test:
        case NumberIs():
            return f"{column} = {arguments.add(test.value, '::float8')}"
    return _not_of_this_kind(test)


def _date(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    (column,) = names
    match test:
        case Within():
            return _between(column, column, test.first, test.last, arguments)
    return _not_of_this_kind(test)


def _time(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    start, end = names
    match test:
        case Within():
            return _between(start, end, test.first, test.last, arguments)
    return _not_of_this_kind(test)


def _day_started(names: tuple[str, ...], test: Test, arguments: Arguments) -> str:
    """A study date by the moments of its day, which carry the index that orders the answers."""
    (started_from,) = names
    match test:
        case Within():
            first = None if test.first is None else day_moment(test.first)[0]
            last = None if test.last is None else day_moment(test.last)[1]
            return _between(started_from, started_from, first, last, arguments)
    return _not_of_this_kind(test)


def _online(_names: tuple[str, ...], test: Test, _arguments: Arguments) -> str:
    """Instance Availability: everything the catalog knows is at hand."""
    return "TRUE" if predicate(test, "CS")(["ONLINE"]) else "FALSE"


def _between(start: str, end: str, first: int | None, last: int | None, arguments: Arguments) -> str:
    """Whether [start, end] of the row and [first, last] of the key share anything."""
    conditions = []
    if last is not None:
        conditions.append(f"{start} <= {arguments.add(last)}")
    if first is not None:
        conditions.append(f"{end} >= {arguments.add(first)}")
    return "(" + " AND ".join(conditions) + ")"


def _or(conditions: list[str]) -> str:
    return conditions[0] if len(conditions) == 1 else "(" + " OR ".join(conditions) + ")"


def _not_of_this_kind(test: Test) -> str:
    raise TypeError(f"{type(test).__name__} is no test of this column")


# --- the table -------------------------------------------------------------------------------------

_Columns = dict[Path, Column]
_EXACT = (_text, _description, _texts, _name)


def _of(level: Level, table: str, rows: Mapping[int, tuple[object, ...]]) -> _Columns:
    found: _Columns = {}
    for tag, (condition, *names) in rows.items():
        assert callable(condition)
        qualified = tuple(f"{table}.{name}" for name in names)
        found[(tag,)] = Column(level, condition, qualified, exact=condition in _EXACT)
    return found


COLUMNS: _Columns = {
    **_of(
        Level.STUDY,
        "study",
        {
            0x0020000D: (_text, "study_instance_uid"),
            0x00080020: (_day_started, "started_from"),
            0x00080030: (_time, "study_time_from", "study_time_to"),
            0x00080050: (_text, "accession_number"),
            0x00080056: (_online,),
            0x00080061: (_texts, "modalities"),
            0x00080062: (_texts, "sop_classes"),
            0x00080090: (_name, "referring_physician_name", "referring_physician_name_groups"),
            0x00081030: (_description, "study_description"),
            0x00100010: (_name, "patient_name", "patient_name_groups"),
            0x00100020: (_text, "patient_id"),
            0x00100021: (_text, "issuer_of_patient_id"),
            0x00100030: (_date, "patient_birth_date"),
            0x00100040: (_text, "patient_sex"),
            0x00101000: (_texts, "other_patient_ids"),
            0x00200010: (_text, "study_id"),
            0x00201206: (_numeric, "number_of_series"),
            0x00201208: (_numeric, "number_of_instances"),
        },
    ),
    **_of(
        Level.SERIES,
        "series",
        {
            0x0020000E: (_text, "series_instance_uid"),
            0x00080060: (_text, "modality"),
            0x00080070: (_text, "manufacturer"),
            0x00080080: (_text, "institution_name"),
            0x00081010: (_text, "station_name"),
            0x0008103E: (_text, "series_description"),
            0x00081090: (_text, "manufacturer_model_name"),
            0x00180015: (_text, "body_part_examined"),
            0x00200011: (_numeric, "series_number"),
            0x00201209: (_numeric, "number_of_instances"),
            0x00400244: (_date, "performed_procedure_step_start_date"),
            0x00400245: (
                _time,
                "performed_procedure_step_start_time_from",
                "performed_procedure_step_start_time_to",
            ),
        },
    ),
    **_of(
        Level.INSTANCE,
        "instance",
        {
            0x00080016: (_text, "sop_class_uid"),
            0x00080018: (_text, "sop_instance_uid"),
            0x00080023: (_date, "content_date"),
            0x00083002: (_text, "transfer_syntax_uid"),
            0x00200013: (_numeric, "instance_number"),
        },
    ),
}

# Items of Request Attributes Sequence: two arrays, one element an item.
REQUEST_ATTRIBUTES = 0x00400275
_REQUEST_ITEMS = (
    "unnest(series.scheduled_procedure_step_ids, series.requested_procedure_ids)"
    " AS item (scheduled_procedure_step_id, requested_procedure_id)"
)
_REQUEST_ITEM: dict[Path, str] = {
    (REQUEST_ATTRIBUTES, 0x00400009): "item.scheduled_procedure_step_id",
    (REQUEST_ATTRIBUTES, 0x00401001): "item.requested_procedure_id",
}


def is_declared(key: Key) -> bool:
    """Whether a column answers the key, exactly."""
    if key.path in _REQUEST_ITEM:
        return True
    column = COLUMNS.get(key.path)
    return column is not None and (column.exact or not _has_empty(key.test))


def _has_empty(test: Test) -> bool:
    if isinstance(test, AnyOf | AllOf):
        return any(map(_has_empty, test.tests))
    return isinstance(test, Empty)


def conditions(keys: list[Key], arguments: Arguments) -> list[str]:
    """The keys, all of them declared and of one level, as conditions to be joined by AND."""
    by_path = {key.path: key for key in keys}
    found = []
    for date_tag, time_tag, combine in _PAIRS:
        date, time = by_path.get((date_tag,)), by_path.get((time_tag,))
        if date and time and _is_range(date.test) and _is_range(time.test):
            found.append(combine(date.test, time.test, arguments))
            del by_path[date.path], by_path[time.path]
    item_keys = [key for key in by_path.values() if key.path in _REQUEST_ITEM]
    if item_keys:
        found.append(_same_item(item_keys, arguments))
    found += [_condition(key, arguments) for key in by_path.values() if key.path not in _REQUEST_ITEM]
    return found


def _condition(key: Key, arguments: Arguments) -> str:
    column = COLUMNS[key.path]
    return _tested(column.condition, column.names, key.test, arguments)


def _tested(
    condition: Callable[[tuple[str, ...], Test, Arguments], str],
    names: tuple[str, ...],
    test: Test,
    arguments: Arguments,
) -> str:
    match test:
        case AnyOf():
            return _or([_tested(condition, names, one, arguments) for one in test.tests])
        case AllOf():
            return "(" + " AND ".join(_tested(condition, names, one, arguments) for one in test.tests) + ")"
        case Empty() if condition is _online:
            return "FALSE"
        case Empty() if condition is _texts:
            return f"coalesce(cardinality({names[0]}), 0) = 0"
        case Empty():
            return f"{names[-1]} IS NULL"
    return condition(names, test, arguments)


def _same_item(keys: list[Key], arguments: Arguments) -> str:
    """All keys of Request Attributes Sequence in one and the same item (Q-28)."""
    tests = " AND ".join(_item_condition(_REQUEST_ITEM[key.path], key.test, arguments) for key in keys)
    return f"EXISTS (SELECT 1 FROM {_REQUEST_ITEMS} WHERE {tests})"  # noqa: S608


def _item_condition(column: str, test: Test, arguments: Arguments) -> str:
    # An item without the value holds an empty text, so that the two arrays stay in step.
    return _tested(_text, (f"nullif({column}, '')",), test, arguments)


# --- a date and a time as one interval (Q-26) ------------------------------------------------------


def _is_range(test: Test) -> bool:
    return isinstance(test, Within) and test.is_range


def _study_started(date: Test, time: Test, arguments: Arguments) -> str:
    assert isinstance(date, Within)
    assert isinstance(time, Within)
    found = []
    if date.last is not None:
        end = day_moment(date.last)
        last = end[1] if time.last is None else end[0] + time.last
        found.append(f"study.started_from <= {arguments.add(last)}")
    if date.first is not None:
        midnight = day_moment(date.first)[0]
        found.append(f"study.started_to >= {arguments.add(midnight + (time.first or 0))}")
        # Says nothing new, but bounds the index: a study starts and ends within one day.
        found.append(f"study.started_from >= {arguments.add(midnight)}")
    return "(" + " AND ".join(found) + ")"


def _procedure_step_started(date: Test, time: Test, arguments: Arguments) -> str:
    assert isinstance(date, Within)
    assert isinstance(time, Within)
    day = "series.performed_procedure_step_start_date"
    start, end = f"{day.removesuffix('date')}time_from", f"{day.removesuffix('date')}time_to"
    found = []
    if date.last is not None:
        last = arguments.add(date.last)
        late = "" if time.last is None else f" AND {start} > {arguments.add(time.last)}"
        found.append(f"{day} <= {last}" + (f" AND ({day} = {last}{late}) IS NOT TRUE" if late else ""))
    if date.first is not None:
        first = arguments.add(date.first)
        early = "" if time.first is None else f" AND {end} < {arguments.add(time.first)}"
        found.append(f"{day} >= {first}" + (f" AND ({day} = {first}{early}) IS NOT TRUE" if early else ""))
    return "(" + " AND ".join(found) + ")"


_PAIRS = (
    (0x00080020, 0x00080030, _study_started),
    (0x00400244, 0x00400245, _procedure_step_started),
)
