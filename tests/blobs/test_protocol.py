"""Keys: fresh, ordered by time, safe as paths."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis.strategies import binary, floats

from dicomweb.blobs.protocol import new_key

MOMENTS = floats(min_value=0, max_value=2**37)


def test_keys_do_not_repeat() -> None:
    assert len({new_key() for _ in range(1000)}) == 1000


@given(first=MOMENTS, second=MOMENTS, noise=binary(min_size=10, max_size=10))
def test_keys_sort_by_time(first: float, second: float, noise: bytes) -> None:
    early, late = sorted((first, second))
    key_early = new_key(now=lambda: early, randomness=lambda _: b"\0" * 10)
    key_late = new_key(now=lambda: late, randomness=lambda _: noise)
    assert key_early <= key_late


@given(moment=MOMENTS, noise=binary(min_size=10, max_size=10))
def test_a_key_is_two_shards_and_a_name(moment: float, noise: bytes) -> None:
    key = new_key(now=lambda: moment, randomness=lambda _: noise)
    assert re.fullmatch(r"[0-9a-f]{4}/[0-9a-f]{3}/[0-9a-f]{25}", key)
