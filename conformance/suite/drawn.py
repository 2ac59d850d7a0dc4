"""Images whose rendered pixels can be computed by hand, and other things that are drawn."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from conformance.suite.objects import (
    CT,
    ECG,
    MULTIFRAME_BIT,
    MULTIFRAME_WORD,
    SECONDARY_CAPTURE,
    VIDEO_ENDOSCOPIC,
    Form,
    Instance,
    Names,
    encapsulated_image,
    make,
)
from conformance.suite.part10 import Data, Element, Value, attributes

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
ENCAPSULATED_CDA = "1.2.840.10008.5.1.4.1.1.104.2"
MPEG4 = "1.2.840.10008.1.2.4.102"
LATIN, UTF8 = Form(charset="latin-1"), Form(charset="utf-8")
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
_WORDS = {8: "B", 16: "H", 32: "I"}


def image(
    names: Names,
    rows: int,
    columns: int,
    pixels: bytes,
    *,
    allocated: int = 16,
    stored: int = 0,
    high: int = 0,
    signed: bool = False,
    samples: int = 1,
    photometric: str = "MONOCHROME2",
    sop_class: str = "",
    extra: Data | None = None,
    **more: Value,
) -> Instance:
    """An image of these native pixels. stored, high: as allocated unless given."""
    stored = stored or allocated
    module: dict[int, Element] = attributes(
        SamplesPerPixel=samples,
        PhotometricInterpretation=photometric,
        Rows=rows,
        Columns=columns,
        BitsAllocated=allocated,
        BitsStored=stored,
        HighBit=high or stored - 1,
        PixelRepresentation=int(signed),
    )
    if samples > 1:
        module.update(attributes(PlanarConfiguration=0))
    module[0x7FE00010] = Element("OW" if allocated == 16 else "OB", pixels + bytes(len(pixels) % 2))
    module.update(extra or {})
    kind = sop_class or (CT if samples == 1 and allocated == 16 else SECONDARY_CAPTURE)
    module.update(attributes(**more))
    return make(names, sop_class=kind, extra=module)


def words(values: Sequence[int], bits: int = 16) -> bytes:
    """Little-endian pixel cells; negative values in two's complement."""
    return struct.pack(f"<{len(values)}{_WORDS[bits]}", *(value & ((1 << bits) - 1) for value in values))


RAMP_ROWS, RAMP_COLUMNS = 8, 32
RAMP = [4 * (row * RAMP_COLUMNS + column) for row in range(RAMP_ROWS) for column in range(RAMP_COLUMNS)]


def ramp(names: Names, **more: Value) -> Instance:
    """12-bit values from 0 to 1020 in steps of 4."""
    return image(names, RAMP_ROWS, RAMP_COLUMNS, words(RAMP), stored=12, **more)  # type: ignore[arg-type]


def linear(value: float, center: float, width: float) -> float:
    """PS3.3 C.11.2.1.2.1, onto 0 to 255."""
    if value <= center - 0.5 - (width - 1) / 2:
        return 0.0
    if value > center - 0.5 + (width - 1) / 2:
        return 255.0
    return ((value - (center - 0.5)) / (width - 1) + 0.5) * 255


def linear_exact(value: float, center: float, width: float) -> float:
    """PS3.3 C.11.2.1.3.2."""
    if value <= center - width / 2:
        return 0.0
    return 255.0 if value > center + width / 2 else ((value - center) / width + 0.5) * 255


def sigmoid(value: float, center: float, width: float) -> float:
    """PS3.3 C.11.2.1.3.1."""
    return 255 / (1 + math.exp(min(700.0, -4 * (value - center) / width)))


def palette(names: Names, tables: Sequence[Sequence[int]], indexes: bytes, columns: int) -> Instance:
    """A PALETTE COLOR image with 8-bit indexes and tables of 16-bit entries."""
    extra: dict[int, Element] = {}
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        name = f"{colour}PaletteColorLookupTable"
        extra.update(attributes(**{f"{name}Descriptor": [len(table), 0, 16], f"{name}Data": words(table)}))
    rows = len(indexes) // columns
    return image(names, rows, columns, indexes, allocated=8, photometric="PALETTE COLOR", extra=extra)


def segmented_palette(names: Names, indexes: bytes, columns: int) -> Instance:
    """The same grey ramp in each colour: one discrete entry 0, then a linear segment up to 65535."""
    segments = words([0, 1, 0, 1, 255, 65535])
    extra: dict[int, Element] = {}
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        extra.update(attributes(**{f"{name}Descriptor": [256, 0, 16], f"Segmented{name}Data": segments}))
    rows = len(indexes) // columns
    return image(names, rows, columns, indexes, allocated=8, photometric="PALETTE COLOR", extra=extra)


