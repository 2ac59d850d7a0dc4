"""Letters for pictures: the machine's DejaVu Sans where it is installed, else what Pillow brings along."""

from __future__ import annotations

from functools import cache
from unicodedata import normalize

from PIL import ImageFont

_FONT_FILE = "DejaVuSans.ttf"
# Pillow's own font has hardly more than ASCII.
_PLAIN = {
    "µ": "u",
    "μ": "u",
    "²": "2",
    "³": "3",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "…": "...",
}


@cache
def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font whose letters are this many pixels high."""
    return ImageFont.truetype(_FONT_FILE, size) if _has_font() else ImageFont.load_default(size)


def written(text: str) -> str:
    """Text as the font can write it: without its accents where it must be, a question mark for a letter
    that there is no way to write."""
    return text if _has_font() else plain(text)


def plain(text: str) -> str:
    """Text in ASCII and the degree sign."""
    replaced = "".join(_PLAIN.get(letter, letter) for letter in text)
    letters = (letter for letter in normalize("NFKD", replaced) if not 0x300 <= ord(letter) < 0x370)
    return "".join(letter if letter.isascii() or letter == "°" else "?" for letter in letters)


@cache
def _has_font() -> bool:
    try:
        ImageFont.truetype(_FONT_FILE, 10)
    except OSError:
        return False
    return True
