from __future__ import annotations

import json
import re
from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file

from dicomweb.documents.companding import A_LAW, MU_LAW
from dicomweb.documents.drawing import Path
from dicomweb.documents.ecg_paper import ecg_drawing, fits_paper, lead_name
from dicomweb.documents.jobs import waveform_job
from dicomweb.documents.needs import bulk_needs
from dicomweb.documents.trace import strokes, thinned
from dicomweb.documents.waveform import excerpt, groups_of
from dicomweb.errors import DecodeFailed
from tests.documents.objects import item, of, scanned, sequence

Attributes = dict[str, Any]
ECG = "1.2.840.10008.5.1.4.1.1.9.1.2"


def channel(name: str = "", unit: str = "", sensitivity: float = 1.0, baseline: float = 0.0) -> Attributes:
    return {
        "003A0203": of("SH", name),
        "003A0210": of("DS", sensitivity),
        "003A0211": sequence({"00080100": of("SH", unit), "00080102": of("SH", "UCUM")}),
        "003A0213": of("DS", baseline),
    }


def waveform(
    samples: np.ndarray[Any, Any], kind: str, *channels: Attributes, frequency: float = 100.0
) -> Attributes:
    """A multiplex group; samples: (samples, channels) as stored."""
    return {
        "003A0005": of("US", samples.shape[1]),
        "003A0010": of("UL", len(samples)),
        "003A001A": of("DS", frequency),
        "003A0200": sequence(*channels),
        "54001004": of("US", samples.dtype.itemsize * 8),
        "54001006": of("CS", kind),
        "54001010": {"vr": "OW", "InlineBinary": b64encode(samples.tobytes()).decode()},
    }


def drawn(*groups: Attributes, **request: Any) -> bytes:
    metadata = json.dumps({"00080016": of("UI", ECG), "54000100": sequence(*groups)}).encode()
    return waveform_job({"request": {"media_type": "image/svg+xml", **request}}, [metadata])


_KINDS = {
    "SB": "i1",
    "UB": "u1",
    "SS": "<i2",
    "US": "<u2",
    "SL": "<i4",
    "UL": "<u4",
    "SV": "<i8",
    "UV": "<u8",
}


@pytest.mark.parametrize("kind", _KINDS)
def test_samples_of_every_type_come_in_their_unit(kind: str) -> None:
    stored = np.array([[0, 1], [2, 3], [100, 7]], dtype=_KINDS[kind])
    attributes = waveform(stored, kind, channel("I", "mV", 0.5, -1.0), channel("II", "mV"))
    (group,) = groups_of(item({"54000100": sequence(attributes)}))
    assert [channel.name for channel in group.channels] == ["I", "II"]
    assert group.channels[0].values.tolist() == [-1.0, 0.0, 49.0]
    assert group.channels[1].values.tolist() == [1.0, 3.0, 7.0]


def test_padding_is_no_value() -> None:
    stored = np.array([[5], [-32768], [7]], dtype="<i2")
    padding = {"vr": "OW", "InlineBinary": b64encode(b"\0\x80").decode()}
    (group,) = groups_of(item({"54000100": sequence(waveform(stored, "SS") | {"5400100A": padding})}))
    assert np.isnan(group.channels[0].values).tolist() == [False, True, False]


@pytest.mark.parametrize(("kind", "table"), [("MB", MU_LAW), ("AB", A_LAW)])
def test_companded_audio_is_expanded(kind: str, table: np.ndarray[Any, Any]) -> None:
    stored = np.arange(256, dtype="u1").reshape(-1, 1)
    (group,) = groups_of(item({"54000100": sequence(waveform(stored, kind))}))
    assert group.channels[0].values.tolist() == table.tolist()


def test_companding_is_that_of_g711() -> None:
    assert [MU_LAW[value] for value in (0x00, 0x80, 0x7F, 0xFF, 0xF0)] == [-32124, 32124, 0, 0, 120]
    assert [A_LAW[value] for value in (0x55, 0xD5, 0x2A, 0xAA)] == [-8, 8, -32256, 32256]


def test_bits_allocated_decide_when_the_interpretation_contradicts_them() -> None:
    stored = np.array([[1], [2]], dtype="<i2")
    (group,) = groups_of(item({"54000100": sequence(waveform(stored, "SL") | {"54001004": of("US", 16)})}))
    assert group.channels[0].values.tolist() == [1.0, 2.0]


