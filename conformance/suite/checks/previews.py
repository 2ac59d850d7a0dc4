"""What segmentations, dose and parametric maps look like when they are rendered by themselves (R-17)."""

from __future__ import annotations

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.rendered_values import png, stored
from conformance.suite.drawn import words
from conformance.suite.part10 import attributes
from conformance.suite.session import Session

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_RED = [34885, 53485, 50171]  # CIELab of pure red (PS3.3 C.10.7.1.1)
_SIDE = 16


def _in_block(index: int, start: int) -> bool:
    row, column = divmod(index, _SIDE)
    return start <= row < start + 4 and start <= column < start + 4


@shows("R-17")
def segmentations_show_their_segments(session: Session) -> str:
    masks = [[int(_in_block(index, start)) for index in range(_SIDE * _SIDE)] for start in (2, 9)]
    packed = bytearray(_SIDE * _SIDE * 2 // 8)
    for index, bit in enumerate(bit for mask in masks for bit in mask):
        packed[index // 8] |= bit << (index % 8)
    segments = [
        attributes(
            SegmentNumber=number,
            SegmentLabel=f"Segment {number}",
            SegmentAlgorithmType="MANUAL",
            RecommendedDisplayCIELabValue=_RED,
        )
        for number in (1, 2)
    ]
    frames = [
        attributes(SegmentIdentificationSequence=[attributes(ReferencedSegmentNumber=number)])
        for number in (1, 2)
    ]
    extra = attributes(
        Modality="SEG",
        ImageType=["DERIVED", "PRIMARY"],
        SegmentationType="BINARY",
        SegmentSequence=segments,
        PerFrameFunctionalGroupsSequence=frames,
        NumberOfFrames=2,
    )
    instance = drawn.image(
        session, _SIDE, _SIDE, bytes(packed), allocated=1, sop_class=SEGMENTATION, extra=extra
    )
    path = stored(session, instance).path
    for number, mask in enumerate(masks, 1):
        seen = png(session, f"{path}/frames/{number}")
        for index, bit in enumerate(mask):
            pixel = seen.at(index % _SIDE, index // _SIDE)
            expect((max(pixel) > 100) == bool(bit), f"frame {number}, pixel {index} is {pixel}")
    colour = png(session, f"{path}/frames/1").at(3, 3)
    red = len(colour) < 3 or (colour[0] > 200 and colour[1] < 60 and colour[2] < 60)
    expect(red, f"a red segment is {colour}")
    return f"the mask of each frame; a red segment is {colour}"


@shows("R-17", "R-04")
def dose_runs_from_nothing_to_its_greatest(session: Session) -> str:
    values = [0, 1000, 2000, 4000] * (_SIDE * _SIDE // 4)
    extra = attributes(
        Modality="RTDOSE",
        DoseUnits="GY",
        DoseType="PHYSICAL",
        DoseSummationType="PLAN",
        DoseGridScaling="0.001",
        PixelSpacing=["2", "2"],
    )
    instance = drawn.image(session, _SIDE, _SIDE, words(values), sop_class=RT_DOSE, extra=extra)
    seen = png(session, stored(session, instance).path)
    levels = [seen.at(column, 5) for column in range(4)]
    expect_equal(len(set(levels)), 4, "different levels of four doses")
    expect(max(levels[0]) < 20 and max(levels[3]) > 150, f"from {levels[0]} to {levels[3]}")
    return f"{levels[0]} for none, {levels[3]} for the greatest"
