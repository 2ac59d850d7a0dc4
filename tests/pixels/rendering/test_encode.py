"""Rendered media types: read back by other decoders, with profile, text and time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from dicomweb.errors import DecodeFailed, InvalidRequest
from dicomweb.pixels.rendering import animation
from dicomweb.pixels.rendering.animation import ANIMATED_MEDIA_TYPES, encode_animation
from dicomweb.pixels.rendering.annotation_lines import KEYWORDS, annotation_lines
from dicomweb.pixels.rendering.colour_space import NAMES, named_profile
from dicomweb.pixels.rendering.encode import MEDIA_TYPES, PROFILED_MEDIA_TYPES
from dicomweb.protocol.rendered_forms import ANIMATIONS, DRAWINGS, RENDERED_TYPES, STILLS
from dicomweb.protocol.rendered_query import RenderedQuery, refuse_profile
from tests.pixels.rendering.drawing import drawn, frames_of, levels, made

_ROW, _COLUMN = np.indices((48, 64))
_GRAY = (_ROW * 3 + _COLUMN * 1.5).astype(np.uint8)
_COLOUR = np.stack([_GRAY, 255 - _GRAY, np.full_like(_GRAY, 90)], axis=-1)


def _options(pixels: np.ndarray[Any, Any], **more: Any) -> dict[str, Any]:
    return {
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "samples_per_pixel": 3 if pixels.ndim == 3 else 1,
        "bits_allocated": 8,
        "pixels": pixels.tobytes(),
        **more,
    }


_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "image/jpeg": lambda data: np.asarray(Image.open(BytesIO(data))),
    "image/png": lambda data: np.asarray(Image.open(BytesIO(data))),
    "image/gif": lambda data: np.asarray(Image.open(BytesIO(data)).convert("RGB")),
    "image/jp2": lambda data: np.asarray(Image.open(BytesIO(data))),
    "image/jph": lambda data: imagecodecs.htj2k_decode(data[data.index(b"\xff\x4f\xff\x51") :]),
    "image/jxl": imagecodecs.jpegxl_decode,
}


def test_every_media_type_is_tested() -> None:
    assert set(_DECODERS) == MEDIA_TYPES


@pytest.mark.parametrize("media_type", sorted(MEDIA_TYPES))
@pytest.mark.parametrize("pixels", [_GRAY, _COLOUR], ids=["gray", "colour"])
@pytest.mark.parametrize("quality", [None, 1, 50, 100])
def test_pictures_are_read_back(media_type: str, pixels: np.ndarray[Any, Any], quality: int | None) -> None:
    picture = made(**_options(pixels)).draw(media_type=media_type, quality=quality)
    shown = _DECODERS[media_type](picture)
    if media_type == "image/gif" and pixels.ndim == 2:
        shown = shown[..., 0]
    assert shown.shape == pixels.shape
    error = np.abs(shown.astype(int) - pixels).mean()
    assert error < (40 if quality == 1 else 12 if media_type == "image/gif" else 6)
    lossless = media_type == "image/png" or (
        quality == 100 and media_type in ("image/jp2", "image/jph", "image/jxl")
    )
    assert not lossless or error == 0


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/jp2", "image/jph", "image/jxl"])
def test_quality_costs_bytes(media_type: str) -> None:
    noisy = np.random.default_rng(5).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    image = made(**_options(noisy))
    sizes = [len(image.draw(media_type=media_type, quality=quality)) for quality in (5, 40, 75, 100)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_a_quality_means_the_same_to_both_kinds_of_wavelets(quality: int) -> None:
    noise = np.random.default_rng(7).normal(0, 6, _COLOUR.shape)
    pixels = np.clip(_COLOUR + noise, 0, 255).astype(np.uint8)
    image = made(**_options(pixels))
    losses, sizes = [], []
    for media_type in ("image/jp2", "image/jph"):
        picture = image.draw(media_type=media_type, quality=quality)
        # OpenJPEG for both: values that overshoot wrap around in OpenJPH.
        shown = imagecodecs.jpeg2k_decode(picture[picture.index(b"\xff\x4f\xff\x51") :])
        losses.append(np.sqrt(np.mean((shown.astype(float) - pixels) ** 2)))
        sizes.append(len(picture))
        assert len(picture) < len(image.draw(media_type=media_type, quality=100))
    assert max(losses) < 1.5 * min(losses)
    assert max(sizes) < 1.5 * min(sizes)


def test_jpeg_is_baseline_sequential() -> None:
    picture = made(**_options(_COLOUR)).draw()
    assert b"\xff\xc0" in picture
    assert b"\xff\xc2" not in picture


def test_jp2_and_jph_say_what_they_are() -> None:
    image = made(**_options(_GRAY))
    for media_type, brand in (("image/jp2", b"jp2 "), ("image/jph", b"jph ")):
        picture = image.draw(media_type=media_type)
        assert picture[:12] == b"\0\0\0\x0cjP  \r\n\x87\n"
        assert picture[20:24] == brand


def test_another_media_type_is_refused() -> None:
    with pytest.raises(DecodeFailed):
        made(**_options(_GRAY)).draw(media_type="image/x-unknown")


def test_what_is_offered_is_what_can_be_made() -> None:
    assert set(STILLS) == MEDIA_TYPES
    assert set(ANIMATIONS) <= ANIMATED_MEDIA_TYPES
    for media_type in RENDERED_TYPES:
        if media_type in MEDIA_TYPES | set(DRAWINGS):
            assert can_hold_profile(media_type) == (media_type in PROFILED_MEDIA_TYPES), media_type


def can_hold_profile(media_type: str) -> bool:
    """Whether the parameter is taken for it."""
    try:
        refuse_profile(RenderedQuery(icc_profile="srgb"), [media_type])
    except InvalidRequest:
        return False
    return True


# --- ICC profiles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
@pytest.mark.parametrize("name", sorted(NAMES))
def test_pictures_are_converted_and_say_so(media_type: str, name: str) -> None:
    picture = made(**_options(_COLOUR)).draw(media_type=media_type, icc_profile=name)
    shown = Image.open(BytesIO(picture))
    assert shown.info["icc_profile"] == named_profile(name)
    back = ImageCms.profileToProfile(
        shown, ImageCms.ImageCmsProfile(BytesIO(named_profile(name))), ImageCms.createProfile("sRGB")
    )
    assert back is not None
    assert np.abs(np.asarray(back).astype(int) - _COLOUR).mean() < 6


@pytest.mark.parametrize("asked", [None, "no"])
def test_without_being_asked_no_profile_is_embedded(asked: str | None) -> None:
    picture = made(**_options(_COLOUR)).draw(icc_profile=asked)
    assert "icc_profile" not in Image.open(BytesIO(picture)).info


def test_yes_embeds_the_profile_of_the_data_set() -> None:
    own = named_profile("adobergb")
    picture = made(**_options(_COLOUR, attributes={"ICCProfile": own})).draw(icc_profile="yes")
    assert Image.open(BytesIO(picture)).info["icc_profile"][: len(own)] == own


@pytest.mark.parametrize("profile", [b"", b"x" * 500, named_profile("rommrgb")[:200]])
@pytest.mark.parametrize("asked", ["yes", "srgb", "adobergb"])
def test_broken_profiles_are_taken_for_srgb(profile: bytes, asked: str) -> None:
    picture = made(**_options(_COLOUR, attributes={"ICCProfile": profile})).draw(icc_profile=asked)
    wanted = "srgb" if asked == "yes" else asked
    assert Image.open(BytesIO(picture)).info["icc_profile"] == named_profile(wanted)


def test_jp2_carries_the_profile() -> None:
    picture = made(**_options(_COLOUR)).draw(media_type="image/jp2", icc_profile="adobergb")
    assert named_profile("adobergb") in picture


# --- annotation --------------------------------------------------------------------------------------------


def test_annotation_is_burned_in_where_it_is_asked_for() -> None:
    black = np.zeros((256, 256), np.uint8)
    shown = drawn(**_options(black), request={"annotation": ("Doe, Jane", "山田 Ünï\n\0", "x" * 5000)})
    assert shown[:64, :200].max() == 255
    assert not shown[128:].any()


def test_annotation_fits_tiny_pictures() -> None:
    assert drawn(**_options(np.zeros((1, 1), np.uint8)), request={"annotation": ("text",) * 50}).shape == (
        1,
        1,
    )


def test_annotation_lines_name_patient_and_technique() -> None:
    attributes = made(attributes={"PatientBirthDate": "19700102", "PatientSex": "F", "KVP": "120"}).attributes
    assert annotation_lines(attributes, "patient") == ("Builder, Test", "ID ID1", "born 19700102  F")
    assert "120 kV" in annotation_lines(attributes, "technique")
    assert annotation_lines(attributes, "horoscope") == ()
    assert {"patient", "technique"} == KEYWORDS


def test_annotation_lines_of_an_empty_object_are_none() -> None:
    assert annotation_lines({}, "patient") == ()


# --- animation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", sorted(ANIMATED_MEDIA_TYPES))
def test_frames_become_an_animation(media_type: str) -> None:
    frames = np.stack([np.full((8, 8), level, np.uint8) for level in (0, 100, 200, 255)])
    options = {"rows": 8, "columns": 8, "frames": 4, "bits_allocated": 8, "pixels": frames.tobytes()}
    image = made(**options, attributes={"FrameTime": "50"})
    picture = image.animate([0, 2, 3], media_type=media_type)
    shown = list(frames_of(picture))
    assert [int(np.asarray(one.convert("L")).mean()) for one in shown] == [0, 200, 255]
    assert [one.info["duration"] for one in shown] == [50, 50, 50]
    assert len(list(frames_of(image.animate([1], media_type=media_type)))) == 1


@pytest.mark.parametrize("media_type", sorted(ANIMATED_MEDIA_TYPES))
@pytest.mark.parametrize("colour", [False, True])
def test_equal_frames_of_an_animation_stay_frames(media_type: str, colour: bool) -> None:
    frame = (_COLOUR if colour else _GRAY).tobytes()
    options = _options(_COLOUR if colour else _GRAY, attributes={"CineRate": "10"})
    other = bytes(255 - value for value in frame)
    image = made(**{**options, "frames": 5, "pixels": frame * 2 + other * 2 + frame})
    shown = list(frames_of(image.animate(range(5), media_type=media_type)))
    assert [one.info["duration"] for one in shown] == [100] * 5
    means = [np.asarray(one.convert("L")).mean() for one in shown]
    assert means == pytest.approx([means[0]] * 2 + [means[2]] * 2 + [means[0]])
    assert means[0] != pytest.approx(means[2])


def test_a_gif_is_as_long_as_its_frames() -> None:
    """It counts in hundredths of a second."""
    times = frame_times({"CineRate": "30"}, 30)
    assert sum(times) == 1000
    assert set(times) == {30, 40}


def test_each_frame_is_shown_as_long_as_its_time_vector_says() -> None:
    """PS3.3 C.7.6.5: the time before each frame, from the one before it."""
    assert frame_times({"FrameTimeVector": ["0", "100", "300", "50"]}, 4) == [100, 300, 50, 50]
    assert frame_times({"FrameTimeVector": ["0"]}, 2) == [100, 100]
    assert frame_times({"FrameTime": "50", "FrameTimeVector": ["0", "0", "-4"]}, 3) == [50, 50, 50]


def test_a_picture_of_many_is_made_smaller() -> None:
    image = made(**_options(_GRAY))
    assert levels(image.draw(media_type="image/png", most_pixels=48 * 64 // 4)).shape == (24, 32)


def test_pictures_too_large_for_one_animation_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "LARGEST_ANIMATION", 31)
    with pytest.raises(DecodeFailed, match="large"):
        made(**_options(_GRAY)).animate([0], media_type="image/gif")


def frame_times(attributes: dict[str, Any], count: int) -> list[int]:
    frames = b"".join(bytes([number * 5]) * 64 for number in range(count))
    image = made(rows=8, columns=8, frames=count, bits_allocated=8, pixels=frames, attributes=attributes)
    shown = frames_of(image.animate(range(count), media_type="image/gif"))
    return [one.info["duration"] for one in shown]


def test_no_frame_is_too_short_for_browsers_or_too_long_for_the_format() -> None:
    pictures = [Image.new("L", (4, 4), level) for level in (0, 9)]
    shown = frames_of(encode_animation(pictures, "image/gif", [1.0, 1e9]))
    assert [one.info["duration"] for one in shown] == [20, 60_000]


def test_pictures_that_do_not_move_are_refused_as_animations() -> None:
    with pytest.raises(DecodeFailed):
        made(**_options(_GRAY)).animate([0], media_type="image/jpeg")


def test_jpeg_keeps_gray_gray() -> None:
    assert levels(made(**_options(_GRAY)).draw()).ndim == 2