def test_missing_samples_shorten_the_trace() -> None:
    stored = np.zeros((10, 3), dtype="<i2")
    attributes = waveform(stored, "SS", frequency=10) | {"003A0010": of("UL", 1000)}
    (group,) = groups_of(item({"54000100": sequence(attributes)}))
    assert (len(group.channels[0].values), group.seconds) == (10, 100.0)


_BROKEN: list[Attributes] = [
    {},
    {"54001010": {"vr": "OW", "BulkDataURI": "54000100/0/54001010"}},
    {"003A0005": of("US", 0)},
    {"003A0005": of("US", 4_000_000_000)},
    {"003A001A": of("DS", 0)},
    {"003A001A": of("DS", "fast")},
    {"54001004": of("US", 12), "54001006": of("CS", "??")},
]


@pytest.mark.parametrize("change", _BROKEN)
def test_what_is_no_waveform_is_refused(change: Attributes) -> None:
    attributes = waveform(np.zeros((5, 1), dtype="<i2"), "SS") | change if change else {}
    with pytest.raises(DecodeFailed):
        drawn(attributes)


def ecg() -> tuple[bytes, dict[str, bytes]]:
    path = get_testdata_file("waveform_ecg.dcm")
    assert isinstance(path, str)
    with open(path, "rb") as file:
        return scanned(file.read())


def drawn_ecg(**request: Any) -> bytes:
    metadata, bulk = ecg()
    needs = bulk_needs("waveform", json.loads(metadata))
    parameters = {"bulk": [need.path for need in needs], "request": request}
    return waveform_job(parameters, [metadata, *(bulk[need.path] for need in needs)])


def test_twelve_leads_are_laid_out_as_usual() -> None:
    svg = drawn_ecg(media_type="image/svg+xml").decode()
    leads = re.findall(r'font-weight="bold">([^<]*)<', svg)
    columns = ["I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6"]
    assert leads[1:14] == [*columns, "II"]
    assert "25 mm/s   10 mm/mV" in svg
    assert "RR Interval 982 ms" in svg


def test_a_millivolt_is_ten_millimetres_and_a_second_twenty_five() -> None:
    square = np.tile(np.repeat([0, 1000], 100), 5).astype("<i2").reshape(-1, 1)
    svg = drawn(waveform(square, "SS", channel("II", "uV"), frequency=100.0)).decode()
    trace = re.findall(r'<path d="M([^"]*)" fill="none" stroke="#101418" stroke-width="0.3"/>', svg)[-1]
    x, y = np.array([point.split() for point in re.split("[ML]", trace)], dtype=float).T
    assert np.ptp(y) == pytest.approx(10, abs=0.02)
    assert np.ptp(x) == pytest.approx(25 * 10, abs=0.3)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/gif"])
def test_an_electrocardiogram_becomes_a_picture(media_type: str) -> None:
    picture = Image.open(BytesIO(drawn_ecg(media_type=media_type, viewport={"width": 600, "height": 400})))
    picture.load()
    assert picture.width < 600
    assert picture.height == 400
    ink = np.asarray(picture.convert("L"))
    assert (ink < 90).sum() > 500


def test_a_thumbnail_holds_no_text_of_the_object() -> None:
    svg = drawn_ecg(media_type="image/svg+xml", thumbnail=True).decode()
    assert set(re.findall(r"<text[^>]*>([^<]*)<", svg)) == {"I", "II", "III"}


def test_a_thumbnail_names_leads_only() -> None:
    stored = np.zeros((300, 2), dtype="<i2")
    group = waveform(stored, "SS", channel("Doe Jane", "uV"), channel("Lead V4 (Doe)", "uV"))
    assert re.findall(r"<text[^>]*>([^<]*)<", drawn(group, thumbnail=True).decode()) == ["", "V4"]


def test_other_waveforms_are_charts_over_the_whole_time() -> None:
    pressure = np.rint(100 + 20 * np.sin(np.arange(3000) / 20)).astype("<i2").reshape(-1, 1)
    group = waveform(pressure, "SS", channel("ART", "mm[Hg]"), frequency=100)
    assert not any(map(fits_paper, groups_of(item({"54000100": sequence(group)}))))
    svg = drawn(group).decode()
    assert "120 mmHg" in svg
    assert "30 s" in svg


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Lead I (Einthoven)", "I"),
        ("AVR", "aVR"),
        ("Lead V4", "V4"),
        ("lead iii", "III"),
        ("Pressure", "Pressure"),
    ],
)
def test_leads_have_their_short_names(name: str, short: str) -> None:
    assert lead_name(name) == short


