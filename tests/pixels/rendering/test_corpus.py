"""Every real file drawn: those of pydicom, and the shared data where it is there."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from dicomweb.errors import DecodeFailed, InvalidDicom
from dicomweb.pixels.rendering.segmentation import SEGMENTATIONS
from tests.dicom.corpus import CORPORA, paths
from tests.pixels.rendering.drawing import Drawable, drawable, levels

# Its codestream has other rows and columns than its attributes.
_NOT_DECODABLE = {"JPEG2000-embedded-sequence-delimiter.dcm"}
# Says RGB around a codestream whose own marker says YCbCr: pydicom warns, and believes the attribute.
_OTHERWISE = {"dicom-test-files__SC_rgb_jpeg_lossy_gdcm.dcm"}
# Lossy decoders differ by a few levels of a narrow window; one level is lost to rounding anyhow.
_LEVELS, _SHARE = 3, 0.01


@pytest.fixture(autouse=True)
def _quiet_pydicom(caplog: pytest.LogCaptureFixture) -> None:
    """It logs each plug-in that did not take a frame, with a traceback."""
    caplog.set_level(logging.CRITICAL + 1, logger="pydicom")


def _drawables(corpus: str, request: pytest.FixtureRequest) -> Iterator[tuple[Path, Drawable]]:
    for path in paths(corpus, request):
        try:
            image = drawable(path.read_bytes())
        except InvalidDicom:
            continue
        if image.scanned.pixel_layout is not None and image.scanned.pixel_layout.frames:
            yield path, image


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_file_is_drawn_as_pydicom_shows_it(corpus: str, request: pytest.FixtureRequest) -> None:
    drawn = compared = 0
    wrong: list[str] = []
    for path, image in _drawables(corpus, request):
        try:
            shown = levels(image.draw(media_type="image/png"))
        except DecodeFailed:
            assert path.name in _NOT_DECODABLE, path.name
            continue
        drawn += 1
        expected = _shown_by_pydicom(path)
        if expected is None or expected.shape != shown.shape:
            continue
        compared += 1
        if (np.abs(shown - expected) > _LEVELS).mean() > _SHARE:
            wrong.append(path.name)
    print(f"{corpus}: {drawn} drawn, {compared} compared with pydicom")  # noqa: T201
    assert set(wrong) <= _OTHERWISE
    assert compared > 25


def _shown_by_pydicom(path: Path) -> NDArray[Any] | None:
    """Levels of the first frame by pydicom's functions; None where they say too little."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(path, force=True)
            if dataset.SOPClassUID in SEGMENTATIONS or "PixelAspectRatio" in dataset or _has_overlay(dataset):
                return None
            pixels = pixel_array(dataset, index=0)
            if dataset.PhotometricInterpretation == "PALETTE COLOR":
                return _palette_levels(pixels, dataset)
            if dataset.SamplesPerPixel == 3:
                return pixels.astype(int) if dataset.BitsAllocated == 8 else None
            return _gray_levels(pixels, dataset)
        except Exception:
            return None  # no decoder, or attributes that pydicom cannot use: it is no oracle for this file


def _has_overlay(dataset: Dataset) -> bool:
    return any(0x6000 <= tag.group <= 0x601E for tag in dataset.keys())  # noqa: SIM118


def _palette_levels(pixels: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    coloured: NDArray[Any] = apply_color_lut(pixels, dataset)
    return coloured.astype(int) >> (8 if coloured.dtype.itemsize == 2 and coloured.max() > 255 else 0)


def _gray_levels(pixels: NDArray[Any], dataset: Dataset) -> NDArray[Any] | None:
    """Through the data set's own window: without one, there is nothing to agree about."""
    if "WindowCenter" not in dataset or "PixelPaddingValue" in dataset or "ModalityLUTSequence" in dataset:
        return None
    modality = apply_modality_lut(pixels, dataset)
    windowed = apply_voi_lut(modality.astype(np.float64), dataset)
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation == 1
    low = -(1 << (bits - 1)) if signed else 0
    ends = [value * slope + intercept for value in (low, low + (1 << bits) - 1)]
    fractions = (windowed - ends[0]) / (ends[1] - ends[0])
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        fractions = 1 - fractions
    expected: NDArray[Any] = np.rint(np.clip(fractions, 0, 1) * 255).astype(int)
    return expected


@pytest.mark.parametrize("corpus", CORPORA)
def test_thumbnails_of_every_file_are_small(corpus: str, request: pytest.FixtureRequest) -> None:
    for path, image in _drawables(corpus, request):
        if path.name in _NOT_DECODABLE:
            continue
        assert max(levels(image.draw(thumbnail=True)).shape[:2]) <= 128, path.name
