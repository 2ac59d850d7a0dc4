"""Letters of pictures, with the fonts that this machine has or without any."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageFont

from dicomweb.pixels import lettering
from dicomweb.pixels.lettering import lettered, plain

_NAMES = (
    "Łódź, Zoë",
    "Иванов, Пётр",
    "Παπαδόπουλος",
    "山田^太郎",
    "김",
    "a\nb",
    "\uffff\U0010ffff",
    "e\u0301",
)


@pytest.fixture
def without_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no font of its own."""
    monkeypatch.setattr(lettering, "_FONT_FILES", ())


def _drawn(text: str, font: lettering.Font) -> bytes:
    picture = Image.new("L", (300, 40))
    ImageDraw.Draw(picture).text((2, 2), text, fill=255, font=font)
    return picture.tobytes()


def test_letters_that_no_font_has_lose_their_accents() -> None:
    assert plain("Œsophage é µV cm² 心 Łódź 5°") == "?sophage e uV cm2 ? Lodz 5°"


@pytest.mark.usefixtures("without_fonts")
@pytest.mark.parametrize("name", _NAMES)
def test_without_fonts_nothing_is_written_but_ascii(name: str) -> None:
    written, font = lettered(name, 12)
    assert written.replace("°", "").isascii()
    assert any(_drawn(written, font))


@pytest.mark.parametrize("name", _NAMES)
def test_no_letter_is_an_empty_box(name: str) -> None:
    written, font = lettered(name, 12)
    box = _drawn("\uffff", font)
    assert all(_drawn(letter, font) != box for letter in written if letter.isprintable() and letter != " ")


def test_letters_of_an_installed_font_are_written_as_they_are() -> None:
    try:
        ImageFont.truetype("DejaVuSans.ttf", 10)
    except OSError:
        pytest.skip("DejaVu Sans is not installed")
    for name in _NAMES[:3]:
        assert lettered(name, 12)[0] == name
