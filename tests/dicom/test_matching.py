"""Values as search compares them: the properties that both columns and keys rely on."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dicom.matching import (
    MICROSECONDS_OF_DAY,
    clean_text,
    date_number,
    datetime_interval,
    fold,
    moment_interval,
    name_groups,
    name_words,
    number,
    sound,
    time_interval,
)


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_cleaning_twice_changes_nothing_and_gives_text_that_can_be_stored(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert "\0" not in cleaned
    cleaned.encode()


@given(st.text())
def test_folded_text_holds_no_frame_of_the_search_text(text: str) -> None:
    assert not set(fold(text)) & set("\n\t\0ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    fold(text).encode()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Müller", "MULLER"),
        ("ｍｕｌｌｅｒ", "muller"),
        ("Mu\u0308ller", "Müller"),
        ("Łukasz Øre", "lukasz ore"),
        ("STRASSE", "straße"),
        ("Άννα", "αννα"),
        ("Ёлкин", "елкин"),
        ("ﾔﾏﾀﾞ", "ヤマダ"),
        ("  Doe   John ", "doe john"),
    ],
)
def test_spellings_of_one_name_fold_alike(left: str, right: str) -> None:
    assert fold(left) == fold(right)


def test_voicing_of_kana_and_hangul_syllables_stay_apart() -> None:
    assert fold("か") != fold("が")
    assert fold("김") != fold("기")


def test_a_name_has_every_group_framed_and_its_words_after() -> None:
    name = {"Alphabetic": "Yamada^Tarou^^", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    alphabetic, groups = name_groups(name)
    assert alphabetic == "yamada^tarou"
    assert groups is not None
    assert groups.startswith("\nyamada^tarou\n山田^太郎\nやまだ^たろう\n\tyamada\ttarou\t山田\t太郎\t")
    assert "\t~" in groups


def test_a_name_may_be_a_text_with_groups_or_a_list() -> None:
    assert name_groups("Doe^Jane=山田") == name_groups({"Alphabetic": "Doe^Jane", "Ideographic": "山田"})
    assert name_groups([{"Alphabetic": "A"}, None, {"Alphabetic": "B"}])[1] == "\na\nb\n\ta\tb\t"


@pytest.mark.parametrize("empty", [None, "", "^^", "==", {}, [], [None], {"Alphabetic": " "}])
def test_no_name_has_no_columns(empty: object) -> None:
    assert name_groups(empty) == (None, None)


def test_a_name_without_alphabetic_group_begins_with_the_next() -> None:
    assert name_groups({"Ideographic": "山田"}) == ("山田", "\n山田\n\t山田\t")


@given(st.text())
def test_any_text_may_be_a_name(text: str) -> None:
    alphabetic, groups = name_groups(text)
    assert (groups is None) or groups.count("\n") >= 2
    assert alphabetic is None or groups is not None


@pytest.mark.parametrize(
    "alike",
    [
        ["smith", "smyth", "schmidt", "schmitt"],
        ["meier", "mayr", "meyer", "maier"],
        ["mueller", "muller"],
        ["philip", "filip", "phillip"],
        ["catherine", "katherine", "kathryn"],
    ],
)
def test_words_that_sound_alike_share_a_code(alike: list[str]) -> None:
    assert len({sound(word) for word in alike}) == 1
    assert sound(alike[0])


def test_short_words_and_other_scripts_have_no_sound() -> None:
    assert sound("jo") == sound("山田太") == sound("") == ""


def test_words_of_a_name_end_at_delimiters_and_punctuation() -> None:
    assert name_words("van der berg-o'neil^j. a.=山田") == [
        "van",
        "der",
        "berg",
        "o",
        "neil",
        "j",
        "a",
        "山田",
    ]


@given(st.dates())
def test_every_day_of_the_calendar_is_a_date(day: date) -> None:
    number_of_day = day.year * 10000 + day.month * 100 + day.day
    assert date_number(f"{number_of_day:08d}") == number_of_day
    text = f"{number_of_day:08d}"
    assert date_number(f"{text[:4]}.{text[4:6]}.{text[6:]}") == number_of_day


@pytest.mark.parametrize("text", ["", "2024", "20240230", "00000000", "2024-01-01", "20240101x", "٢٠٢٤٠١٠١"])
def test_what_is_no_day_is_no_date(text: str) -> None:
    assert date_number(text) is None


@given(st.times())
def test_a_time_is_the_interval_of_its_precision(moment: time) -> None:
    start = ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000_000 + moment.microsecond
    full = f"{moment:%H%M%S}.{moment.microsecond:06d}"
    assert time_interval(full) == (start, start)
    previous = (start, start)
    for shorter in (full[:8], full[:6], full[:4], full[:2]):
        interval = time_interval(shorter)
        assert interval is not None
        assert interval[0] <= previous[0]
        assert previous[1] <= interval[1]
        previous = interval


def test_2230_is_its_whole_minute_and_the_legacy_form_is_the_same() -> None:
    assert time_interval("2230") == (81_000_000_000, 81_059_999_999)
    assert time_interval("22:30") == time_interval("2230 ") == time_interval("2230")
    assert time_interval("22:30:00.5") == time_interval("223000.5")


@pytest.mark.parametrize("text", ["", "2", "24", "2260", "223061", "22:3000", "223000.", "-1"])
def test_what_is_no_time_of_day_is_no_time(text: str) -> None:
    assert time_interval(text) is None


def test_a_leap_second_stays_within_its_day() -> None:
    interval = time_interval("235960")
    assert interval is not None
    assert interval[1] < MICROSECONDS_OF_DAY


def test_a_date_without_a_time_is_the_whole_day() -> None:
    day = moment_interval("20240229", None)
    assert day is not None
    assert day[1] - day[0] == MICROSECONDS_OF_DAY - 1
    assert moment_interval("20240229", "nonsense") == day
    assert moment_interval("", "1000") is None
    ten = moment_interval("20240229", "10")
    assert ten == (day[0] + 36_000_000_000, day[0] + 39_599_999_999)


def test_moments_cover_their_precision_and_know_offsets() -> None:
    assert datetime_interval("20240229") == moment_interval("20240229", None)
    february = datetime_interval("202402")
    assert february is not None
    assert february[1] - february[0] == 29 * MICROSECONDS_OF_DAY - 1
    assert datetime_interval("20240101100000+0100") == datetime_interval("20240101090000")
    assert datetime_interval("20240101100000-0500") == datetime_interval("20240101150000")
    for wrong in ("", "2024130", "20240230", "2024010125", "20240101+9999", "abcd"):
        assert datetime_interval(wrong) is None


@given(st.integers(-(2**53), 2**53))
def test_numbers_compare_by_meaning(value: int) -> None:
    assert number(str(value)) == number(f" {value}.0 ") == number(value)


@pytest.mark.parametrize("value", ["", "nan", "inf", "1e999", "1_0", "٣", "abc", None, [], {}])
def test_what_is_no_finite_number_is_none(value: object) -> None:
    assert number(value) is None
