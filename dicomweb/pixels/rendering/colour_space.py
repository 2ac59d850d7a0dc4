"""ICC profiles of pictures: which one, and conversion between them (PS3.18 8.3.5.1.5, ISO 15076-1)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from io import BytesIO

from PIL import Image, ImageCms

_LARGEST_PROFILE = 16 << 20


def with_profile(
    picture: Image.Image, icc_profile: str | None, source: bytes
) -> tuple[Image.Image, bytes | None]:
    """The picture in the asked colour space, and the profile to embed.

    icc_profile: no or None embeds none; yes embeds the picture's own; a name converts to that space.
    source: the picture's own profile, b"" for sRGB. Grayscale becomes RGB, since the profiles are of RGB.
    """
    if icc_profile is None or icc_profile == "no":
        return picture, None
    picture = picture.convert("RGB")
    own = source if is_rgb_profile(source) else named_profile("srgb")
    if icc_profile == "yes":
        return picture, own
    wanted = named_profile(icc_profile)
    if own == wanted:
        return picture, wanted
    try:
        converted = ImageCms.profileToProfile(picture, _opened(own), _opened(wanted), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture, own  # a profile that cannot be used for conversion still tells what the pixels are
    assert converted is not None, "only inPlace gives None"
    return converted, wanted


def is_rgb_profile(profile: bytes) -> bool:
    """Whether these bytes are an ICC profile of RGB that can be embedded: header size, data colour space."""
    if not 128 < len(profile) <= _LARGEST_PROFILE or profile[36:40] != b"acsp":
        return False
    return profile[16:20] == b"RGB " and int.from_bytes(profile[:4], "big") <= len(profile)


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(BytesIO(profile))


@cache
def named_profile(name: str) -> bytes:
    """The profile of srgb, adobergb or rommrgb."""
    return _NAMED[name]()


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _adobe_rgb() -> bytes:
    """Adobe RGB (1998): its primaries adapted to D50, gamma 563/256."""
    primaries = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
    return _matrix_profile("Adobe RGB (1998) compatible", primaries, 563 / 256)


def _romm_rgb() -> bytes:
    """ROMM RGB (ISO 22028-2), which is at D50 itself, gamma 1.8."""
    primaries = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))
    return _matrix_profile("ROMM RGB", primaries, 1.8)


_NAMED: dict[str, Callable[[], bytes]] = {"srgb": _srgb, "adobergb": _adobe_rgb, "rommrgb": _romm_rgb}
NAMES = frozenset(_NAMED)
"""Values of the iccprofile parameter that name a colour space."""


# --- writing a matrix/TRC profile (ISO 15076-1 8.3.3, version 2) --------------------------------------------

_D50 = (0.9642, 1.0, 0.8249)
Primary = tuple[float, float, float]


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def _xyz(values: Primary) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _description(text: str) -> bytes:
    ascii_text = text.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(ascii_text)) + ascii_text + bytes(78)


def _matrix_profile(name: str, primaries: tuple[Primary, Primary, Primary], gamma: float) -> bytes:
    """A display profile: red, green and blue at D50 and one gamma for all."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = {
        b"desc": _description(name),
        b"cprt": b"text" + bytes(4) + b"No copyright\0",
        b"wtpt": _xyz(_D50),
        **{key + b"XYZ": _xyz(value) for key, value in zip((b"r", b"g", b"b"), primaries, strict=True)},
        **{key + b"TRC": curve for key in (b"r", b"g", b"b")},
    }
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for signature, value in tags.items():
        table += signature + struct.pack(">II", offset + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    return _profile_header(offset + len(body)) + table + body


def _profile_header(size: int) -> bytes:
    """7.2: version 2.1, a display device, RGB over XYZ, perceptual intent, D50."""
    moment = struct.pack(">6H", 2024, 1, 1, 0, 0, 0)
    head = struct.pack(">I4sI", size, b"", 0x02100000) + b"mntrRGB XYZ " + moment + b"acsp"
    return (head + bytes(28) + b"".join(map(_fixed, _D50))).ljust(128, b"\0")
