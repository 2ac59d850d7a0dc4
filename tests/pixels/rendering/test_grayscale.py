"""Modality LUT, VOI LUT and presentation of grayscale frames, beside pydicom's own processing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing

from dicomweb.dicom.picture import LINEAR, LINEAR_EXACT, SIGMOID, Window
from dicomweb.pixels.rendering.grayscale import by_value
from dicomweb.pixels.rendering.window import windowed
from tests.pixels.rendering.drawing import drawn

_WIDE = np.arange(-2000, 2096, dtype=np.int16).reshape(64, 64)


def _image(pixels: NDArray[Any], **options: Any) -> dict[str, Any]:
    """Options of a grayscale object that holds these pixels."""
    rows, columns = pixels.shape
    return {
        "rows": rows,
        "columns": columns,
        "pixels": pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
        "bits_allocated": 8 * pixels.dtype.itemsize,
        "pixel_representation": int(pixels.dtype.kind == "i"),
        **options,
    }


def _windowed(function: str, center: float, width: float, values: NDArray[Any]) -> NDArray[Any]:
    """Levels by pydicom, whose output range is that of the pixels' bits."""
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 16, 1
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = center, width, function
    with np.errstate(over="ignore"):
        levels: NDArray[Any] = (apply_windowing(values, dataset) + 32768) / 65535
    return levels


@given(
    function=st.sampled_from([LINEAR, LINEAR_EXACT, SIGMOID]),
    center=st.integers(-3000, 3000),
    width=st.integers(2, 5000),
)
def test_windows_are_those_of_pydicom(function: str, center: int, width: int) -> None:
    ours = windowed(_WIDE.astype(np.float64), Window(center, width, function))
    assert np.allclose(ours, _windowed(function, center, width, _WIDE), atol=2e-5)


@given(center=st.floats(-1e6, 1e6), width=st.floats(1, 1e6))
def test_a_window_never_darkens_brighter_values(center: float, width: float) -> None:
    for function in (LINEAR, LINEAR_EXACT, SIGMOID):
        fractions = windowed(_WIDE.reshape(-1).astype(np.float64), Window(center, width, function))
        assert (np.diff(fractions) >= 0).all()
        assert fractions.min() >= 0
        assert fractions.max() <= 1


def test_a_linear_window_of_width_one_is_a_threshold() -> None:
    assert windowed(np.array([9.0, 9.4, 9.6, 10.0]), Window(10, 1)).tolist() == [0, 0, 1, 1]


@given(
    st.integers(0, 1),
    st.integers(1, 16).flatmap(lambda bits: st.tuples(st.just(bits), st.integers(bits - 1, 15))),
)
def test_only_stored_bits_are_looked_at(signed: int, bits: tuple[int, int]) -> None:
    stored, high = bits
    words = np.random.default_rng(stored).integers(0, 1 << 16, (8, 8), dtype=np.uint16)
    low = high + 1 - stored
    values = (words >> low) & ((1 << stored) - 1)
    expected = values.astype(np.int32)
    if signed:
        expected = np.where(expected >= 1 << (stored - 1), expected - (1 << stored), expected)
    window = {"WindowCenter": 0, "WindowWidth": 1 << stored, "VOILUTFunction": "LINEAR_EXACT"}
    shown = drawn(
        **_image(
            words, bits_stored=stored, pixel_representation=signed, attributes={**window, "HighBit": high}
        )
    )
    assert np.array_equal(shown, np.rint(np.clip(expected / (1 << stored) + 0.5, 0, 1) * 255))


@pytest.mark.parametrize("window", [(40, 400), (-600, 1500), (0.5, 3)])
def test_rescaled_pixels_are_windowed_in_modality_units(window: tuple[float, float]) -> None:
    attributes = {
        "RescaleSlope": 2,
        "RescaleIntercept": -1024,
        "WindowCenter": window[0],
        "WindowWidth": window[1],
    }
    modality = _WIDE * 2.0 - 1024
    expected = np.rint(_windowed(LINEAR, *window, modality) * 255)
    assert np.abs(drawn(**_image(_WIDE, attributes=attributes)).astype(int) - expected).max() <= 1


def test_the_clients_window_wins() -> None:
    request = {"window": Window(0, 100, LINEAR_EXACT)}
    shown = drawn(**_image(_WIDE, attributes={"WindowCenter": 1000, "WindowWidth": 1}), request=request)
    assert np.array_equal(shown, np.rint(np.clip(_WIDE / 100 + 0.5, 0, 1) * 255))


def _lut(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first & 0xFFFF, bits])
    item.add_new("LUTData", "US", entries)
    return item


