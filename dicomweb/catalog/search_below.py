"""Which studies the first series or instances of a search lie in: pure.

Every study has a series and every series an instance, so results of a search whose keys speak of studies lie
in as many studies as results are wanted, at most: a search for studies, which finds them in order.
"""

from __future__ import annotations

from dataclasses import replace

from dicomweb.protocol.search_key import TextIs
from dicomweb.protocol.search_query import Key, Level, SearchQuery
from dicomweb.protocol.search_response import home_level

_MODALITY, _MODALITIES_IN_STUDY = (0x00080060,), (0x00080061,)
# Of deep pages, each study before them would be found first.
_MOST_OFFSET = 1000


def studies_above(query: SearchQuery) -> SearchQuery | None:
    """The search for studies that have the results of this one, each some; None where keys ask for more."""
    if query.level == Level.STUDY or not query.keys or query.offset > _MOST_OFFSET:
        return None
    if query.study_instance_uid or query.series_instance_uid:
        return None
    keys = tuple(map(_of_study, query.keys))
    paths = {key.path for key in keys if key is not None}
    if None in keys or len(paths) < len(keys):
        return None
    return replace(query, level=Level.STUDY, keys=tuple(filter(None, keys)), offset=0)


def _of_study(key: Key) -> Key | None:
    """The key as one of studies: a study has the modalities of its series."""
    if key.path == _MODALITY and isinstance(key.test, TextIs):
        return replace(key, path=_MODALITIES_IN_STUDY)
    return key if home_level(key.path[0]) == Level.STUDY else None
