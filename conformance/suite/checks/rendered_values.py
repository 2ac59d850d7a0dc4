"""Pixels of rendered images, computed by hand (PS3.4 N.2, PS3.3 C.11, C.7.6.3; PS3.18 8.3.5.1.4)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from conformance.suite import drawn
from conformance.suite.check import Failed, expect, expect_equal, shows
from conformance.suite.drawn import RAMP, RAMP_COLUMNS, RAMP_ROWS, image, words
from conformance.suite.image_files import Picture, read_picture, read_png
from conformance.suite.objects import (
    MULTIFRAME_WORD,
    PARAMETRIC_MAP,
    Instance,
    make,
)
from conformance.suite.part10 import Element, attributes
from conformance.suite.session import Session

PNG = "image/png"
BYTE_WINDOW = attributes(WindowCenter="128", WindowWidth="256")  # 0 to 255 as they are


def stored(session: Session, instance: Instance) -> Instance:
    """Store it; for use within calls."""
    session.stored(instance)
    return instance


def png(session: Session, path: str, query: str = "") -> Picture:
    """The rendered resource of a path as PNG."""
    response = session.get(path + "/rendered", query=query, accept=PNG)
    expect_equal(response.status_code, 200, f"rendered?{query} as PNG")
    expect_equal(response.headers.get("content-type"), PNG, "Content-Type")
    return read_png(response.content)


def expect_greys(seen: Picture, wanted: Sequence[float], what: str) -> None:
    """Fail unless each pixel is the wanted value, rounded up or down."""
    greys = seen.grey()
    expect_equal(len(greys), len(wanted), f"{what}: pixels")
    wrong = [(index, grey) for index, grey in enumerate(greys) if abs(grey - wanted[index]) >= 1.01]
    if wrong:
        index, grey = wrong[0]
        raise Failed(
            f"{what}: {len(wrong)} pixels are wrong, pixel {index} is {grey}, not {wanted[index]:.1f}"
        )


def _ramp(session: Session) -> Instance:
    return session.once("a ramp", lambda run: stored(run, drawn.ramp(run)))


_FUNCTIONS: dict[str, Callable[[float, float, float], float]] = {
    "linear": drawn.linear,
    "linear-exact": drawn.linear_exact,
    "sigmoid": drawn.sigmoid,
}


@shows("R-05", "R-02", "R-01")
def windows_give_the_values_of_the_standard(session: Session) -> str:
    path = _ramp(session).path
    for name, function in _FUNCTIONS.items():
        for center, width in ((512, 1024), (300, 200), (40.5, 81), (600, 1)):
            seen = png(session, path, f"window={center},{width},{name}")
            wanted = [function(value, center, width) for value in RAMP]
            expect_greys(seen, wanted, f"window={center},{width},{name}")
    return "linear, linear-exact, sigmoid: 4 windows each, every pixel"


@shows("R-04", "R-02")
def the_window_of_the_image_is_the_default(session: Session) -> str:
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "two windows, the first counts": (
            {"WindowCenter": ["300", "9"], "WindowWidth": ["200", "9"]},
            "linear",
        ),
        "SIGMOID": (
            {"WindowCenter": "500", "WindowWidth": "300", "VOILUTFunction": "SIGMOID"},
            "sigmoid",
        ),
        "LINEAR_EXACT": (
            {"WindowCenter": "500", "WindowWidth": "300", "VOILUTFunction": "LINEAR_EXACT"},
            "linear-exact",
        ),
    }
    for what, (window, name) in cases.items():
        instance = stored(session, drawn.ramp(session, **window))
        center, width = (
            float(value[0] if isinstance(value, list) else value)
            for value in (window["WindowCenter"], window["WindowWidth"])
        )
        wanted = [_FUNCTIONS[name](value, center, width) for value in RAMP]
        expect_greys(png(session, instance.path), wanted, what)
    return ", ".join(cases)


@shows("R-02", "R-04")
def rescaled_values_are_windowed(session: Session) -> str:
    rescale = {"RescaleSlope": "2", "RescaleIntercept": "-1000"}
    instance = stored(session, drawn.ramp(session, WindowCenter="40", WindowWidth="400", **rescale))
    units = [2 * value - 1000 for value in RAMP]
    expect_greys(png(session, instance.path), [drawn.linear(one, 40, 400) for one in units], "own window")
    seen = png(session, instance.path, "window=-200,800,linear-exact")
    expect_greys(seen, [drawn.linear_exact(one, -200, 800) for one in units], "window of the request")
    return "slope 2, intercept -1000: windows in modality units"


@shows("R-02", "R-04")
def lookup_tables_of_modality_and_voi(session: Session) -> str:
    table = [min(65535, index * index) for index in range(256)]
    lut = attributes(LUTDescriptor=[256, 0, 16], LUTData=table)
    extra = attributes(VOILUTSequence=[lut])
    values = list(range(256))
    instance = image(session, 16, 16, words(values), stored=8, extra=extra)
    voi = [table[value] / 65535 * 255 for value in values]
    expect_greys(png(session, stored(session, instance).path), voi, "VOI LUT")
    lut = attributes(LUTDescriptor=[256, 0, 16], ModalityLUTType="US", LUTData=[3 * one for one in values])
    extra = attributes(ModalityLUTSequence=[lut], WindowCenter="400", WindowWidth="400")
    instance = image(session, 16, 16, words(values), stored=8, extra=extra)
    wanted = [drawn.linear(3 * value, 400, 400) for value in values]
    expect_greys(png(session, stored(session, instance).path), wanted, "Modality LUT")
    return "VOI LUT of 256 entries, Modality LUT before the window"


@shows("R-03", "R-02")
def monochrome1_and_inverse_shapes_are_inverted(session: Session) -> str:
    window = {"WindowCenter": "512", "WindowWidth": "1024"}
    wanted = [255 - drawn.linear(value, 512, 1024) for value in RAMP]
    first = stored(session, drawn.ramp(session, PhotometricInterpretation="MONOCHROME1", **window))
    expect_greys(png(session, first.path), wanted, "MONOCHROME1")
    inverse = stored(session, drawn.ramp(session, PresentationLUTShape="INVERSE", **window))
    expect_greys(png(session, inverse.path), wanted, "Presentation LUT Shape INVERSE")
    return "MONOCHROME1; Presentation LUT Shape INVERSE"


@shows("R-03")
def every_kind_of_grey_pixel_renders(session: Session) -> str:
    greys = list(range(0, 256, 2))  # 8 rows of 16
    signed = [grey - 128 for grey in greys]
    narrow = [one & 0xFFF for one in signed]
    shifted = [grey << 4 for grey in greys]
    window = attributes(WindowCenter="0", WindowWidth="256")
    cases: dict[str, tuple[Instance, list[float]]] = {
        "signed 16": (
            image(session, 8, 16, words(signed), signed=True, extra=window),
            [drawn.linear(value, 0, 256) for value in signed],
        ),
        "signed 12 in 16": (
            image(session, 8, 16, words(narrow), stored=12, signed=True, extra=window),
            [drawn.linear(value, 0, 256) for value in signed],
        ),
        "8 of 16 bits, dirt above": (
            image(session, 8, 16, words([grey | 0xA500 for grey in greys]), stored=8, extra=BYTE_WINDOW),
            [float(grey) for grey in greys],
        ),
        "high bit 15 of 12": (
            image(session, 8, 16, words(shifted), stored=12, high=15, extra=BYTE_WINDOW),
            [float(grey) for grey in greys],
        ),
        "8 bits": (
            image(session, 8, 16, bytes(greys), allocated=8, extra=BYTE_WINDOW),
            [float(grey) for grey in greys],
        ),
        "32 bits": (
            image(
                session,
                8,
                16,
                words([grey * 1000 for grey in greys], 32),
                allocated=32,
                extra=attributes(WindowCenter="128000", WindowWidth="256000"),
            ),
            [drawn.linear(grey * 1000, 128000, 256000) for grey in greys],
        ),
    }
    for what, (instance, wanted) in cases.items():
        expect_greys(png(session, stored(session, instance).path), wanted, what)
    return ", ".join(cases)


@shows("R-03")
def floating_point_pixels_render(session: Session) -> str:
    values = [index / 64 - 1 for index in range(128)]
    for keyword, form, vr in (("FloatPixelData", "f", "OF"), ("DoubleFloatPixelData", "d", "OD")):
        extra = attributes(
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=8,
            Columns=16,
            BitsAllocated=32 if form == "f" else 64,
            NumberOfFrames=1,
        )
        tag = next(iter(attributes(**{keyword: b""})))
        extra[tag] = Element(vr, struct.pack(f"<128{form}", *values))
        instance = stored(session, make(session, sop_class=PARAMETRIC_MAP, Modality="MR", extra=extra))
        seen = png(session, instance.path, "window=0,2,linear-exact")
        expect_greys(seen, [drawn.linear_exact(value, 0, 2) for value in values], keyword)
    return "Float and Double Float Pixel Data"


@shows("R-03")
def one_bit_pixels_render(session: Session) -> str:
    frames = [[(index * 7 + frame) % 3 == 0 for index in range(15)] for frame in range(2)]
    instance = stored(session, drawn.bits(session, 3, 5, frames))
    for number, frame in enumerate(frames, 1):
        seen = png(session, f"{instance.path}/frames/{number}")
        expect_equal((seen.width, seen.height), (5, 3), "size")
        expect_equal(seen.grey(), bytes(255 * bit for bit in frame), f"frame {number}")
    return "two frames of 3 by 5 pixels, unaligned"


@shows("R-03", "R-04")
def padding_does_not_widen_the_window(session: Session) -> str:
    values = [1000 + index for index in range(128)]
    padded = values[:64] + [-2000] * 64
    extra = {"PixelPaddingValue": -2000 & 0xFFFF}
    instance = image(session, 8, 16, words(padded), signed=True, **extra)  # type: ignore[arg-type]
    seen = png(session, stored(session, instance).path).grey()
    expect(seen[63] - seen[0] > 200, f"values of the image span {seen[63] - seen[0]} of 255 levels")
    expect_equal(set(seen[64:]), {0}, "padding")
    return "the image has the whole range, padding is black"


@shows("R-04")
def images_without_a_window_use_the_whole_range(session: Session) -> str:
    instance = image(session, RAMP_ROWS, RAMP_COLUMNS, words([30000 + value for value in RAMP]))
    seen = png(session, stored(session, instance).path).grey()
    expect(seen[0] <= 8 and seen[-1] >= 247, f"values run from {seen[0]} to {seen[-1]}")
    expect(list(seen) == sorted(seen), "the ramp is not one")
    return f"{seen[0]} to {seen[-1]}"


@shows("R-01", "M-04", "M-14")
def jpeg_shows_the_same_pixels_as_png(session: Session) -> str:
    path = stored(session, drawn.quarters(session)).path
    exact = png(session, path)
    lossy = read_picture(session.get(path + "/rendered", query="quality=95", accept="image/jpeg").content)
    expect_equal((lossy.width, lossy.height), (exact.width, exact.height), "size")
    for x, y in ((5, 5), (55, 5), (5, 35), (55, 35)):
        off = abs(lossy.at(x, y)[0] - exact.at(x, y)[0])
        expect(off <= 6, f"pixel {x},{y} is {lossy.at(x, y)[0]} in JPEG, {exact.at(x, y)[0]} in PNG")
    return "four plain areas agree"


@shows("R-04", "R-03")
def frames_have_their_own_windows(session: Session) -> str:
    values = list(range(0, 256, 2))
    windows = ((40, 80), (200, 100))
    groups = [
        attributes(FrameVOILUTSequence=[attributes(WindowCenter=str(center), WindowWidth=str(width))])
        for center, width in windows
    ]
    extra = attributes(NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups)
    instance = image(session, 8, 16, words(values) * 2, stored=8, sop_class=MULTIFRAME_WORD, extra=extra)
    path = stored(session, instance).path
    for number, (center, width) in enumerate(windows, 1):
        wanted = [drawn.linear(value, center, width) for value in values]
        expect_greys(png(session, f"{path}/frames/{number}"), wanted, f"frame {number}")
    return "two frames, two windows"
