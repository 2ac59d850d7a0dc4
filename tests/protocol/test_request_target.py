"""Request targets: path and query, whatever form they come in (RFC 9112 3.2)."""

from __future__ import annotations

import pytest

from dicomweb.protocol.request_target import parse_request_target


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (b"/studies?limit=1", (b"/studies", b"limit=1")),
        (b"/studies?a=/b?c", (b"/studies", b"a=/b?c")),
        (b"/studies#part?x", (b"/studies", b"")),
        (b"//studies", (b"//studies", b"")),
        (b"http://host/studies?x", (b"/studies", b"x")),
        (b"HTTPS://host:8080/studies", (b"/studies", b"")),
        (b"http://host", (b"/", b"")),
        (b"http://host?a=/studies", (b"/", b"a=/studies")),
        (b"http:///studies", None),
        (b"ftp://host/studies", None),
        (b"host:443", None),
        (b"*", None),
        (b"", None),
        (b"/\xc3\xa4", None),
    ],
)
def test_a_target_is_a_path_and_a_query(target: bytes, wanted: tuple[bytes, bytes] | None) -> None:
    assert parse_request_target(target) == wanted
