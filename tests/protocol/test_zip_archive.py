"""ZIP archives: every reader finds in them what was written, and their size is known beforehand."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.protocol import zip_archive
from dicomweb.protocol.zip_archive import ZipEntry, ZipSize, ZipWriter

_MOMENT = datetime(2024, 2, 29, 13, 14, 16)
_NAMES = st.text("abcdefghij/é0123456789", min_size=1, max_size=30).filter(lambda name: name.strip("/"))
_FILES = st.dictionaries(_NAMES, st.tuples(st.binary(max_size=200_000), st.booleans()), max_size=4)


def _size(entries: Iterable[ZipEntry]) -> int | None:
    size = ZipSize()
    for entry in entries:
        size.add(entry)
    return size.total


def _written(files: dict[str, tuple[bytes, bool]], size: int) -> bytes:
    """size: of the chunks that arrive. The flag says whether the length is known beforehand."""
    writer = ZipWriter(_MOMENT)
    out: list[bytes | memoryview] = []
    for name, (data, known) in files.items():
        out.append(writer.begin(ZipEntry(name, len(data) if known else None)))
        for start in range(0, len(data), size):
            out += writer.feed(data[start : start + size])
        out.append(writer.end())
    return b"".join([*out, writer.close()])


@given(files=_FILES, size=st.integers(1_000, 300_000))
def test_what_was_written_is_found(files: dict[str, tuple[bytes, bool]], size: int) -> None:
    with zipfile.ZipFile(io.BytesIO(_written(files, size))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(files)
        for name, (data, _) in files.items():
            assert archive.read(name) == data
            assert archive.getinfo(name).date_time == (2024, 2, 29, 13, 14, 16)


@given(files=_FILES, size=st.integers(1_000, 300_000))
def test_the_size_is_known_beforehand_and_chunks_do_not_show(
    files: dict[str, tuple[bytes, bool]], size: int
) -> None:
    known = {name: (data, True) for name, (data, _) in files.items()}
    entries = [ZipEntry(name, len(data)) for name, (data, _) in known.items()]
    assert _size(entries) == len(_written(known, size))
    assert _written(known, size) == _written(known, 1 << 20)
    assert _size([*entries, ZipEntry("unknown", None)]) is None


@given(data=st.binary(max_size=200_000), known=st.booleans())
def test_a_reader_from_the_front_finds_where_an_entry_ends(data: bytes, known: bool) -> None:
    written = _written({"a": (data, known)}, 70_000)
    inflater = zlib.decompressobj(-15)
    assert inflater.decompress(written[31:]) == data
    assert inflater.eof
    assert inflater.unused_data.startswith(b"PK\7\x08" + zlib.crc32(data).to_bytes(4, "little"))


@pytest.mark.parametrize("known", [True, False])
def test_what_passes_four_gibibytes_or_65535_files_is_zip64(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The bounds of the old format are lowered, else this would take four gibibytes."""
    monkeypatch.setattr(zip_archive, "_MANY", 2)
    files = {f"{number}.dcm": bytes([number]) * 70_000 for number in range(4)}
    writer = ZipWriter(_MOMENT)
    entries = [
        ZipEntry(name, len(data) if known else None, may_be_large=True) for name, data in files.items()
    ]
    out = b""
    for entry, data in zip(entries, files.values(), strict=True):
        out += writer.begin(entry) + b"".join(writer.feed(data)) + writer.end()
    out += writer.close()
    assert b"PK\6\6" in out
    if known:
        assert _size(entries) == len(out)
    with zipfile.ZipFile(io.BytesIO(out)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_the_size_of_an_archive_beyond_four_gibibytes_counts_its_zip64_fields() -> None:
    small = _size([ZipEntry("a", 1 << 20), ZipEntry("b", 1)])
    large = _size([ZipEntry("a", 5 << 30), ZipEntry("b", 1)])
    assert small is not None
    assert large is not None
    framing = 5 * (-(-(5 << 30) // 0xFFFF) - -(-(1 << 20) // 0xFFFF))
    # local extra 20, descriptor 8 more, directory extras 4 + 16 and 4 + 8, end record 56 and locator 20
    assert large - small == (5 << 30) - (1 << 20) + framing + 20 + 8 + 20 + 12 + 76


def test_announcing_another_length_is_a_fault_of_ours() -> None:
    writer = ZipWriter(_MOMENT)
    writer.begin(ZipEntry("a", 3))
    with pytest.raises(AssertionError):
        list(writer.feed(b"1234"))
    writer = ZipWriter(_MOMENT)
    writer.begin(ZipEntry("a", 3))
    list(writer.feed(b"12"))
    with pytest.raises(AssertionError):
        writer.end()
