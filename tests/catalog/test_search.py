"""Searches of a real catalog, held against Python that knows neither SQL nor our normal forms of columns."""

from __future__ import annotations

import asyncio
import functools
import random
import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomweb.catalog.columns import BlobPlace, decompress, new_instance, series_columns, study_columns
from dicomweb.catalog.instances import add_instances
from dicomweb.catalog.pool import Pool, connection, create_pool
from dicomweb.catalog.search import SearchBudget, find_matches, find_page, read_rows
from dicomweb.catalog.search_columns import Arguments, conditions
from dicomweb.catalog.search_statements import matching_statement
from dicomweb.dicom.part10 import scan
from dicomweb.errors import TooLarge
from dicomweb.protocol.search_filter import predicate
from dicomweb.protocol.search_query import Key, Level, parse_search
from dicomweb.protocol.search_response import ResultWriter, select
from tests.builders import make_dataset, write_instance

TENANT = 1
BASE = "http://archive.test/dicomweb"
BUDGET = SearchBudget(rows=10_000, seconds=20)
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

T = TypeVar("T")


# --- the archive under test ------------------------------------------------------------------------


@dataclass(frozen=True)
class Catalog:
    """A catalog with instances in it, and an event loop to ask it from plain tests."""

    runner: asyncio.Runner
    pool: Pool

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        async def go() -> T:
            return await call()

        return self.runner.run(go())

    def store(self, datasets: Sequence[Dataset]) -> None:
        scans = [scan([write_instance(dataset, EXPLICIT_LITTLE)]) for dataset in datasets]
        new = [new_instance(one, BlobPlace(f"blob-{one.sop_instance_uid}", 0, 100)) for one in scans]
        sizes = {one.instance.blob_key: 100 for one in new}
        self.run(lambda: add_instances(self.pool, TENANT, new, duplicates="reject", blobs=sizes))

    def search(
        self,
        query: str,
        level: Level = Level.STUDY,
        *,
        study: str = "",
        series: str = "",
        page: int = 1000,
        budget: SearchBudget = BUDGET,
    ) -> tuple[list[dict[str, Any]], int]:
        """The results as JSON and how many are known to remain; a short page is the same either way."""
        parsed = parse_search(query.encode(), level, study_instance_uid=study, series_instance_uid=series)
        limit = page if parsed.limit is None else min(parsed.limit, page)
        selection = select(parsed)
        writer = ResultWriter(selection, BASE, inflate=decompress)

        async def ask() -> tuple[list[dict[str, Any]], int]:
            found = await find_matches(self.pool, TENANT, parsed, page=limit, budget=budget)
            rows = await read_rows(self.pool, selection, found.ids)
            results = [orjson.loads(writer.write(row)) for row in rows]
            short = await find_page(self.pool, TENANT, parsed, selection, page=limit, budget=budget)
            if short is not None:
                assert [orjson.loads(writer.write(row)) for row in short.rows] == results
                assert short.remaining == found.remaining
            return results, found.remaining.count

        return self.run(ask)

    def uids(self, query: str, level: Level = Level.STUDY, **options: Any) -> list[str]:
        return [uid_of(result, level) for result in self.search(query, level, **options)[0]]


def uid_of(result: dict[str, Any], level: Level) -> str:
    uid: str = result[UID_TAGS[level]]["Value"][0]
    return uid


UID_TAGS = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}
UID_KEYWORDS = {
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.INSTANCE: "SOPInstanceUID",
}

NAMES = [
    "Müller^Jörg", "MULLER^ANNA", "Meier^Hans", "Mayr^Johanna", "Doe^John", "DOE^JANE", "Doe", "O'Neil^Shaun",
    "Yamada^Tarou=山田^太郎=やまだ^たろう", "van der Berg^Piet", "100%_real^Name", "",
]  # fmt: skip
DATES = ["20060704", "20060705", "20060706", "20060707", "20240229", "", "19991231"]
TIMES = ["", "0959", "1000", "120000", "1800", "180001", "235959.999999", "2230"]
IDS = ["P1", "P2", "p1", "P_1", "P%1", "A*1", "x\\y"]


