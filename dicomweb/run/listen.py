"""The listening socket: opened once by the parent, inherited by its workers."""

from __future__ import annotations

import errno
import os
import socket
import time

from dicomweb.errors import InvalidSettings, Unavailable
from dicomweb.settings import BASE_PATH, Settings, is_loopback

BACKLOG = 1024
# A server that was killed may hold the port until the kernel has taken its workers down.
_PATIENCE_SECONDS = 2.0


def refuse_exposure(settings: Settings) -> None:
    """Anyone who reaches the server may read and write: beyond loopback the operator must say so.

    Raises InvalidSettings.
    """
    if not is_loopback(settings.host) and not settings.allow_open:
        raise InvalidSettings(
            f"The archive has no login, so it does not listen on {settings.host}, where others can reach it.",
            hint="Set DICOMWEB_ALLOW_OPEN=yes if the network keeps strangers out, or listen on 127.0.0.1.",
        )


def listen(settings: Settings) -> socket.socket:
    """Raises Unavailable with one plain sentence."""
    family, address = _address(settings)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return _bind(family, address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise Unavailable(*_refusal(settings, error)) from None
        time.sleep(0.1)


def url_of(listening: socket.socket, settings: Settings) -> str:
    """The server's root as a user on this machine types it."""
    host = settings.host
    if host in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def base_url(root: str, settings: Settings) -> str:
    return (settings.public_url or root) + BASE_PATH


def _address(settings: Settings) -> tuple[int, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError:
        raise InvalidSettings(f"DICOMWEB_HOST names no address of this machine: {settings.host}.") from None
    family, _, _, _, address = sorted(found, key=lambda entry: entry[0] != socket.AF_INET)[0]
    return family, address


def _bind(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _refusal(settings: Settings, error: OSError) -> tuple[str]:
    place = f"{settings.host} port {settings.port}"
    if error.errno == errno.EADDRINUSE:
        return (f"Cannot listen on {place}: another program does. Choose another port with --port.",)
    return (f"Cannot listen on {place}: {os.strerror(error.errno or 0)}.",)
