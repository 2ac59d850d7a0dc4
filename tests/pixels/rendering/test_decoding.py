"""Large frames decoded small for small pictures."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pytest

from dicomweb.dicom.picture import Viewport
from dicomweb.errors import DecodeFailed
from tests.pixels.rendering.drawing import Drawable, levels, made

_JPEG, _JPEG_2000, _RLE = (f"1.2.840.10008.1.2.{n}" for n in ("4.50", "4.90", "5"))
_SIDE = 1100
_ROW, _COLUMN = np.indices((_SIDE, _SIDE)) / _SIDE
_SMOOTH = (127 + 120 * np.sin(6 * _ROW) * np.cos(5 * _COLUMN)).astype(np.uint8)


def _compressed(transfer_syntax_uid: str, codestream: bytes, **more: Any) -> Drawable:
    return made(
        rows=_SIDE,
        columns=_SIDE,
        bits_allocated=8,
        transfer_syntax_uid=transfer_syntax_uid,
        codestreams=[codestream],
        **more,
    )


_CODESTREAMS = {
    _JPEG: bytes(imagecodecs.jpeg8_encode(_SMOOTH, level=95)),
    _JPEG_2000: bytes(imagecodecs.jpeg2k_encode(_SMOOTH, reversible=True, codecformat="j2k")),
}


@pytest.mark.parametrize("uid", sorted(_CODESTREAMS))
@pytest.mark.parametrize(
    "request_",
    [
        {"thumbnail": True},
        {"viewport": Viewport(200, 100)},
        {"viewport": Viewport(100, 100, 300, 200, 800, 800)},
        {"viewport": Viewport(100, 100, 0.5, 0.5, 0.5, 0.5, normalized=True)},
    ],
)
def test_a_reduced_frame_gives_the_same_picture(uid: str, request_: dict[str, Any]) -> None:
    whole = made(rows=_SIDE, columns=_SIDE, bits_allocated=8, pixels=_SMOOTH.tobytes())
    expected = levels(whole.draw(media_type="image/png", **request_)).astype(int)
    shown = levels(_compressed(uid, _CODESTREAMS[uid]).draw(media_type="image/png", **request_))
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 2
    assert np.abs(shown - expected).max() < 16


@pytest.mark.parametrize("uid", [*sorted(_CODESTREAMS), _RLE])
@pytest.mark.parametrize("request_", [{}, {"thumbnail": True}])
def test_broken_codestreams_are_refused_with_a_reason(uid: str, request_: dict[str, Any]) -> None:
    with pytest.raises(DecodeFailed) as refused:
        _compressed(uid, b"no codestream at all").draw(**request_)
    assert refused.value.message.endswith(".")


def test_a_codestream_of_another_size_is_refused() -> None:
    small = bytes(imagecodecs.jpeg8_encode(_SMOOTH[:64, :64]))
    with pytest.raises(DecodeFailed):
        _compressed(_JPEG, small).draw(thumbnail=True)


def test_syntaxes_that_cannot_be_decoded_are_refused() -> None:
    with pytest.raises(DecodeFailed):
        _compressed("1.2.840.10008.1.2.4.52", b"arithmetic coding").draw()
