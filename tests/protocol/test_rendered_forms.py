"""What each kind of object can be shown as (M-04, M-05, M-12)."""

from __future__ import annotations

import pytest

from dicomweb.dicom.transfer_syntax import EXPLICIT_LITTLE
from dicomweb.errors import NotAcceptable
from dicomweb.protocol.negotiate import Resource, acceptable, available, negotiate
from dicomweb.protocol.rendered_forms import Rendering, as_rendered, rendered_offers, rendering_of
from dicomweb.protocol.representations import Stored

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_MPEG4 = "1.2.840.10008.1.2.4.102"
_HEVC = "1.2.840.10008.1.2.4.107"


@pytest.mark.parametrize(
    ("sop_class", "syntax", "frames", "rendering"),
    [
        ("2", EXPLICIT_LITTLE, 1, Rendering.IMAGE),
        ("66.4", EXPLICIT_LITTLE, 7, Rendering.IMAGE),
        ("481.2", EXPLICIT_LITTLE, 7, Rendering.IMAGE),
        ("2", EXPLICIT_LITTLE, 0, Rendering.NOTHING),
        ("2", EXPLICIT_LITTLE, None, Rendering.NOTHING),
        ("77.1.1.1", _MPEG4, 0, Rendering.VIDEO),
        ("88.11", EXPLICIT_LITTLE, None, Rendering.REPORT),
        ("88.59", EXPLICIT_LITTLE, None, Rendering.REPORT),
        ("104.1", EXPLICIT_LITTLE, None, Rendering.PDF),
        ("104.2", EXPLICIT_LITTLE, None, Rendering.CDA),
        ("104.3", EXPLICIT_LITTLE, None, Rendering.NOTHING),
        ("9.1.1", EXPLICIT_LITTLE, None, Rendering.WAVEFORM),
        ("481.3", EXPLICIT_LITTLE, None, Rendering.CONTOURS),
        ("481.5", EXPLICIT_LITTLE, None, Rendering.REPORT),
        ("11.1", EXPLICIT_LITTLE, None, Rendering.PRESENTATION),
        ("11.4", EXPLICIT_LITTLE, None, Rendering.PRESENTATION),
        ("11.8", EXPLICIT_LITTLE, None, Rendering.PRESENTATION),
        ("11.6", EXPLICIT_LITTLE, None, Rendering.NOTHING),
        ("66", EXPLICIT_LITTLE, None, Rendering.NOTHING),
    ],
)
def test_the_kind_follows_class_and_pixels(
    sop_class: str, syntax: str, frames: int | None, rendering: Rendering
) -> None:
    assert rendering_of(_STORAGE + sop_class, syntax, frames) is rendering


@pytest.mark.parametrize(
    "sop_class", ["", "1.2.3", "1.2.840.10008.5.1.4.1.1", "99", "1.2.840.10008.5.1.4.1.1."]
)
def test_a_class_that_is_not_known_has_no_form_without_frames(sop_class: str) -> None:
    assert rendering_of(sop_class, EXPLICIT_LITTLE, None) is Rendering.NOTHING
    assert rendering_of(sop_class, EXPLICIT_LITTLE, 1) is Rendering.IMAGE


@pytest.mark.parametrize(
    ("rendering", "syntax", "frames", "default"),
    [
        (Rendering.IMAGE, EXPLICIT_LITTLE, 1, "image/jpeg"),
        (Rendering.REPORT, EXPLICIT_LITTLE, 0, "text/html"),
        (Rendering.PDF, EXPLICIT_LITTLE, 0, "application/pdf"),
        (Rendering.CDA, EXPLICIT_LITTLE, 0, "text/xml"),
        (Rendering.VIDEO, _MPEG4, 0, "video/mp4"),
        (Rendering.VIDEO, _HEVC, 0, "video/H265"),
        (Rendering.WAVEFORM, EXPLICIT_LITTLE, 0, "image/png"),
    ],
)
def test_the_default_of_each_kind(rendering: Rendering, syntax: str, frames: int, default: str) -> None:
    accept = acceptable(["*/*"], [], Resource.RENDERED)
    answer = negotiate(accept, [as_rendered(rendering, syntax, frames)], single_item=True)
    assert not answer.multipart
    assert answer.root_type == default


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("image/jpeg, application/pdf", "application/pdf"),
        ("image/jpeg, application/pdf;q=0.9", "image/jpeg"),
        ("image/*, */*;q=0.8", "image/jpeg"),
        ("image/jpeg", "image/jpeg"),
    ],
)
def test_a_document_goes_as_it_is_unless_a_picture_is_liked_better(header: str, media_type: str) -> None:
    pdf = as_rendered(Rendering.PDF, EXPLICIT_LITTLE, 0)
    answer = negotiate(acceptable([header], [], Resource.RENDERED), [pdf], single_item=True)
    assert [part.media_type for part in answer.parts if part] == [media_type]


def test_several_frames_are_parts_or_one_animation() -> None:
    several = as_rendered(Rendering.IMAGE, EXPLICIT_LITTLE, 3)
    assert (
        negotiate(acceptable(["image/gif"], [], Resource.RENDERED), [several], single_item=True).multipart
        is False
    )
    with pytest.raises(NotAcceptable) as refusal:
        negotiate(acceptable(["image/jpeg"], [], Resource.RENDERED), [several], single_item=True)
    assert 'multipart/related; type="image/jpeg"' in refusal.value.available
    assert "image/jpeg" not in refusal.value.available


@pytest.mark.parametrize(
    "stored",
    [
        as_rendered(Rendering.NOTHING, EXPLICIT_LITTLE, 0),
        as_rendered(Rendering.IMAGE, "1.2.840.10008.1.2.4.92", 1, decodable=False),
    ],
)
def test_what_cannot_be_shown_offers_nothing_but_has_a_thumbnail(stored: Stored) -> None:
    assert rendered_offers(Resource.RENDERED, stored) == []
    assert available(Resource.RENDERED, [stored]) == []
    assert rendered_offers(Resource.THUMBNAIL, stored)[0].chosen.media_type == "image/jpeg"
