"""Several pictures as one that moves for ever. Each picture is a frame of it, also where nothing moves.

The job "animate": parameters {"media_type", "milliseconds": that each is shown}; buffers: the pictures as
PNG, which the jobs that draw have made one by one: nobody ever holds all the frames that they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import accumulate, pairwise
from typing import Any

from PIL import GifImagePlugin, Image, ImageChops

from dicomweb.dicom.picture import LARGEST_ANIMATION
from dicomweb.errors import DecodeFailed

Picture = Image.Image

# Below 20 ms browsers take a GIF for one that forgot its time, and show it at 10 a second.
_SHORTEST, _LONGEST = 20.0, 60_000.0


def animate(parameters: dict[str, Any], buffers: list[bytes]) -> bytes:
    """As the head of the module says. Raises DecodeFailed."""
    pictures = [Image.open(BytesIO(buffer), formats=["PNG"]) for buffer in buffers]
    # Who asked for pictures of a number kept within it, but for sides that were rounded up.
    if sum(picture.width * picture.height for picture in pictures) > 2 * LARGEST_ANIMATION:
        raise DecodeFailed("The frames are too large for one animation.")
    return encode_animation(pictures, parameters["media_type"], parameters["milliseconds"])


def encode_animation(pictures: Sequence[Picture], media_type: str, milliseconds: Sequence[float]) -> bytes:
    """The animation; media_type: image/gif or image/png (APNG).

    pictures: of mode L or RGB and one size. milliseconds: that each is shown.
    """
    encode = _ENCODERS.get(media_type)
    if encode is None:
        raise DecodeFailed("Animations are not made in this media type.")
    return encode(pictures, milliseconds)


def in_steps(milliseconds: Sequence[float], step: int) -> list[int]:
    """Times in whole steps: what one picture is shown too long, the next is shown less.

    >>> in_steps([33.3, 33.3, 33.3], 10)
    [30, 40, 30]
    """
    ends = accumulate(min(max(time, _SHORTEST), _LONGEST) for time in milliseconds)
    return [stop - start for start, stop in pairwise([0, *(round(end / step) * step for end in ends)])]


def _gif(pictures: Sequence[Picture], milliseconds: Sequence[float]) -> bytes:
    """Block by block: left to itself, Pillow makes one frame of pictures that are equal."""
    pieces, _ = GifImagePlugin.getheader(_indexed(pictures[0]), info={"loop": 0})
    shown: Picture | None = None
    for picture, time in zip(pictures, in_steps(milliseconds, 10), strict=True):
        box = _changed(shown, picture)
        pieces += GifImagePlugin.getdata(
            _indexed(picture.crop(box)), box[:2], duration=time, include_color_table=True
        )
        shown = picture
    return b"".join([*pieces, b";"])


def _changed(shown: Picture | None, picture: Picture) -> tuple[int, int, int, int]:
    """What of the picture is not there yet, one pixel at least."""
    if shown is None:
        return 0, 0, picture.width, picture.height
    return ImageChops.difference(shown, picture).getbbox() or (0, 0, 1, 1)


def _indexed(picture: Picture) -> Picture:
    if picture.mode == "L":
        return picture.convert("P")
    return picture.convert("P", palette=Image.Palette.ADAPTIVE)


def _png(pictures: Sequence[Picture], milliseconds: Sequence[float]) -> bytes:
    first, *others = pictures
    buffer = BytesIO()
    first.save(
        buffer,
        "PNG",
        save_all=True,
        append_images=others,
        duration=in_steps(milliseconds, 1),
        # It makes no difference to pictures without gaps, but keeps Pillow from making one of two.
        blend=[number % 2 for number in range(len(pictures))],
        loop=0,
    )
    return buffer.getvalue()


_ENCODERS: dict[str, Callable[[Sequence[Picture], Sequence[float]], bytes]] = {
    "image/gif": _gif,
    "image/png": _png,
}
ANIMATED_MEDIA_TYPES = frozenset(_ENCODERS)
"""Of animations."""