def bits(names: Names, rows: int, columns: int, frames: Sequence[Sequence[int]]) -> Instance:
    """Frames of one bit a pixel."""
    packed = bytearray(-(-rows * columns * len(frames) // 16) * 2)
    for index, bit in enumerate(bit for frame in frames for bit in frame):
        packed[index // 8] |= bit << (index % 8)
    return image(
        names,
        rows,
        columns,
        bytes(packed),
        allocated=1,
        sop_class=MULTIFRAME_BIT,
        NumberOfFrames=len(frames),
    )


def plain_frames(names: Names, greys: Sequence[int], *, rows: int = 16, columns: int = 16) -> Instance:
    """One frame a grey, each of one value, shown as it is by its window."""
    pixels = b"".join(words([grey] * (rows * columns)) for grey in greys)
    return image(
        names,
        rows,
        columns,
        pixels,
        stored=8,
        sop_class=MULTIFRAME_WORD,
        NumberOfFrames=len(greys),
        WindowCenter="128",
        WindowWidth="256",
    )


def quarters(names: Names, rows: int = 40, columns: int = 60, **more: Value) -> Instance:
    """Four plain rectangles: 0 and 80 above, 160 and 240 below; shown as they are."""
    values = [
        (0, 80, 160, 240)[2 * (2 * row >= rows) + (2 * column >= columns)]
        for row in range(rows)
        for column in range(columns)
    ]
    extra = attributes(WindowCenter="128", WindowWidth="256")
    return image(names, rows, columns, bytes(values), allocated=8, extra=extra, **more)  # type: ignore[arg-type]


def gsps(
    names: Names, shown: Instance, *, center: float, width: float, extra: Data | None = None
) -> Instance:
    """A grayscale presentation state of one image: a window, the whole image."""
    reference = attributes(ReferencedSOPClassUID=shown.sop_class, ReferencedSOPInstanceUID=shown.sop)
    rows, columns = (shown.elements[tag].value for tag in (0x00280010, 0x00280011))
    assert isinstance(rows, int)
    assert isinstance(columns, int)
    area = attributes(
        ReferencedImageSequence=[reference],
        DisplayedAreaTopLeftHandCorner=[1, 1],
        DisplayedAreaBottomRightHandCorner=[columns, rows],
        PresentationSizeMode="SCALE TO FIT",
        PresentationPixelAspectRatio=[1, 1],
    )
    series = attributes(ReferencedImageSequence=[reference], SeriesInstanceUID=shown.series)
    window = attributes(WindowCenter=str(center), WindowWidth=str(width))
    return make(
        names,
        study=shown.study,
        sop_class=GSPS,
        extra=attributes(
            Modality="PR",
            ContentLabel="SUITE",
            ReferencedSeriesSequence=[series],
            DisplayedAreaSelectionSequence=[area],
            SoftcopyVOILUTSequence=[window],
            PresentationLUTShape="IDENTITY",
        )
        | dict(extra or {}),
    )


def ecg(names: Names, *, channels: int = 2, samples: int = 500) -> Instance:
    """A sine wave of one millivolt in each channel, sampled 500 times a second."""
    code = attributes(CodeValue="2:1", CodingSchemeDesignator="MDC", CodeMeaning="Lead I")
    unit = attributes(CodeValue="uV", CodingSchemeDesignator="UCUM", CodeMeaning="microvolt")
    channel = attributes(
        ChannelSourceSequence=[code],
        ChannelSensitivity="1",
        ChannelSensitivityUnitsSequence=[unit],
        ChannelSensitivityCorrectionFactor="1",
        ChannelBaseline="0",
        WaveformBitsStored=16,
    )
    wave = [round(1000 * math.sin(index / 20)) for index in range(samples) for _ in range(channels)]
    group = attributes(
        WaveformOriginality="ORIGINAL",
        NumberOfWaveformChannels=channels,
        NumberOfWaveformSamples=samples,
        SamplingFrequency="500",
        ChannelDefinitionSequence=[channel] * channels,
        WaveformBitsAllocated=16,
        WaveformSampleInterpretation="SS",
        WaveformData=words(wave),
    )
    return make(names, sop_class=ECG, Modality="ECG", extra=attributes(WaveformSequence=[group]))


def cda(names: Names, document: bytes) -> Instance:
    """An encapsulated CDA document."""
    return make(
        names,
        sop_class=ENCAPSULATED_CDA,
        extra=attributes(
            Modality="DOC",
            DocumentTitle="Conformance",
            EncapsulatedDocument=document,
            MIMETypeOfEncapsulatedDocument="text/xml",
            EncapsulatedDocumentLength=len(document),
        ),
    )


def raw_data(names: Names) -> Instance:
    """An object that has no picture at all."""
    return make(names, sop_class=RAW_DATA, Modality="OT")


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


# Begins as an MP4 does and holds nothing to be played: for what is kept and given back as it is.
VIDEO = _box(b"ftyp", b"isom\0\0\2\0isomavc1mp41") + _box(b"free", bytes(range(256)) * 64)


def video(names: Names, stream: bytes = VIDEO) -> Instance:
    """A video object of MPEG-4 AVC/H.264, 30 frames as its attributes say, in one fragment."""
    module = attributes(
        Modality="ES",
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_PARTIAL_420",
        PlanarConfiguration=0,
        Rows=480,
        Columns=640,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        CineRate="30",
        FrameTime="33.33",
    )
    return encapsulated_image(
        names,
        MPEG4,
        [stream],
        module | attributes(NumberOfFrames=30),
        table="empty",
        sop_class=VIDEO_ENDOSCOPIC,
    )