def made_studies(seed: int = 7) -> list[Dataset]:
    """Instances of some studies in which each level's attributes agree, as they should."""
    draw = random.Random(seed)
    made = []
    for study in range(24):
        of_study = {
            "StudyInstanceUID": f"1.2.{study}",
            "PatientName": draw.choice(NAMES),
            "PatientID": draw.choice(IDS[:-1]),
            "PatientSex": draw.choice(["M", "F", ""]),
            "PatientBirthDate": draw.choice(DATES),
            "StudyDate": draw.choice(DATES),
            "StudyTime": draw.choice(TIMES),
            "AccessionNumber": draw.choice(["A1", "A2", ""]),
            "StudyID": draw.choice(["1", "01", "S"]),
            "StudyDescription": draw.choice(["CT Head, Neck", "ct head", "Öre 100%", "[a-z]", ""]),
            "PatientAge": draw.choice(["030Y", "031Y", ""]),
            "PatientComments": draw.choice(["seen twice", "Seen once", ""]),
        }
        for series in range(draw.randint(1, 3)):
            of_series = {
                "SeriesInstanceUID": f"1.2.{study}.{series}",
                "Modality": draw.choice(["CT", "MR", "PT", ""]),
                "SeriesNumber": draw.choice(["1", "2", "10", None]),
                "SeriesDescription": draw.choice(["axial", "Axial 2", ""]),
                "BodyPartExamined": draw.choice(["HEAD", "CHEST"]),
                "PerformedProcedureStepStartDate": draw.choice(DATES),
                "PerformedProcedureStepStartTime": draw.choice(TIMES),
                "ProtocolName": draw.choice(["routine", "special*"]),
                "RequestAttributesSequence": [request_item(draw) for _ in range(draw.randint(0, 3))],
            }
            made += [made_instance(draw, of_study, of_series, number) for number in range(draw.randint(1, 3))]
    return made


def request_item(draw: random.Random) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID = draw.choice(["S1", "S2", ""])
    item.RequestedProcedureID = draw.choice(["R1", "R2", ""])
    item.AccessionNumber = draw.choice(["X", "Y"])
    return item


def made_instance(
    draw: random.Random, of_study: dict[str, Any], of_series: dict[str, Any], number: int
) -> Dataset:
    code = Dataset()
    code.CodeValue = draw.choice(["T-1", "T-2"])
    code.CodeMeaning = draw.choice(["one", "two"])
    of_instance = {
        "SOPInstanceUID": f"{of_series['SeriesInstanceUID']}.{number}",
        "InstanceNumber": draw.choice(["1", "02", "3", None]),
        "ContentDate": draw.choice(DATES),
        "ImageType": draw.choice([["ORIGINAL", "PRIMARY"], ["DERIVED", "PRIMARY", "MPR"], ["DERIVED"]]),
        "KVP": draw.choice(["120", "1.2E2", "80.0", None]),
        "AcquisitionDateTime": draw.choice(["20060705", "200607", "20060705120000.5", ""]),
        "DerivationCodeSequence": [code],
        "SpecificCharacterSet": "ISO_IR 192",
    }
    attributes = {**of_study, **of_series, **of_instance}
    return make_dataset(
        with_pixels=False,
        attributes={name: value for name, value in attributes.items() if value is not None}
        | {name: None for name, value in attributes.items() if value is None and name in MADE_BY_BUILDER},
    )


MADE_BY_BUILDER = {"SeriesNumber", "InstanceNumber"}


class Datasets(list[Dataset]):
    """Data sets that do not fill a screen when a test fails."""

    def __repr__(self) -> str:
        return f"<{len(self)} data sets>"


@pytest.fixture(scope="module")
def datasets() -> Datasets:
    return Datasets(made_studies())


@pytest.fixture(scope="module")
def catalog(database_url: str, datasets: Datasets) -> Iterator[Catalog]:
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(database_url))
        archive = Catalog(runner, pool)
        archive.store(datasets)
        yield archive
        runner.run(pool.close())


# --- the oracle ------------------------------------------------------------------------------------

Matcher = Callable[[Dataset], bool]


@dataclass(frozen=True)
class Criterion:
    """A query parameter and what it means, said over a pydicom data set."""

    parameter: str
    holds: Matcher

    def __repr__(self) -> str:
        return self.parameter


def values_of(dataset: Dataset, path: str) -> list[Any]:
    """Texts of an attribute, also in items; empty values are none."""
    first, _, rest = path.partition(".")
    element = dataset.get(first)
    if rest:
        return [value for item in (element or []) for value in values_of(item, rest)]
    listed = (
        list(element) if isinstance(element, list) or type(element).__name__ == "MultiValue" else [element]
    )
    return [str(value) for value in listed if value is not None and str(value) != ""]


