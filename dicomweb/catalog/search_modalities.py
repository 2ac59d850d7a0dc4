"""Studies of one modality or a few, newest first, however rare or old it is: pure.

study_modality holds the modalities of studies in the order of answers (schemas/sql/0004).
"""

# ruff: noqa: S608 - the statements are put together from constants of our modules and placeholders only.

from __future__ import annotations

from dicomweb.catalog.search_columns import Arguments, conditions
from dicomweb.protocol.search_key import TextIs, Within
from dicomweb.protocol.search_query import Level, SearchQuery

_MODALITIES, _STUDY_DATE = (0x00080061,), (0x00080020,)
# Of more, each page would sort more rows than the usual way looks at.
_MOST_MODALITIES = 5
_NO_DATE = -1


def modalities_of(query: SearchQuery) -> tuple[str, ...]:
    """The modalities that a search for studies asks for; none where it asks for more than that and a date."""
    by_path = {key.path: key for key in query.keys}
    modalities = by_path.pop(_MODALITIES, None)
    date = by_path.pop(_STUDY_DATE, None)
    is_plain = query.level == Level.STUDY and not by_path and (date is None or isinstance(date.test, Within))
    if not is_plain or modalities is None or not isinstance(modalities.test, TextIs):
        return ()
    asked = modalities.test.values
    return asked if len(asked) <= _MOST_MODALITIES else ()


def studies_of_modalities(
    query: SearchQuery, modalities: tuple[str, ...], tenant_id: int, arguments: Arguments, *, limit: int
) -> str:
    """SQL of ids in one column: the first `limit` matches after the query's offset."""
    most, offset = arguments.add(limit, "::bigint"), arguments.add(query.offset, "::bigint")
    where = [f"study.tenant_id = {arguments.add(tenant_id)}", *_narrowed(query, arguments)]
    parts = [
        f"(SELECT study_row, started_from, study_instance_uid FROM study_modality AS study"
        f" WHERE {' AND '.join([*where, f'study.modality = {arguments.add(one)}'])}"
        f" ORDER BY {_ORDER} LIMIT {most} + {offset})"
        for one in modalities
    ]
    return (
        f"SELECT study_row FROM ({' UNION '.join(parts)}) AS found"
        f" ORDER BY {_ORDER} LIMIT {most} OFFSET {offset}"
    )


_ORDER = "started_from DESC, study_instance_uid"


def _narrowed(query: SearchQuery, arguments: Arguments) -> list[str]:
    """Conditions on the date, and on what comes after the page before."""
    found = conditions([key for key in query.keys if key.path == _STUDY_DATE], arguments)
    if found:
        found.append(f"study.started_from > {_NO_DATE}")
    if query.after is not None:
        started = query.after.started_from
        start = arguments.add(_NO_DATE if started is None else started, "::bigint")
        uid = arguments.add(query.after.study_instance_uid)
        found.append(f"study.started_from <= {start}")
        found.append(f"(study.started_from < {start} OR study.study_instance_uid > {uid})")
    return found