def _plain(pixels: NDArray[Any], **attributes: Any) -> Dataset:
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 16, int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_voi_luts_are_those_of_pydicom(bits: int) -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    entries = [((1 << bits) - 1) * (step % 500) // 499 for step in range(3000)]
    lut = {"VOILUTSequence": [_lut(700, entries, bits)]}
    expected = apply_voi_lut(pixels, _plain(pixels, **lut)) / ((1 << bits) - 1) * 255
    assert np.abs(drawn(**_image(pixels, attributes=lut)) - expected).max() <= 1


def test_a_voi_lut_of_8_bits_begins_where_it_says() -> None:
    # pydicom counts the entries of such a table in 8 bits, so it is no oracle here.
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    shown = drawn(**_image(pixels, attributes={"VOILUTSequence": [_lut(700, list(range(255, -1, -1)), 8)]}))
    assert np.array_equal(shown, 255 - np.clip(pixels.astype(int) - 700, 0, 255))


def test_modality_luts_come_before_windows() -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    entries = [(step * step) >> 8 for step in range(4096)]
    lut = {"ModalityLUTSequence": [_lut(0, entries, 16)]}
    window = {"WindowCenter": 20000, "WindowWidth": 30000}
    modality = apply_modality_lut(pixels, _plain(pixels, **lut))
    expected = np.rint(_windowed(LINEAR, 20000, 30000, modality.astype(np.float64)) * 255)
    assert np.abs(drawn(**_image(pixels, attributes={**lut, **window})) - expected).max() <= 1


def test_angiography_is_shown_without_its_modality_lut() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    lut = {"ModalityLUTSequence": [_lut(0, [9 * step for step in range(256)], 12)]}
    xa = "1.2.840.10008.5.1.4.1.1.12.1"
    assert np.array_equal(drawn(**_image(pixels, attributes=lut, sop_class_uid=xa)), pixels)


@pytest.mark.parametrize(
    ("photometric", "shape"), [("MONOCHROME1", None), ("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "INVERSE")]
)
def test_low_values_are_white_where_the_data_set_says_so(photometric: str, shape: str | None) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    attributes = {} if shape is None else {"PresentationLUTShape": shape}
    options = _image(pixels, photometric_interpretation=photometric, attributes=attributes)
    assert np.array_equal(drawn(**options), 255 - pixels)


def test_padding_is_black_and_does_not_count_for_the_default_window() -> None:
    pixels = np.arange(1000, 5096, dtype=np.uint16).reshape(64, 64)
    pixels[:8] = 0
    shown = drawn(
        **_image(pixels, photometric_interpretation="MONOCHROME1", attributes={"PixelPaddingValue": 0})
    )
    assert (shown[:8] == 0).all()
    assert shown[8:].min() == 0
    assert shown[8:].max() == 255
    unpadded = drawn(**_image(pixels[8:], photometric_interpretation="MONOCHROME1"))
    assert np.array_equal(shown[8:], unpadded)


def test_a_padding_value_amid_the_pixels_is_none() -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert np.array_equal(
        drawn(**_image(pixels, attributes={"PixelPaddingValue": 2000})), drawn(**_image(pixels))
    )


def test_padding_that_lossy_coding_spread_does_not_count_for_the_default_window() -> None:
    pixels = np.arange(0, 4096, dtype=np.int16).reshape(64, 64)
    pixels[:16:2], pixels[1:16:2] = -2300, -1700
    lossy = {"PixelPaddingValue": -2000, "LossyImageCompression": "01"}
    shown = drawn(**_image(pixels, attributes=lossy))
    assert np.array_equal(shown[16:], drawn(**_image(pixels[16:])))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_without_a_window_the_frame_fills_the_range(dtype: type[Any]) -> None:
    info = np.iinfo(dtype)
    ramp = np.linspace(info.min, info.max, 4096).astype(dtype).reshape(64, 64)
    shown = drawn(**_image(ramp)).reshape(-1).astype(int)
    assert (np.diff(shown) >= 0).all()
    assert (shown[0], shown[-1]) == (0, 255)
    assert abs(int(shown[2048]) - 127) <= 2


@pytest.mark.parametrize("value", [0, 7, 4095])
def test_a_frame_of_one_value_is_drawn(value: int) -> None:
    shown = drawn(**_image(np.full((8, 8), value, np.uint16)))
    assert len(np.unique(shown)) == 1
    assert bool(shown.any()) == bool(value)


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_floating_point_pixels_are_drawn_whatever_they_hold(keyword: str, dtype: str) -> None:
    pixels = np.linspace(-1.5, 2.5, 64).astype(dtype).reshape(8, 8)
    pixels[0, 0], pixels[7, 7] = np.nan, np.inf
    options = _image(np.zeros((8, 8), np.uint32), bits_allocated=8 * pixels.dtype.itemsize)
    options |= {"with_pixels": True, "pixels": bytes(8 * 8 * pixels.dtype.itemsize)}
    shown = drawn(**options, attributes={"PixelData": None, keyword: pixels.tobytes()})
    assert shown[0, 0] == 0
    assert shown[7, 7] == 255
    assert (np.diff(shown.reshape(-1)[1:].astype(int)) >= 0).all()


def test_windows_that_make_no_sense_are_passed_over() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    attributes = {"WindowCenter": [50, "", 128], "WindowWidth": [0, 7, 256]}
    assert np.abs(drawn(**_image(pixels, attributes=attributes)).astype(int) - pixels).max() <= 1


@given(
    low=st.integers(-40000, 40000),
    spread=st.integers(0, 70000),
    word=st.sampled_from(["<u1", "<u2", "<u4"]),
    colour=st.booleans(),
)
def test_a_table_gives_what_the_function_gives(low: int, spread: int, word: str, colour: bool) -> None:
    """Whatever part of their range the words use, and whichever sign they are meant with."""
    words = (low + np.random.default_rng(spread).integers(0, spread + 1, 5000)).astype(word).reshape(50, 100)

    def function(some: NDArray[Any]) -> NDArray[np.uint8]:
        levels = (some * 7 + 3 & 0xFF).astype(np.uint8)
        return np.stack([levels, levels ^ 1, levels ^ 2], axis=-1) if colour else levels

    shown = by_value(words, function)
    assert shown.shape == ((50, 100, 3) if colour else (50, 100))
    assert np.array_equal(shown, function(words))