def exact(path: str, value: str) -> Criterion:
    return Criterion(f"{path}={quote(value)}", lambda dataset: value in values_of(dataset, path))


def glob(path: str, pattern: str) -> Criterion:
    expression = re.compile(
        "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL
    )
    return Criterion(
        f"{path}={quote(pattern)}",
        lambda dataset: any(expression.fullmatch(value) for value in values_of(dataset, path)),
    )


def numeric(path: str, value: str) -> Criterion:
    return Criterion(
        f"{path}={value}", lambda dataset: any(float(v) == float(value) for v in values_of(dataset, path))
    )


def bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not 0x300 <= ord(char) < 0x370).lower()


def named(pattern: str) -> Criterion:
    expression = re.compile(
        "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in bare(pattern)), re.DOTALL
    )

    def holds(dataset: Dataset) -> bool:
        groups = str(dataset.get("PatientName", "")).split("=")
        return any(expression.fullmatch(bare(group)) for group in groups if group)

    return Criterion(f"PatientName={quote(pattern)}", holds)


def padded(text: str, fill: str) -> str:
    """A time of some precision as its first or last microsecond: HHMMSSFFFFFF."""
    digits = text.replace(".", "")
    return digits + fill[len(digits) :]


FIRST, LAST = "000000000000", "235959999999"


def between_dates(path: str, first: str, last: str) -> Criterion:
    parameter = f"{path}={first}" if first == last else f"{path}={first}-{last}"
    return Criterion(
        parameter,
        lambda dataset: any((first or "0") <= value <= (last or "9") for value in values_of(dataset, path)),
    )


def between_times(path: str, first: str, last: str) -> Criterion:
    parameter = f"{path}={first}" if first == last else f"{path}={first}-{last}"
    return Criterion(
        parameter,
        lambda dataset: any(
            padded(value, FIRST) <= padded(last, LAST) and padded(value, LAST) >= padded(first, FIRST)
            for value in values_of(dataset, path)
        ),
    )


def started_between(
    date_key: str, time_key: str, dates: tuple[str, str], times: tuple[str, str]
) -> Criterion:
    """Two ranges as one interval of date and time (Q-26)."""

    def holds(dataset: Dataset) -> bool:
        date, time = dataset.get(date_key), str(dataset.get(time_key) or "")
        if not date:
            return False
        earliest, latest = date + padded(time, FIRST), date + padded(time, LAST)
        begins = dates[0] + padded(times[0], FIRST) if dates[0] else ""
        ends = dates[1] + padded(times[1], LAST) if dates[1] else "9"
        return bool(earliest <= ends and latest >= begins)

    return Criterion(f"{date_key}={'-'.join(dates)}&{time_key}={'-'.join(times)}", holds)


def in_one_item(sequence: str, **wanted: str) -> Criterion:
    parameters = "&".join(f"{sequence}.{name}={value}" for name, value in wanted.items())

    def holds(dataset: Dataset) -> bool:
        items = dataset.get(sequence) or []
        return any(all(item.get(name) == value for name, value in wanted.items()) for item in items)

    return Criterion(parameters, holds)


def ranges_of(values: list[str]) -> st.SearchStrategy[tuple[str, str]]:
    present = sorted(value for value in values if value)
    pairs = st.tuples(st.sampled_from(["", *present]), st.sampled_from(["", *present]))
    return pairs.map(lambda pair: (pair[0], pair[1]) if not pair[1] else (min(pair), max(pair))).filter(any)


_TIMES = ["", "10", "1000", "1759", "18"]


def moments_between(date_key: str, time_key: str) -> st.SearchStrategy[Criterion]:
    """Two ranges; that of times may end before it begins where the dates are a range of several days."""
    times = st.tuples(st.sampled_from(_TIMES), st.sampled_from(_TIMES)).filter(any)
    ranges = st.tuples(ranges_of(DATES), times).filter(
        lambda pair: pair[0][0] != pair[0][1] or not pair[1][1] or pair[1][0] <= pair[1][1]
    )
    return ranges.map(lambda pair: started_between(date_key, time_key, *pair))


REQUESTS = "RequestAttributesSequence"
PATTERNS = ["P*", "?1", "P?1", "*1", "*", "P%*", "P_*", "*x*"]

