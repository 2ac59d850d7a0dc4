"""What the catalog keeps of an instance: normal forms, and that anything at all can be stored."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomweb.catalog.columns import (
    BlobPlace,
    bulkdata_index,
    compress,
    decompress,
    new_instance,
    series_columns,
    study_columns,
)
from dicomweb.catalog.pool import Pool
from dicomweb.dicom import levels
from dicomweb.dicom.part10 import BulkValue, scan
from dicomweb.dicom.target import Target
from tests.builders import make_instance as make_part10
from tests.catalog.rows import add, in_catalog, make_instance, make_scan, new_tenant

ONE = Target("1.2", "1.2.1", "1.2.1.1")

_scalars = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.text("\0\ud800\x7f\\^=*?%_'\"\n", max_size=10),
    st.just("A" * 5000),
    st.just("ﷺ" * 600),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from(["20240101", "2024.13.01", "1230", "99999999", "1e999", "-0"]),
    st.sampled_from([b"1.50", b"1e400", b'"text"', b"{}", b"[]"]).map(lambda text: orjson.Fragment(text)),
    st.fixed_dictionaries(
        {}, optional={"Alphabetic": st.text(max_size=20), "Ideographic": st.just("山田^太郎")}
    ),
)
_elements = st.one_of(
    st.builds(lambda vr: {"vr": vr}, st.sampled_from(["LO", "PN", "UN"])),
    st.builds(lambda found: {"vr": "LO", "Value": found}, st.lists(_scalars, max_size=4)),
    st.just({"vr": "UN", "InlineBinary": "AAAA"}),
    st.just({"vr": "OB", "BulkDataURI": "00081030"}),
)
_items = st.builds(
    lambda items: {"vr": "SQ", "Value": items},
    st.lists(st.dictionaries(st.sampled_from(["00400009", "00401001", "00100020"]), _elements), max_size=3),
)
_TAGS = sorted({*levels.STUDY, *levels.SERIES, *levels.INSTANCE} - {"0020000D", "0020000E", "00080018"})
_attributes = st.dictionaries(st.sampled_from(_TAGS), st.one_of(_elements, _items), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attributes=_attributes)
def test_whatever_an_instance_carries_can_be_stored(database_url: str, attributes: dict[str, Any]) -> None:
    """The scan gives JSON that orjson can write; nothing else is sure about a value."""
    clean = {tag: element for tag, element in attributes.items() if _is_json(element)}
    new = make_instance(ONE, attributes=clean)

    async def scenario(pool: Pool) -> None:
        assert await add(pool, new_tenant(), new) == ["stored"]

    in_catalog(database_url, scenario)


def _is_json(element: Any) -> bool:
    try:
        orjson.dumps(element)
    except TypeError:  # half a surrogate pair: the scan replaces it (J-15)
        return False
    return True


def test_study_columns_are_normalised_for_matching() -> None:
    columns = study_columns(
        "1.2",
        {
            "00080020": {"vr": "DA", "Value": ["20240229"]},
            "00080030": {"vr": "TM", "Value": ["1230"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎"}]},
            "00100020": {"vr": "LO", "Value": [" MRN-1 "]},
            "00101000": {"vr": "LO", "Value": ["A", "B"]},
            "00101002": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["B"]}}, {}]},
        },
    )
    assert columns.study_date == 20240229
    assert columns.study_time_from == 12.5 * 3600 * 1_000_000
    assert columns.study_time_to == columns.study_time_from + 60_000_000 - 1
    assert columns.started_from is not None
    assert columns.started_to == columns.started_from + 60_000_000 - 1
    assert columns.patient_name == "muller^jorg"
    assert columns.patient_name_groups is not None
    assert columns.patient_name_groups.startswith("\nmuller^jorg\n山田^太郎\n")
    assert columns.patient_id == "MRN-1"
    assert columns.other_patient_ids == ["A", "B"]
    assert columns.accession_number is None


def test_request_attributes_stay_in_step() -> None:
    items = [
        {"00401001": {"vr": "SH", "Value": ["R1"]}},
        {"00400009": {"vr": "SH", "Value": ["S2"]}, "00401001": {"vr": "SH", "Value": ["R2"]}},
    ]
    columns = series_columns("1.2.1", {"00400275": {"vr": "SQ", "Value": items}})
    assert columns.scheduled_procedure_step_ids == ["", "S2"]
    assert columns.requested_procedure_ids == ["R1", "R2"]


def test_fragments_hold_their_level_and_empty_required_attributes() -> None:
    new = make_instance(ONE, attributes={"00080060": {"vr": "CS", "Value": ["CT"]}, "00091001": {"vr": "LO"}})
    study = orjson.loads(new.study_attributes)
    series = orjson.loads(new.series_attributes)
    instance = orjson.loads(new.instance_attributes)
    for fragment, required in (
        (study, levels.REQUIRED_OF_STUDY),
        (series, levels.REQUIRED_OF_SERIES),
        (instance, levels.REQUIRED_OF_INSTANCE),
    ):
        assert list(fragment) == sorted(fragment)
        assert set(required) <= set(fragment)
    assert study["00100010"] == {"vr": "PN"}
    assert series["00080060"] == {"vr": "CS", "Value": ["CT"]}
    assert instance["00080018"] == {"vr": "UI", "Value": [ONE.instance]}
    assert "00091001" not in study.keys() | series.keys() | instance.keys()


def test_no_attribute_belongs_to_two_levels_but_those_of_every_level() -> None:
    tables = [set(levels.STUDY), set(levels.SERIES), set(levels.INSTANCE)]
    every = set.intersection(*tables)
    assert every == {"00080005", "00080201"}
    assert sum(map(len, tables)) == len(set.union(*tables)) + 2 * len(every)


def test_bulkdata_is_named_by_its_path_below_the_base_at_any_depth() -> None:
    deep = {"vr": "SQ", "Value": [{"00091002": {"vr": "OB", "BulkDataURI": "00091001/0/00091002"}}]}
    liar = {"vr": "LT", "Value": ['"BulkDataURI":"/elsewhere"']}
    new = make_instance(
        ONE,
        attributes={"00091001": deep, "00204000": liar},
        bulkdata=(BulkValue("00091001/0/00091002", "OB", 400, 2000),),
    )
    metadata = orjson.loads(decompress(new.metadata))
    place = "/studies/1.2/series/1.2.1/instances/1.2.1.1/bulkdata/00091001/0/00091002"
    assert metadata["00091001"]["Value"][0]["00091002"]["BulkDataURI"] == place
    assert metadata["00204000"] == liar
    assert new.bulkdata is not None
    assert orjson.loads(decompress(new.bulkdata)) == {"00091001/0/00091002": ["OB", 400, 2000]}


def test_a_scanned_object_and_its_inflated_copy_are_placed() -> None:
    found = scan([make_part10(rows=4, columns=4)])
    new = new_instance(found, BlobPlace("received", 7, 900), inflated=BlobPlace("inflated", 0, 2000))
    assert new.blob_keys == ("received", "inflated")
    assert new.sop_instance_uid == found.sop_instance_uid
    assert (new.instance.blob_offset, new.instance.blob_length) == (7, 900)
    assert new.instance.number_of_frames == 1
    assert orjson.loads(decompress(new.metadata)).keys() == found.attributes.keys()


@pytest.mark.parametrize(
    ("value", "frames"),
    [(2**40, 2**31 - 1), (-3, 0), ("x", 0), ("1e9", 10**9)],
)
def test_a_claimed_number_of_frames_fits_its_column(value: object, frames: int) -> None:
    found = make_scan(ONE, attributes={"00280008": {"vr": "IS", "Value": [value]}})
    assert new_instance(found, BlobPlace("key", 0, 1)).instance.number_of_frames == frames


@given(text=st.binary())
def test_compression_is_reversible(text: bytes) -> None:
    assert decompress(compress(text)) == text


def test_the_bulkdata_index_is_plain_json() -> None:
    assert bulkdata_index((BulkValue("7FE00010", "OW", 1, 2),)) == b'{"7FE00010":["OW",1,2]}'
