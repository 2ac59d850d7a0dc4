"""The disk cache: whole values or none, within its bound, whatever happens to its files."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from dicomweb.archive.disk_cache import DiskCache

KIB = 1024


def cache_of(directory: Path, bound: int = 1024 * KIB, **more: int) -> DiskCache:
    return DiskCache(directory / "cache", bound=bound, **more)


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in files(directory))


def test_a_value_comes_back_also_to_another_process(tmp_path: Path) -> None:
    assert cache_of(tmp_path).get("aa1") is None
    cache_of(tmp_path).put("aa1", b"pixels")
    cache_of(tmp_path).put("aa2", b"")
    assert cache_of(tmp_path).get("aa1") == b"pixels"
    assert cache_of(tmp_path).get("aa2") == b""


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    cache_of(tmp_path).put("aa1", b"pixels")
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("length", [0, 1, 31, 32, 40])
def test_a_torn_file_is_missing(tmp_path: Path, length: int) -> None:
    cache = cache_of(tmp_path)
    cache.put("aa1", b"pixels" * 3)
    (file,) = files(tmp_path)
    os.truncate(file, length)
    assert cache.get("aa1") is None
    cache.put("aa1", b"new")
    assert cache.get("aa1") == b"new"


def test_a_file_under_another_name_is_missing(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.put("aa1", b"pixels")
    (file,) = files(tmp_path)
    file.rename(file.with_name("aa2"))
    assert cache.get("aa2") is None


def test_the_bound_holds_and_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    for number in range(300):
        cache.put(f"{number:04}", bytes(16 * KIB))
        assert on_disk(tmp_path) <= 1024 * KIB
        # Each is older than the one after it; the very first is used again and again.
        stamp = time.time() - 1000 + number
        os.utime(tmp_path / "cache" / "0" / f"{number:04}", (stamp, stamp))
        if number == 0:
            cache.put("zz", b"loved")
        assert cache.get("zz") == b"loved"
    assert cache.get("0299") is not None
    assert cache.get("0000") is None


def test_what_nobody_used_for_a_week_goes(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.put("aa1", b"old")
    cache.put("aa2", b"new")
    old = time.time() - 8 * 86400
    os.utime(tmp_path / "cache" / "a" / "aa1", (old, old))
    cache.sweep()
    assert (cache.get("aa1"), cache.get("aa2")) == (None, b"new")


def test_what_a_crash_tore_goes_in_time(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.put("aa1", b"whole")
    shard = tmp_path / "cache" / "a"
    for name, age in (("aa2", 8 * 86400), ("aa3", 10)):
        (shard / name).write_bytes(b"torn")
        os.utime(shard / name, (time.time() - age,) * 2)
    cache.sweep()
    assert sorted(path.name for path in files(tmp_path)) == ["aa1", "aa3"]


@pytest.mark.parametrize("length", [0, 1000, 2 << 20])
def test_a_loop_gets_what_is_short_and_in_memory(tmp_path: Path, length: int) -> None:
    cache = cache_of(tmp_path, bound=64 << 20)
    assert cache.get("aa1", wait=False) is None
    cache.put("aa1", bytes(length))
    if length > 1 << 20:
        with pytest.raises(BlockingIOError):
            cache.get("aa1", wait=False)
    else:
        with suppress(BlockingIOError):  # a file system that does not tell what is in memory
            assert cache.get("aa1", wait=False) == bytes(length)
    assert cache.get("aa1") == bytes(length)


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    cache.put("aa1", bytes(200 * KIB))
    assert files(tmp_path) == []


def test_a_disk_that_is_short_of_space_is_left_alone(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, spare=1 << 60)
    cache.put("aa1", b"pixels")
    cache.sweep()
    assert cache.get("aa1") is None


def test_a_directory_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file in its place")
    cache = cache_of(tmp_path)
    cache.put("aa1", b"pixels")
    cache.sweep()
    assert cache.get("aa1") is None


def test_many_writers_and_sweepers_never_give_a_wrong_value(tmp_path: Path) -> None:
    caches = [cache_of(tmp_path, processes=4) for _ in range(4)]

    def work(turn: int) -> None:
        name = f"{turn % 40:02}"
        found = caches[turn % 4].get(name)
        assert found in (None, name.encode() * 8 * KIB)
        caches[turn % 4].put(name, name.encode() * 8 * KIB)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1000)))
    assert on_disk(tmp_path) <= 1024 * KIB
