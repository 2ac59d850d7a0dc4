"""What is drawn over images: overlays, shutters, presentation states (PS3.4 N.2, PS3.3 C.10, C.11)."""

from __future__ import annotations

from conformance.suite import drawn
from conformance.suite.check import expect, expect_equal, shows
from conformance.suite.checks.rendered_values import BYTE_WINDOW, PNG, expect_greys, png, stored
from conformance.suite.drawn import RAMP, image
from conformance.suite.image_files import read_png
from conformance.suite.part10 import attributes
from conformance.suite.session import Session


@shows("R-16")
def overlays_are_drawn(session: Session) -> str:
    overlay = bytearray(32)  # 16 by 16 bits
    for row in range(4, 8):
        overlay[2 * row : 2 * row + 2] = b"\xf0\x00"  # columns 4 to 7
    extra = BYTE_WINDOW | attributes(
        OverlayRows=16,
        OverlayColumns=16,
        OverlayType="G",
        OverlayOrigin=[1, 1],
        OverlayBitsAllocated=1,
        OverlayBitPosition=0,
        OverlayData=bytes(overlay),
    )
    instance = image(session, 16, 16, bytes(256), allocated=8, extra=extra)
    seen = png(session, stored(session, instance).path)
    marked = [(x, y) for y in range(16) for x in range(16) if max(seen.at(x, y)) > 100]
    wanted = [(x, y) for y in range(4, 8) for x in range(4, 8)]
    expect_equal(marked, wanted, "bright pixels")
    return "16 pixels of group 6000"


@shows("R-16")
def shutters_hide_what_lies_outside(session: Session) -> str:
    extra = BYTE_WINDOW | attributes(
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge="4",
        ShutterRightVerticalEdge="13",
        ShutterUpperHorizontalEdge="4",
        ShutterLowerHorizontalEdge="13",
        ShutterPresentationValue=0,
    )
    instance = image(session, 16, 16, bytes([200] * 256), allocated=8, extra=extra)
    seen = png(session, stored(session, instance).path)
    for (x, y), grey in {(1, 8): 0, (8, 1): 0, (15, 15): 0, (8, 8): 200, (5, 5): 200, (11, 11): 200}.items():
        expect_equal(max(seen.at(x, y)), grey, f"pixel {x},{y}")
    return "black outside a rectangle"


@shows("R-16", "R-15")
def graphics_of_presentation_states_are_drawn(session: Session) -> str:
    shown = image(session, 32, 32, bytes(1024), allocated=8, extra=BYTE_WINDOW)
    session.stored(shown)
    square = attributes(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=5,
        GraphicData=[8.0, 8.0, 24.0, 8.0, 24.0, 24.0, 8.0, 24.0, 8.0, 8.0],
        GraphicType="POLYLINE",
        GraphicFilled="N",
    )
    graphics = attributes(
        GraphicLayerSequence=[attributes(GraphicLayer="ONE", GraphicLayerOrder="1")],
        GraphicAnnotationSequence=[attributes(GraphicLayer="ONE", GraphicObjectSequence=[square])],
    )
    plain = stored(session, drawn.gsps(session, shown, center=128, width=256))
    marked = stored(session, drawn.gsps(session, shown, center=128, width=256, extra=graphics))
    seen = []
    for state in (plain, marked):
        (part,) = session.parts(state.path + "/rendered", f'multipart/related; type="{PNG}"')
        seen.append(read_png(part.content))
    expect(not any(seen[0].samples), "a black image without graphics is not black")
    bright = [(x, y) for y in range(32) for x in range(32) if max(seen[1].at(x, y)) > 60]
    expect(bright, "the line is not to be seen")
    beside = [(x, y) for x, y in bright if min(abs(x - 7.5), abs(x - 23.5), abs(y - 7.5), abs(y - 23.5)) > 2]
    expect(not beside, f"drawn at {beside[:3]}, beside the square")
    return f"{len(bright)} pixels of a square"


@shows("R-15")
def presentation_states_are_applied(session: Session) -> str:
    shown = stored(session, drawn.ramp(session))
    state = stored(session, drawn.gsps(session, shown, center=300, width=200))
    parts = session.parts(state.path + "/rendered", f'multipart/related; type="{PNG}"')
    expect_equal(len(parts), 1, "parts")
    wanted = [drawn.linear(value, 300, 200) for value in RAMP]
    expect_greys(read_png(parts[0].content), wanted, "window of the presentation state")
    for query in ("window=40,400,linear", "viewport=10,10,2,2,5,5"):
        status = session.get(state.path + "/rendered", query=query, accept=PNG).status_code
        expect_equal(status, 400, query)
    return "the referenced image with the state's window; window and source region 400"
