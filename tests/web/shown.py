"""Objects to be shown, and what their pictures are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy
import pydicom
from PIL import Image
from pydicom.dataset import Dataset

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from tests.builders import (
    BASIC_TEXT_SR,
    MULTIFRAME_GRAYSCALE_WORD,
    make_dataset,
    make_instance,
    write_instance,
)

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
ENCAPSULATED_CDA = "1.2.840.10008.5.1.4.1.1.104.2"
GRAYSCALE_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
VIDEO_ENDOSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.1.1"
MPEG4 = "1.2.840.10008.1.2.4.102"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
GRAY_RAMP = {"WindowCenter": "127.5", "WindowWidth": "255", "VOILUTFunction": "LINEAR_EXACT"}


def path_of(data: bytes) -> str:
    """The resource path of an instance."""
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def picture(data: bytes) -> Image.Image:
    """Decoded by Pillow."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def gray_image(rows: int = 32, columns: int = 48, **options: Any) -> bytes:
    """A still of 8 bits: columns from dark to bright, rows from dark to bright."""
    ramp = numpy.add.outer(numpy.arange(rows) * 3, numpy.arange(columns) * 3).astype(numpy.uint8)
    return make_instance(
        rows=rows,
        columns=columns,
        bits_allocated=8,
        **{"pixels": ramp.tobytes(), "attributes": GRAY_RAMP, **options},
    )


def cine(levels: Sequence[int] = (0, 100, 200), side: int = 8, **options: Any) -> bytes:
    """A multi-frame image, each frame of one level."""
    return make_instance(
        rows=side,
        columns=side,
        frames=len(levels),
        bits_allocated=8,
        sop_class_uid=MULTIFRAME_GRAYSCALE_WORD,
        pixels=b"".join(bytes([level]) * side * side for level in levels),
        **{"attributes": GRAY_RAMP, **options},
    )


def broken_image(**options: Any) -> bytes:
    """An image whose codestream no codec reads."""
    return make_instance(
        transfer_syntax_uid=JPEG_BASELINE, codestreams=[b"\xff\xd8 no JPEG \xff\xd9"], **options
    )


def report(**options: Any) -> bytes:
    """A structured report with text that would be markup."""
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "TEXT"
    item.ConceptNameCodeSequence = [_code("121071", "Finding")]
    item.TextValue = "Nodule <script>alert(1)</script> of 5 mm, größer"
    attributes = {
        "SpecificCharacterSet": "ISO_IR 192",
        "Modality": "SR",
        "ValueType": "CONTAINER",
        "ContinuityOfContent": "SEPARATE",
        "ConceptNameCodeSequence": [_code("121060", "Report")],
        "ContentSequence": [item],
    }
    return make_instance(sop_class_uid=BASIC_TEXT_SR, with_pixels=False, attributes=attributes, **options)


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def document(content: bytes, media_type: str, sop_class_uid: str, **options: Any) -> bytes:
    """An encapsulated document."""
    attributes = {
        "EncapsulatedDocument": content + b"\0" * (len(content) % 2),
        "EncapsulatedDocumentLength": len(content),
        "MIMETypeOfEncapsulatedDocument": media_type,
        "Modality": "DOC",
    }
    return make_instance(sop_class_uid=sop_class_uid, with_pixels=False, attributes=attributes, **options)


def video(fragments: Sequence[bytes], transfer_syntax_uid: str = MPEG4) -> bytes:
    """A video object around any bytes, cut into these fragments."""
    dataset = make_dataset(
        sop_class_uid=VIDEO_ENDOSCOPIC, rows=16, columns=16, frames=5, samples_per_pixel=3, bits_allocated=8
    )
    dataset.PixelData = pydicom.encaps.encapsulate(list(fragments), has_bot=False)
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return write_instance(dataset, transfer_syntax_uid)


def presentation_state(
    images: Sequence[bytes], *, center: float, width: float = 2, frames: Sequence[int] = (), **attributes: Any
) -> bytes:
    """A grayscale presentation state of images of one study, with a window around `center`."""
    series = [reference(data, frames) for data in images]
    window = Dataset()
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = center, width, "LINEAR_EXACT"
    return make_instance(
        sop_class_uid=GRAYSCALE_STATE,
        study_instance_uid=path_of(images[0]).split("/")[2],
        with_pixels=False,
        attributes={
            "Modality": "PR",
            "ReferencedSeriesSequence": series,
            "SoftcopyVOILUTSequence": [window],
            "PresentationLUTShape": "IDENTITY",
            **attributes,
        },
    )


def reference(data: bytes, frames: Sequence[int] = ()) -> Dataset:
    """An item of Referenced Series Sequence."""
    dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    image, series = Dataset(), Dataset()
    image.ReferencedSOPClassUID = dataset.SOPClassUID
    image.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    if frames:
        image.ReferencedFrameNumber = list(frames)
    series.SeriesInstanceUID, series.ReferencedImageSequence = dataset.SeriesInstanceUID, [image]
    return series


def raw_data(**options: Any) -> bytes:
    """An object of a kind that has no picture."""
    return make_instance(
        sop_class_uid=RAW_DATA, with_pixels=False, transfer_syntax_uid=EXPLICIT_LITTLE, **options
    )