DECLARED: list[st.SearchStrategy[Criterion]] = [
    st.sampled_from([v for v in IDS[:-1] if "*" not in v]).map(lambda value: exact("PatientID", value)),
    st.sampled_from(PATTERNS[:4] + PATTERNS[5:]).map(lambda pattern: glob("PatientID", pattern)),
    st.sampled_from(
        ["müller*", "MULLER^*", "*^j*", "do?*", "doe^jane", "*山*", "や*", "100%_*", "%", "_*", "m*r^?*", "*"]
    ).map(named).filter(lambda criterion: not criterion.parameter.endswith("=%2A")),
    ranges_of(DATES).map(lambda pair: between_dates("StudyDate", *pair)),
    st.sampled_from(DATES[:5]).map(lambda date: between_dates("StudyDate", date, date)),
    ranges_of(["10", "1000", "1759", "18"]).map(lambda pair: between_times("StudyTime", *pair)),
    st.sampled_from(["10", "2230", "223000", "12"]).map(lambda time: between_times("StudyTime", time, time)),
    st.sampled_from(["A1", "A2"]).map(lambda value: exact("AccessionNumber", value)),
    st.sampled_from(["1", "01"]).map(lambda value: exact("StudyID", value)),
    st.sampled_from(["CT*", "*100%", "[*", "*, *"]).map(lambda value: glob("StudyDescription", value)),
    ranges_of(DATES).map(lambda pair: between_dates("PatientBirthDate", *pair)),
    st.sampled_from(["M", "F"]).map(lambda value: exact("PatientSex", value)),
    st.sampled_from(["CT", "MR"]).map(lambda value: exact("Modality", value)),
    st.sampled_from(["1", "01", "10.0"]).map(lambda value: numeric("SeriesNumber", value)),
    st.sampled_from(["axial*", "Axial ?"]).map(lambda value: glob("SeriesDescription", value)),
    st.sampled_from(["HEAD", "CHEST"]).map(lambda value: exact("BodyPartExamined", value)),
    st.sampled_from(["2", "3.0"]).map(lambda value: numeric("InstanceNumber", value)),
    ranges_of(DATES).map(lambda pair: between_dates("ContentDate", *pair)),
    st.sampled_from(["S1", "S2"]).map(
        lambda value: in_one_item(REQUESTS, ScheduledProcedureStepID=value)
    ),
    st.just(in_one_item(REQUESTS, ScheduledProcedureStepID="S1", RequestedProcedureID="R2")),
    moments_between("StudyDate", "StudyTime"),
    moments_between("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
]  # fmt: skip

UNDECLARED: list[st.SearchStrategy[Criterion]] = [
    st.sampled_from(["030Y", "031Y"]).map(lambda value: exact("PatientAge", value)),
    st.sampled_from(["[sS]een*", "?een *", "seen twice"]).map(lambda value: glob("PatientComments", value)),
    st.sampled_from(["routine", "special?", "r*e"]).map(lambda value: glob("ProtocolName", value)),
    st.sampled_from(["DERIVED", "MPR", "PRIMARY"]).map(lambda value: exact("ImageType", value)),
    st.sampled_from(["120", "80"]).map(lambda value: numeric("KVP", value)),
    st.sampled_from(["T-1", "T-2"]).map(lambda value: in_one_item("DerivationCodeSequence", CodeValue=value)),
    st.just(in_one_item("DerivationCodeSequence", CodeValue="T-1", CodeMeaning="two")),
    st.just(in_one_item(REQUESTS, ScheduledProcedureStepID="S1", AccessionNumber="X")),
]  # fmt: skip


def keywords(criteria: Sequence[Criterion]) -> list[str]:
    return [part.partition("=")[0] for one in criteria for part in one.parameter.split("&")]


QUERIES = st.lists(st.one_of(*DECLARED, *UNDECLARED), max_size=3).filter(
    lambda criteria: (
        len(set(keywords(criteria))) == len(keywords(criteria))
        and sum(name.startswith("RequestAttributesSequence") for name in keywords(criteria)) <= 2
        and sum("StudyDate" in name or "StudyTime" in name for name in keywords(criteria)) <= 2
    )
)


def combines(criteria: Sequence[Criterion]) -> bool:
    """Whether ranges that the oracle takes one by one would combine into an interval, or items would meet."""
    sources = [
        {name.partition(".")[0].replace("Time", "Date") for name in keywords([one])} for one in criteria
    ]
    return any(left & right for at, left in enumerate(sources) for right in sources[at + 1 :])


def number_or_last(text: object) -> tuple[bool, float]:
    return (text in (None, ""), float(str(text or 0)))


def order_of(dataset: Dataset, level: Level) -> tuple[Any, ...]:
    """The total order, naively: newest study first, then numbers, then UIDs."""
    date = dataset.get("StudyDate") or ""
    time = padded(str(dataset.get("StudyTime") or ""), FIRST)
    newest_first = tuple(-int(part) for part in (date or "0", time if date else "0"))
    order: list[Any] = [(not date, newest_first), dataset.StudyInstanceUID]
    if level >= Level.SERIES:
        order += [number_or_last(dataset.get("SeriesNumber")), dataset.SeriesInstanceUID]
    if level >= Level.INSTANCE:
        order += [number_or_last(dataset.get("InstanceNumber")), dataset.SOPInstanceUID]
    return tuple(order)


def expected(datasets: Sequence[Dataset], criteria: Sequence[Criterion], level: Level) -> list[str]:
    matching = [dataset for dataset in datasets if all(one.holds(dataset) for one in criteria)]
    ordered = sorted(matching, key=lambda dataset: order_of(dataset, level))
    return list(dict.fromkeys(str(dataset.get(UID_KEYWORDS[level])) for dataset in ordered))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(criteria=QUERIES, level=st.sampled_from(Level))
def test_every_search_finds_what_a_naive_matcher_finds_in_its_order(
    catalog: Catalog, datasets: Datasets, criteria: list[Criterion], level: Level
) -> None:
    if combines(criteria):
        return
    query = "&".join(one.parameter for one in criteria)
    assert catalog.uids(query, level) == expected(datasets, criteria, level)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(criteria=QUERIES, data=st.data())
def test_a_search_below_a_study_or_series_finds_its_share(
    catalog: Catalog, datasets: Datasets, criteria: list[Criterion], data: st.DataObject
) -> None:
    if combines(criteria):
        return
    one = data.draw(st.sampled_from(datasets))
    query = "&".join(criterion.parameter for criterion in criteria)
    in_study = [dataset for dataset in datasets if dataset.StudyInstanceUID == one.StudyInstanceUID]
    in_series = [dataset for dataset in in_study if dataset.SeriesInstanceUID == one.SeriesInstanceUID]
    study, series = str(one.StudyInstanceUID), str(one.SeriesInstanceUID)
    for level, found, options in [
        (Level.SERIES, in_study, {"study": study}),
        (Level.INSTANCE, in_study, {"study": study}),
        (Level.INSTANCE, in_series, {"study": study, "series": series}),
    ]:
        assert catalog.uids(query, level, **options) == expected(found, criteria, level)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(criteria=st.lists(st.one_of(*DECLARED, *UNDECLARED), max_size=1), level=st.sampled_from(Level),
       size=st.integers(1, 9))  # fmt: skip
def test_pages_in_a_row_are_the_whole_answer_and_their_count_is_exact(
    catalog: Catalog, criteria: list[Criterion], level: Level, size: int
) -> None:
    query = "&".join(one.parameter for one in criteria)
    whole = catalog.uids(query, level)
    pages: list[str] = []
    for offset in range(0, len(whole) + size, size):
        results, remaining = catalog.search(f"{query}&limit={size}&offset={offset}", level)
        assert remaining == max(0, len(whole) - offset - size)
        pages += [uid_of(result, level) for result in results]
    assert pages == whole


# --- one condition of SQL against the same test in Python -------------------------------------------


def sql_holds(catalog: Catalog, key: Key, columns: Any, table: str) -> bool:
    """The SQL of a key asked of one row that is no table's."""
    arguments = Arguments()
    (condition,) = conditions([key], arguments)
    names = [field.name for field in fields(columns)]
    placeholders = ", ".join(
        f"{arguments.add(value, _cast(name))} AS {name}"
        for name, value in zip(names, astuple(columns), strict=True)
    )
    sql = f"SELECT coalesce({condition}, false) FROM (SELECT {placeholders}) AS {table}"

    async def ask() -> bool:
        async with connection(catalog.pool) as db:
            result: bool = await db.fetchval(sql, *arguments.values)
            return result

    return catalog.run(ask)


def _cast(name: str) -> str:
    if name in ("modalities", "sop_classes", "other_patient_ids") or name.endswith("_ids"):
        return '::text[] COLLATE "C"'
    if name.endswith(("_from", "_to")):
        return "::bigint"
    if name.endswith("_date"):
        return "::integer"
    return "::float8" if name == "series_number" else '::text COLLATE "C"'


TRICKY = st.text(alphabet="ab%_\\.[]^$*?+(){}|'\"-~# \n\tÄß山", max_size=8)
PATTERN = st.text(alphabet="ab%_\\.[]^$*?+(){}|-~# Äß山", min_size=1, max_size=6)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TRICKY, pattern=PATTERN)
def test_wildcards_mean_the_same_in_sql_and_in_python(catalog: Catalog, text: str, pattern: str) -> None:
    query = parse_search(f"StudyDescription={quote(pattern)}".encode(), Level.STUDY)
    for key in query.keys:
        stored = {"00081030": {"vr": "LO", "Value": [text]}} if text else {}
        in_python = predicate(key.test, key.vr)([text] if text else [])
        assert sql_holds(catalog, key, study_columns("1", stored), "study") == in_python


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    groups=st.lists(st.text(alphabet="abÄ%_^ .*~山\\", max_size=7), min_size=1, max_size=3),
    pattern=st.text(alphabet="abä%_^ .*?=~山\\[", min_size=1, max_size=6),
    fuzzy=st.booleans(),
)
def test_names_mean_the_same_in_sql_and_in_python(
    catalog: Catalog, groups: list[str], pattern: str, fuzzy: bool
) -> None:
    query = f"PatientName={quote(pattern)}&fuzzymatching={str(fuzzy).lower()}"
    name = dict(zip(["Alphabetic", "Ideographic", "Phonetic"], groups, strict=False))
    for key in parse_search(query.encode(), Level.STUDY).keys:
        columns = study_columns("1", {"00100010": {"vr": "PN", "Value": [name]}})
        assert sql_holds(catalog, key, columns, "study") == predicate(key.test, key.vr)([name])


