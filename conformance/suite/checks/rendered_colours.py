"""Colours of rendered images (PS3.3 C.7.6.3.1.2, PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.rendered_values import png, stored
from conformance.suite.drawn import image
from conformance.suite.image_files import Picture
from conformance.suite.objects import (
    encapsulated_image,
    picture_module,
)
from conformance.suite.samples import RGB_J2K, RGB_JPEG, picture
from conformance.suite.session import Session


def _colours() -> list[tuple[int, int, int]]:
    return [(index * 2, 255 - index * 2, (index * 37) & 0xFF) for index in range(128)]


def _expect_colours(seen: Picture, wanted: Sequence[tuple[float, ...]], tolerance: int, what: str) -> None:
    expect_equal((seen.channels, len(seen.samples)), (3, 3 * len(wanted)), f"{what}: channels and bytes")
    for index, colour in enumerate(wanted):
        pixel = seen.samples[3 * index : 3 * index + 3]
        off = max(abs(one - other) for one, other in zip(pixel, colour, strict=True))
        expect(off <= tolerance, f"{what}: pixel {index} is {tuple(pixel)}, not {colour}")


@shows("R-03")
def rgb_renders_in_either_planar_configuration(session: Session) -> str:
    colours = _colours()
    flat = bytes(value for colour in colours for value in colour)
    planes = b"".join(flat[channel::3] for channel in range(3))
    for planar, pixels in ((0, flat), (1, planes)):
        instance = image(
            session, 8, 16, pixels, allocated=8, samples=3, photometric="RGB", PlanarConfiguration=planar
        )
        seen = png(session, stored(session, instance).path)
        _expect_colours(seen, colours, 0, f"Planar Configuration {planar}")
    return "exact, by pixel and by plane"


@shows("R-03")
def palette_colours_render(session: Session) -> str:
    colours = _colours()
    tables = [[colour[channel] * 257 for colour in colours] for channel in range(3)]
    indexes = bytes((index * 5) & 0x7F for index in range(128))
    instance = drawn.palette(session, tables, indexes, 16)
    seen = png(session, stored(session, instance).path)
    _expect_colours(seen, [colours[index] for index in indexes], 1, "palette")
    every = bytes(range(256))
    segmented = stored(session, drawn.segmented_palette(session, every, 16))
    seen = png(session, segmented.path)
    _expect_colours(seen, [(value, value, value) for value in every], 1, "segmented palette")
    return "tables of 16 bits; segmented tables"


@shows("R-03")
def ybr_full_renders(session: Session) -> str:
    colours = [(40 + index, 120 + (index * 3) % 60, 90 + (index * 7) % 80) for index in range(128)]
    wanted = [
        (y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128))
        for y, cb, cr in colours
    ]
    clipped = [tuple(min(255.0, max(0.0, value)) for value in colour) for colour in wanted]
    flat = bytes(value for colour in colours for value in colour)
    instance = image(session, 8, 16, flat, allocated=8, samples=3, photometric="YBR_FULL")
    _expect_colours(png(session, stored(session, instance).path), clipped, 2, "YBR_FULL")
    pairs = [(colours[2 * i][0], colours[2 * i + 1][0], *colours[2 * i][1:]) for i in range(64)]
    half = bytes(value for pair in pairs for value in pair)
    instance = image(session, 8, 16, half, allocated=8, samples=3, photometric="YBR_FULL_422")
    seen = png(session, stored(session, instance).path)
    for index in range(0, 128, 2):  # the first of each pair has its chrominance whatever the interpolation
        pixel = seen.samples[3 * index : 3 * index + 3]
        off = max(abs(one - other) for one, other in zip(pixel, clipped[index], strict=True))
        expect(off <= 24, f"YBR_FULL_422: pixel {index} is {tuple(pixel)}, not {clipped[index]}")
    return "YBR_FULL, YBR_FULL_422 uncompressed"


@shows("R-03")
def lossy_colour_renders(session: Session) -> str:
    for sample, photometric in ((RGB_JPEG, "YBR_FULL_422"), (RGB_J2K, "YBR_RCT")):
        module = picture_module("rgb", photometric=photometric)
        instance = encapsulated_image(session, sample.transfer_syntax_uid, [sample.frames[0]], module)
        seen = png(session, stored(session, instance).path)
        flat = picture("rgb", 0)
        wanted = [tuple(flat[index : index + 3]) for index in range(0, len(flat), 3)]
        _expect_colours(seen, wanted, sample.tolerance + 2, photometric)
    return "JPEG of YBR_FULL_422, JPEG 2000 of YBR_RCT"
