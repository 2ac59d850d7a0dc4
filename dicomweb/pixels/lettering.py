"""Letters for pictures: fonts of the machine where they are installed, else what Pillow brings along.

Pillow's own font has hardly more than ASCII. DejaVu Sans (Debian: fonts-dejavu-core) writes accents, Cyrillic
and Greek, Noto Sans CJK (fonts-noto-cjk) Chinese, Japanese and Korean. What no font has loses its accents, or
becomes a question mark: an empty box says nothing, and looks like a fault of the picture.
"""

from __future__ import annotations

from functools import cache, lru_cache
from unicodedata import normalize

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Looked for by name where the machine keeps its fonts; the first that has all letters of a text writes it.
_FONT_FILES = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
)
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
_PROBE_SIZE = 20
# Unicode keeps it free for ever, so every font shows it as what it has not.
_NO_LETTER = "\uffff"


def lettered(text: str, size: float) -> tuple[str, Font]:
    """The text as it can be written, and the font that writes it, its letters so many pixels high."""
    files = [file for file in _FONT_FILES if _is_installed(file)]
    if not files:
        return plain(text), _font("", size)
    lacking = {file: {letter for letter in text if not _has(file, letter)} for file in files}
    file = min(files, key=lambda file: len(lacking[file]))
    written = "".join(plain(letter) if letter in lacking[file] else letter for letter in text)
    return written, _font(file, size)


def plain(text: str) -> str:
    """Text in ASCII and the degree sign."""
    replaced = "".join(_PLAIN.get(letter, letter) for letter in text)
    letters = (letter for letter in normalize("NFKD", replaced) if not 0x300 <= ord(letter) < 0x370)
    return "".join(letter if letter.isascii() or letter == "°" else "?" for letter in letters)


@cache
def _is_installed(file: str) -> bool:
    try:
        ImageFont.truetype(file, _PROBE_SIZE)
    except OSError:
        return False
    return True


@lru_cache(64)
def _font(file: str, size: float) -> Font:
    return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)


@lru_cache(1 << 14)
def _has(file: str, letter: str) -> bool:
    """Whether a font has a shape for a letter. Line ends and blanks need none."""
    if letter.isascii() or letter.isspace():
        return True
    font = _font(file, _PROBE_SIZE)
    return bytes(font.getmask(letter)) != bytes(font.getmask(_NO_LETTER))