def test_names_of_channels_are_escaped() -> None:
    svg = drawn(waveform(np.zeros((50, 1), dtype="<i2"), "SS", channel("<script>&"))).decode()
    assert "<script" not in svg
    assert "&lt;script&gt;&amp;" in svg


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=300),
    most=st.integers(2, 50),
)
def test_a_thinned_trace_keeps_its_peaks_and_its_order(values: list[float], most: int) -> None:
    at, kept = thinned(np.array(values), most)
    assert len(at) == len(kept) <= max(most, 2)
    assert (np.diff(at) >= 0).all()
    seen = np.array(values)
    if np.isfinite(seen).any():
        assert (np.nanmin(kept), np.nanmax(kept)) == (np.nanmin(seen), np.nanmax(seen))


@given(values=st.lists(st.floats(-10, 10) | st.just(float("nan")), max_size=40))
def test_strokes_hold_every_value_that_is_there(values: list[float]) -> None:
    y = np.array(values)
    lines = strokes(np.arange(len(y), dtype=float), y)
    assert sum(map(len, lines)) == np.isfinite(y).sum()
    assert all(np.isfinite(line).all() for line in lines)


def test_an_excerpt_is_the_beginning() -> None:
    stored = np.zeros((1000, 4), dtype="<i2")
    (group,) = groups_of(item({"54000100": sequence(waveform(stored, "SS"))}))
    small = excerpt(group, 2.5, 3)
    assert [len(channel.values) for channel in small.channels] == [250] * 3


def test_a_day_of_recording_is_drawn_within_bounds() -> None:
    stored = (np.arange(8_000_000) % 1000).astype("<i2").reshape(-1, 2)
    svg = drawn(waveform(stored, "SS", channel("A", "uV"), channel("B", "uV"), frequency=200))
    assert len(svg) < 4_000_000
    assert b"20000 s" in svg


def test_leads_beside_the_twelve_get_rows_of_their_own() -> None:
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8"]
    stored = np.zeros((1000, len(names)), dtype="<i2")
    svg = drawn(waveform(stored, "SS", *(channel(name, "uV") for name in names))).decode()
    assert re.findall(r'font-weight="bold">([^<]*)<', svg)[-3:] == ["II", "V7", "V8"]


@pytest.mark.parametrize("seconds", [1, 2.5, 4, 10, 40])
def test_leads_of_any_length_keep_to_their_columns(seconds: float) -> None:
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    stored = np.ones((int(seconds * 100), 12), dtype="<i2")
    (group,) = groups_of(
        item({"54000100": sequence(waveform(stored, "SS", *(channel(name, "uV") for name in names)))})
    )
    drawing = ecg_drawing([group], [])
    traces = [
        shape.strokes[0]
        for shape in drawing.shapes
        if isinstance(shape, Path) and shape.width == 0.3 and len(shape.strokes[0]) > 6
    ]
    for number, trace in enumerate(traces[:12]):
        left = 8 + number % 4 * 62.5
        assert trace[:, 0].min() == pytest.approx(left)
        assert trace[:, 0].max() <= left + 62.5
    assert len(traces) == (13 if seconds > 2.5 else 12)
    assert drawing.width == 266


def test_what_was_not_read_is_said() -> None:
    stored = np.zeros((500, 1), dtype="<i2")
    svg = drawn(waveform(stored, "SS", channel("II", "uV")) | {"003A0010": of("UL", 360_000)}).decode()
    assert "first 5 of 3600 s" in svg


_JSON = st.recursive(
    st.none() | st.integers(-5, 70_000) | st.floats() | st.sampled_from(["", "SS", "1e400", "-1", "uV"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Value", "vr", "InlineBinary"]), inner)
    ),
    max_leaves=6,
)
_TAGS = st.sampled_from(
    ["003A0005", "003A0010", "003A001A", "003A0200", "003A0020", "54001004", "54001006", "5400100A"]
)


@given(
    attributes=st.dictionaries(_TAGS, _JSON, max_size=3),
    definition=st.dictionaries(
        st.sampled_from(["003A0203", "003A0210", "003A0211", "003A0212", "003A0213"]), _JSON
    ),
    samples=st.binary(min_size=2, max_size=200),
)
def test_a_broken_waveform_is_drawn_or_refused(
    attributes: Attributes, definition: Attributes, samples: bytes
) -> None:
    stored = np.frombuffer(samples[: len(samples) // 2 * 2], "<i2").reshape(-1, 1)
    group = waveform(stored, "SS", channel("I", "uV") | definition) | attributes
    with np.errstate(all="ignore"):
        try:
            assert drawn(group, media_type="image/png", viewport={"width": 40, "height": 40})
        except DecodeFailed:
            pass