TIMES_OF_DAY = st.sampled_from(
    ["00", "10", "1000", "100030", "100030.5", "1001", "11", "2359", "235959.999999"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(stored=TIMES_OF_DAY, first=TIMES_OF_DAY, last=TIMES_OF_DAY)
def test_times_mean_the_same_in_sql_and_in_python(
    catalog: Catalog, stored: str, first: str, last: str
) -> None:
    first, last = sorted([first, last], key=lambda time: padded(time, FIRST))
    for value in (f"{first}-{last}", first, f"{first}-", f"-{last}", f"{first},{last}"):
        (key,) = parse_search(f"PerformedProcedureStepStartTime={value}".encode(), Level.SERIES).keys
        columns = series_columns("1", {"00400245": {"vr": "TM", "Value": [stored]}})
        assert sql_holds(catalog, key, columns, "series") == predicate(key.test, key.vr)([stored])


# --- single questions ------------------------------------------------------------------------------


def study_with(catalog: Catalog, uid: str, **attributes: Any) -> None:
    catalog.store([make_dataset(study_instance_uid=uid, with_pixels=False, attributes=attributes)])


@functools.cache
def _stored(catalog: Catalog) -> None:
    study_with(catalog, "2.1", PatientID="fuzzy", PatientName="Müller-Schmidt^Jörg Peter", Modality="CT")
    study_with(catalog, "2.2", PatientID="fuzzy", PatientName="Mueller^Anna", Modality="MR")
    study_with(catalog, "2.3", PatientID="fuzzy", PatientName="山田^太郎=ヤマダ^タロウ", Modality="",
               SpecificCharacterSet="ISO_IR 192")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("jorg mul", ["2.1"]), ("Peter Müller", ["2.1"]), ("muller", ["2.1", "2.2"]), ("smith", ["2.1"]),
        ("schm", ["2.1"]), ("uller", []), ("muller zzz", []), ("*ller*", ["2.1", "2.2"]), ("太", ["2.3"]),
        ("anna^muller", ["2.2"]),
    ],
)  # fmt: skip
def test_fuzzy_names_match_words_by_beginning_and_sound_in_any_order(
    catalog: Catalog, name: str, found: list[str]
) -> None:
    _stored(catalog)
    query = f"PatientID=fuzzy&PatientName={quote(name)}&fuzzymatching=true"
    assert sorted(catalog.uids(query)) == found


