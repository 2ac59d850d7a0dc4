"""Palettes, colour spaces and segment colours, beside pydicom's own processing."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.uid import ExplicitVRLittleEndian

from dicomweb.pixels.rendering.colour import rgb_of_cielab
from dicomweb.pixels.rendering.lut import lookup_table, segmented_table
from dicomweb.pixels.rendering.values import Values
from tests.pixels.rendering.drawing import drawn

_NOISE = np.random.default_rng(3).integers(0, 256, (6, 10, 3), dtype=np.uint8)
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def _palette(entries: int, first: int, bits: int, *, packed: bool = False) -> Dataset:
    dataset = Dataset()
    for shift, colour in enumerate(("Red", "Green", "Blue")):
        table = [
            ((step * (shift + 1)) % entries) * ((1 << bits) - 1) // (entries - 1) for step in range(entries)
        ]
        words = struct.pack(f"<{entries}{'B' if packed else 'H'}", *table)
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [entries & 0xFFFF, first, bits])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", words)
    return dataset


def _drawn_with(dataset: Dataset, pixels: np.ndarray[Any, Any], **attributes: Any) -> np.ndarray[Any, Any]:
    return drawn(
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        pixels=pixels.tobytes(),
        bits_allocated=8 * pixels.dtype.itemsize,
        photometric_interpretation="PALETTE COLOR",
        attributes={element.keyword: element.value for element in dataset} | attributes,
    )


@pytest.mark.parametrize(("entries", "first"), [(256, 0), (100, 0), (100, 50)])
@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_are_those_of_pydicom(entries: int, first: int, bits: int) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    palette = _palette(entries, first, bits, packed=bits == 8)
    expected = apply_color_lut(pixels, palette)
    expected = expected >> 8 if bits == 16 else expected
    assert np.array_equal(_drawn_with(palette, pixels), expected)


def test_a_palette_of_65536_entries_says_so_with_zero() -> None:
    palette = _palette(1 << 16, 0, 16)
    pixels = np.linspace(0, 65535, 4096).astype("<u2").reshape(64, 64)
    expected = np.stack([(pixels.astype(int) * times % (1 << 16)) >> 8 for times in (1, 2, 3)], axis=-1)
    assert np.array_equal(_drawn_with(palette, pixels), expected)


def test_8_bit_entries_in_16_bit_words_are_understood() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(
        _drawn_with(_palette(256, 0, 8, packed=False), pixels),
        _drawn_with(_palette(256, 0, 8, packed=True), pixels),
    )


_SEGMENTS = st.lists(
    st.one_of(
        st.lists(st.integers(0, 255), min_size=1, max_size=20).map(lambda values: [0, len(values), *values]),
        st.tuples(st.integers(1, 30), st.integers(0, 255)).map(lambda pair: [1, *pair]),
    ),
    max_size=12,
)


@given(segments=_SEGMENTS, wide=st.booleans(), again=st.booleans())
def test_segmented_palettes_are_those_of_pydicom(segments: list[list[int]], wide: bool, again: bool) -> None:
    words = [word for segment in ([0, 2, 7, 9], *segments) for word in segment]
    if again:  # an indirect segment: the first two segments once more
        words += [2, 1 + bool(segments), *([0, 0] if wide else [0, 0, 0, 0])]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [1, 0, 16 if wide else 8])
        setattr(
            dataset,
            f"Segmented{colour}PaletteColorLookupTableData",
            struct.pack(f"<{len(words)}{'H' if wide else 'B'}", *words)
            + b"\0" * (not wide and len(words) % 2),
        )
    count = _expanded_length(segments, again)
    for colour in ("Red", "Green", "Blue"):
        getattr(dataset, f"{colour}PaletteColorLookupTableDescriptor")[0] = count
    expected = apply_color_lut(np.arange(count).reshape(1, -1), dataset)[0, :, 0]
    values = Values(dataset.to_json_dict(), {})
    table = segmented_table(values, "00281101", "00281221")
    assert table is not None
    assert np.abs(table.entries.astype(int) - expected).max() <= 1  # halves may be rounded either way


def _expanded_length(segments: list[list[int]], again: bool) -> int:
    lengths = [2, *(segment[1] for segment in segments)]
    return sum(lengths) + (sum(lengths[:2]) if again else 0)


@given(words=st.lists(st.integers(0, 3) | st.integers(0, 65535), max_size=60), bits=st.sampled_from([8, 16]))
def test_hostile_segments_end(words: list[int], bits: int) -> None:
    data = struct.pack(f"<{len(words)}H", *words)
    values = Values(
        {
            "00281101": {"vr": "US", "Value": [0, 0, bits]},
            "00281221": {"vr": "OW", "BulkDataURI": "x"},
        },
        {"x": data},
    )
    table = segmented_table(values, "00281101", "00281221")
    assert table is None or len(table.entries) == 1 << 16


@given(descriptor=st.lists(st.integers(-70000, 70000), max_size=4), data=st.binary(max_size=50))
def test_hostile_descriptors_give_a_whole_table_or_none(descriptor: list[int], data: bytes) -> None:
    values = Values(
        {"00283002": {"vr": "US", "Value": descriptor}, "00283006": {"vr": "OW", "BulkDataURI": "x"}},
        {"x": data},
    )
    table = lookup_table(values)
    if table is not None:
        assert table(np.array([-1e9, 0, 1e9, np.nan])).shape == (4,)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_is_drawn_as_it_is(planar: int) -> None:
    stored = np.moveaxis(_NOISE, -1, 0) if planar else _NOISE
    shown = drawn(
        rows=6,
        columns=10,
        samples_per_pixel=3,
        bits_allocated=8,
        planar_configuration=planar,
        pixels=stored.tobytes(),
    )
    assert np.array_equal(shown, _NOISE)


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_ybr_is_that_of_pydicom(photometric: str) -> None:
    noise = np.repeat(_NOISE[:, ::2], 2, axis=1)
    pixels = noise.tobytes()
    if photometric == "YBR_FULL_422":
        pairs = noise.reshape(-1, 2, 3)
        pixels = np.concatenate([pairs[:, :, 0], pairs[:, 0, 1:]], axis=1).tobytes()
    shown = drawn(
        rows=6,
        columns=10,
        samples_per_pixel=3,
        bits_allocated=8,
        photometric_interpretation=photometric,
        pixels=pixels,
    )
    assert np.abs(shown.astype(int) - convert_color_space(noise, "YBR_FULL", "RGB")).max() <= 1


def test_16_bit_colour_is_scaled_to_8() -> None:
    words = _NOISE.astype("<u2") * 257
    shown = drawn(rows=6, columns=10, samples_per_pixel=3, bits_allocated=16, pixels=words.tobytes())
    assert np.array_equal(shown, _NOISE)


@pytest.mark.parametrize(
    ("encoded", "rgb"),
    [
        ((65535, 32896, 32896), (255, 255, 255)),
        ((0, 32896, 32896), (0, 0, 0)),
        ((34885, 53485, 50171), (254, 0, 3)),  # pure red, as writers give it
    ],
)
def test_cielab_values_become_srgb(encoded: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    found = rgb_of_cielab(encoded)
    assert found is not None
    assert max(abs(one - other) for one, other in zip(found, rgb, strict=True)) <= 6


def _segment(number: int, colour: list[int] | None = None) -> Dataset:
    segment = Dataset()
    segment.SegmentNumber = number
    segment.SegmentLabel = "L"
    if colour:
        segment.RecommendedDisplayCIELabValue = colour
    return segment


def _frame_of(number: int) -> Dataset:
    identification, frame = Dataset(), Dataset()
    identification.ReferencedSegmentNumber = number
    frame.SegmentIdentificationSequence = [identification]
    return frame


def test_a_segment_is_drawn_in_its_recommended_colour() -> None:
    red = [34885, 53485, 50171]
    attributes = {
        "SegmentationType": "BINARY",
        "SegmentSequence": [_segment(1), _segment(2, red)],
        "PerFrameFunctionalGroupsSequence": [_frame_of(1), _frame_of(2)],
    }
    options: dict[str, Any] = {
        "sop_class_uid": _SEGMENTATION,
        "rows": 4,
        "columns": 4,
        "frames": 2,
        "bits_allocated": 1,
        "pixels": b"\x0f\xf0\x01\x80",
        "attributes": attributes,
    }
    first, second = (drawn(index=index, **options) for index in (0, 1))
    assert first.reshape(-1, 3)[:4].tolist() == [[255, 255, 255]] * 4
    assert not first.reshape(-1, 3)[4:12].any()
    assert second[0, 0, 0] > 240
    assert second[0, 0, 1:].max() < 10


def test_labels_are_drawn_each_in_its_colour() -> None:
    attributes = {"SegmentationType": "LABELMAP", "SegmentSequence": [_segment(1), _segment(2)]}
    labels = np.array([[0, 1], [2, 2]], np.uint8)
    shown = drawn(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.66.7",
        rows=2,
        columns=2,
        bits_allocated=8,
        pixels=labels.tobytes(),
        attributes=attributes,
    )
    assert not shown[0, 0].any()
    assert shown[1, 0].tolist() == shown[1, 1].tolist() != shown[0, 1].tolist()
