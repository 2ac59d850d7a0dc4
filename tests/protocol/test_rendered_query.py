"""Parameters of rendered resources and thumbnails (R-01, R-05 to R-11, B-08)."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.picture import LONGEST_SIDE, SIGMOID, Viewport, Window
from dicomweb.errors import InvalidRequest
from dicomweb.pixels.rendering import request
from dicomweb.protocol.rendered_query import (
    RenderedQuery,
    parse_rendered,
    parse_thumbnail,
    refuse_for_presentation,
)

_SIDES = st.integers(1, 8192)
_OFFSETS = st.floats(0, 1e6, allow_nan=False).map(lambda number: round(number, 3))


@given(width=_SIDES, height=_SIDES, x=_OFFSETS, y=_OFFSETS, sw=_SIDES, sh=_SIDES, flip=st.booleans())
def test_a_viewport_comes_back_encoded_or_not(
    width: int, height: int, x: float, y: float, sw: int, sh: int, flip: bool
) -> None:
    text = f"{width},{height},{x},{y},{-sw if flip else sw},{sh}"
    wanted = Viewport(width, height, x, y, sw, sh, flip_horizontal=flip)
    assert parse_rendered(f"viewport={text}".encode()).viewport == wanted
    assert parse_rendered(f"viewport={quote(text, safe='')}".encode()).viewport == wanted


@pytest.mark.parametrize(
    ("text", "viewport"),
    [
        ("64,32", Viewport(64, 32)),
        ("64,32,,,,", Viewport(64, 32)),
        ("64,32,5", Viewport(64, 32, x=5)),
        ("64,32,,,-10,-20", Viewport(64, 32, 0, 0, 10, 20, flip_horizontal=True, flip_vertical=True)),
        ("64,32,,7,,20", Viewport(64, 32, y=7, source_height=20)),
    ],
)
def test_what_is_left_out_of_a_viewport_has_its_default(text: str, viewport: Viewport) -> None:
    assert parse_rendered(f"viewport={text}".encode()).viewport == viewport


@pytest.mark.parametrize(
    ("text", "function"), [("linear", "LINEAR"), ("linear-exact", "LINEAR_EXACT"), ("sigmoid", "SIGMOID")]
)
def test_a_window_has_center_width_and_function(text: str, function: str) -> None:
    assert parse_rendered(f"window=-40.5,+4e2,{text}".encode()).window == Window(-40.5, 400, function)


def test_a_window_below_one_is_for_the_exact_functions() -> None:
    assert parse_rendered(b"window=0,0.5,linear-exact").window == Window(0, 0.5, "LINEAR_EXACT")
    with pytest.raises(InvalidRequest):
        parse_rendered(b"window=0,0.5,linear")


def test_annotation_keywords_are_drawn_or_named_in_a_warning() -> None:
    asked = parse_rendered(b"annotation=patient,technique,patient,frame_of-reference")
    assert asked.annotation == ("patient", "technique")
    assert asked.unsupported == ("frame_of-reference",)


def test_names_that_are_not_known_are_ignored() -> None:
    assert parse_rendered(b"Quality=0&foo=%zz&%zz=1&&=&accept=image/png&viewpor=1") == RenderedQuery()


_BAD = [
    *(
        f"viewport={text}"
        for text in (
            "",
            "1",
            "0,1",
            "1,0",
            "-1,1",
            "1.5,1",
            "a,b",
            "1,1,1,1,1,1,1",
            "1,1,-1",
            "1,1,,-1",
            "1,1,,,0",
            "1,1,,,,0",
            "1,1,nan",
            "1,1,inf",
            "1,1,1e99",
            "99999999,99999999",
            "16385,1",
            "16384,16384",
            "9" * 5000 + ",1",
            "1,1,0x10",
            "1;1",
            ",",
            "１,１",
            "1,1,1%00,1",
            "1, ,1",
        )
    ),
    *(
        f"window={text}"
        for text in (
            "",
            "40",
            "40,400",
            "40,400,",
            "40,400,Linear",
            "40,400,LINEAR",
            "40,400,linear,1",
            "40,0,linear",
            "40,-1,sigmoid",
            "40,0,linear-exact",
            "a,400,linear",
            ",400,linear",
            "nan,400,linear",
            "1,inf,linear",
            "1e40,1,linear",
            "1" * 400 + ",1,linear",
        )
    ),
    *(f"quality={text}" for text in ("", "0", "101", "-1", "1.5", "abc", "9" * 5000, "1,2", "１")),
    *(
        f"annotation={text}"
        for text in ("", ",", "patient,", "pa tient", "<script>", "%00", ",".join(f"a{n}" for n in range(30)))
    ),
    *(f"iccprofile={text}" for text in ("", "SRGB", "sRGB", "yes,no", "profile")),
    "quality=1&quality=1",
    "window=1,1,linear&window=1,1,linear",
    "viewport=1,1&viewport=",
    "quality=%zz",
    "quality=%ff",
]


@pytest.mark.parametrize("query", _BAD)
def test_a_bad_value_of_a_known_parameter_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_rendered(query.encode())


@given(st.text(max_size=40), st.sampled_from(["viewport", "window", "quality", "annotation", "iccprofile"]))
def test_any_value_is_understood_or_refused(text: str, name: str) -> None:
    with suppress(InvalidRequest):
        viewport = parse_rendered(f"{name}={quote(text)}".encode()).viewport
        assert viewport is None or (viewport.width or 0) <= LONGEST_SIDE


@given(st.binary(max_size=60))
def test_any_bytes_are_understood_or_refused(query: bytes) -> None:
    for parse in (parse_rendered, parse_thumbnail):
        with suppress(InvalidRequest):
            parse(query)


def test_a_thumbnail_has_a_size_and_nothing_else() -> None:
    assert parse_thumbnail(b"viewport=64,64&window=bad").viewport == Viewport(64, 64)
    with pytest.raises(InvalidRequest):
        parse_thumbnail(b"viewport=64,64,1,1")


@pytest.mark.parametrize("query", [b"window=1,1,linear", b"viewport=1,1,1"])
def test_a_presentation_state_has_its_own_window_and_region(query: bytes) -> None:
    with pytest.raises(InvalidRequest):
        refuse_for_presentation(parse_rendered(query))
    refuse_for_presentation(parse_rendered(b"viewport=64,64&quality=50"))


def test_the_renderer_takes_what_is_parsed() -> None:
    asked = parse_rendered(b"viewport=64,32,1,2,-3,4&window=1,2,sigmoid&quality=7&iccprofile=srgb")
    made = request.RenderRequest.from_parameters(asked.picture_parameters())
    assert made.window == Window(1, 2, SIGMOID)
    assert made.viewport == Viewport(64, 32, 1, 2, 3, 4, flip_horizontal=True)
    assert (made.quality, made.icc_profile) == (7, "srgb")