def test_empty_values_are_found_when_asked_for(catalog: Catalog, datasets: Datasets) -> None:
    for keyword in ("AccessionNumber", "StudyDate", "PatientName", "PatientAge"):
        without = {str(one.StudyInstanceUID) for one in datasets if not one.get(keyword)}
        found = catalog.uids(f'{keyword}=""&emptyvaluematching=true')
        assert {uid for uid in found if uid.startswith("1.2.")} == without


def test_modalities_are_those_of_all_series_and_may_all_be_demanded(
    catalog: Catalog, datasets: Datasets
) -> None:
    modalities: dict[str, set[str]] = {}
    for one in datasets:
        modalities.setdefault(one.StudyInstanceUID, set()).update([one.Modality] if one.Modality else [])
    results = catalog.search("ModalitiesInStudy=CT&StudyInstanceUID=" + ",".join(modalities))[0]
    assert {uid_of(result, Level.STUDY) for result in results} == {
        u for u, m in modalities.items() if "CT" in m
    }
    for result in results:
        assert set(result["00080061"]["Value"]) == modalities[uid_of(result, Level.STUDY)]
    both = catalog.uids(
        "ModalitiesInStudy=CT%5CPT&multiplevaluematching=true&StudyInstanceUID=" + ",".join(modalities)
    )
    assert set(both) == {uid for uid, found in modalities.items() if {"CT", "PT"} <= found}


