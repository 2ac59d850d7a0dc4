"""Displays whose attributes are anything at all: a picture or a refusal, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.errors import DecodeFailed
from dicomweb.pixels.rendering.display import display_of
from dicomweb.pixels.rendering.presentation import display_with_presentation_state
from tests.pixels.rendering.drawing import levels, made

_TAGS = st.sampled_from(
    """
    00280030 00280034 00280120 00280121 00281050 00281051 00281052 00281053 00281056 00281101 00281102
    00281103 00281201 00281202 00281203 00281221 00282000 00283000 00283010 00283002 00283006 20500010
    20500020 3004000E 00620001 00620002 0062000A 00089205 60000010 60000011 60000015 60000050 60000051
    60000102 60003000 60020010 60021001 00181600 00181602 00181604 00181606 00181608 00181610 00181612
    00181620 00181622 52009229 52009230 00289132 00289145 00480105 00186011 00283110 00081140 00700001
    0070005A 00700008 00700009 00700005 00700006 00700022 00700023 00700052 00700053 00700042 00700060
    """.split()  # noqa: SIM905
)
_NUMBERS = st.integers(-(1 << 62), 1 << 62) | st.sampled_from(
    [0, 1, -1, 2, 8, 16, 255, 256, 65535, 65536, 1e-300, 1e300, -1e300, 0.5]
)
_TEXTS = st.sampled_from(
    """
    LINEAR SIGMOID INVERSE FRACTIONAL LABELMAP COLOR CIRCULAR POLYGONAL BITMAP RECTANGULAR
    POLYLINE CIRCLE ELLIPSE INTERPOLATED PIXEL Y MAGNIFY nan \0
    """.split(" ")  # noqa: SIM905
)
_BINARIES = (
    {"vr": "UN"},
    {"vr": "OW", "InlineBinary": "AAAA"},
    {"vr": "OW", "InlineBinary": "%"},
    {"vr": "OW", "BulkDataURI": "gone"},
    {"vr": "FL", "BulkDataURI": "gone"},
)


def _elements(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(
        _TAGS,
        st.one_of(
            st.lists(_NUMBERS | _TEXTS | st.none(), max_size=8).map(
                lambda values: {"vr": "DS", "Value": values}
            ),
            st.lists(items | st.none(), max_size=3).map(lambda values: {"vr": "SQ", "Value": values}),
            st.sampled_from(_BINARIES),
        ),
        max_size=10,
    )


_ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.recursive(st.just({}), _elements, max_leaves=12)
_PHOTOMETRICS = st.sampled_from(["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", ""])


@settings(max_examples=200)
@given(
    attributes=_ATTRIBUTES,
    state=st.none() | _ATTRIBUTES,
    photometric=_PHOTOMETRICS,
    segmentation=st.booleans(),
)
def test_any_attributes_give_a_picture_or_a_refusal(
    attributes: dict[str, Any], state: dict[str, Any] | None, photometric: str, segmentation: bool
) -> None:
    image = _image(photometric)
    sop_class = "1.2.840.10008.5.1.4.1.1.66.4" if segmentation else "1.2"
    display = display_of({**attributes, "00080016": {"vr": "UI", "Value": [sop_class]}}, 0)
    if state is not None:
        display = display_with_presentation_state(display, state, "1.2.3")
    try:
        picture = image.draw(display=display, media_type="image/png", icc_profile="srgb")
    except DecodeFailed:
        return
    assert levels(picture).size


def _image(photometric: str) -> Any:
    pixels = np.arange(12 * 9, dtype="<u2")
    return made(rows=12, columns=9, pixels=pixels.tobytes(), photometric_interpretation=photometric or "X")