def test_a_study_without_any_modality_has_no_modalities_in_study(catalog: Catalog) -> None:
    _stored(catalog)
    ((result,), _) = catalog.search("StudyInstanceUID=2.3")
    assert "00080061" not in result
    assert result["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_only_the_matching_items_of_a_sequence_are_returned(catalog: Catalog) -> None:
    key = "RequestAttributesSequence.ScheduledProcedureStepID=S1"
    results, _ = catalog.search(key, Level.SERIES)
    assert results
    for result in results:
        assert {item["00400009"]["Value"][0] for item in result["00400275"]["Value"]} == {"S1"}


def test_five_thousand_uids_are_one_search(catalog: Catalog) -> None:
    uids = ",".join(f"9.9.{number}" for number in range(5000)) + ",1.2.0,1.2.1"
    assert sorted(catalog.uids(f"StudyInstanceUID={uids}")) == ["1.2.0", "1.2.1"]


def test_an_undeclared_search_beyond_its_budget_is_refused(catalog: Catalog) -> None:
    for budget in (SearchBudget(rows=5, seconds=20), SearchBudget(rows=10_000, seconds=0.0001)):
        with pytest.raises(TooLarge) as raised:
            catalog.search("KVP=77", Level.INSTANCE, budget=budget)
        assert raised.value.hint
    # Indexed keys narrow first, so that the budget holds.
    assert catalog.uids("KVP=77&StudyInstanceUID=1.2.0", Level.INSTANCE, budget=BUDGET) == []


def test_a_full_page_within_the_budget_is_an_answer(catalog: Catalog) -> None:
    results, remaining = catalog.search(
        "ImageType=*", Level.INSTANCE, page=2, budget=SearchBudget(rows=5, seconds=20)
    )
    assert len(results) == 2
    results, remaining = catalog.search(
        "ImageType=?*", Level.INSTANCE, page=2, budget=SearchBudget(rows=5, seconds=20)
    )
    assert len(results) == 2
    assert remaining > 0


def test_no_text_of_a_client_enters_the_statement() -> None:
    query = parse_search(
        b"PatientID=x'--&PatientName=y'*&StudyDescription=%25'&AccessionNumber=z*&StudyDate=20200101-",
        Level.STUDY,
    )
    statement = matching_statement(query, TENANT, page=1, limit=1)
    assert not any(text in statement.sql for text in ("x'", "y'", "z", "2020"))


def test_a_client_that_leaves_while_rows_are_asked_returns_its_connection(catalog: Catalog) -> None:
    async def cancelled() -> bool:
        query = parse_search(b"KVP=77", Level.INSTANCE)
        search = asyncio.create_task(find_matches(catalog.pool, TENANT, query, page=10, budget=BUDGET))
        await asyncio.sleep(0.001)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)
        async with connection(catalog.pool) as db:
            return not db.is_in_transaction()

    for _ in range(5):
        assert catalog.run(cancelled)
