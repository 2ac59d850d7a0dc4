"""Who is let in while there is no authentication: by the Host name and by the web origin of a request."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from dicomweb.settings import Settings

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


class Hosts:
    """The Host names that the server answers to: DNS rebinding would let any web page read the archive of
    the person who looks at it (H-09)."""

    def __init__(self, settings: Settings) -> None:
        self._names = set(_LOOPBACK_NAMES) | {name.lower() for name in settings.allowed_hosts}
        if settings.public_url:
            self._names.add((urlsplit(settings.public_url).hostname or "").lower())
        # An address cannot be rebound, so beyond loopback every literal address is as good as another.
        self._addresses = settings.allow_open
        if settings.allow_open:
            self._names.add(socket.gethostname().lower())

    def knows(self, host: str) -> bool:
        """Whether the value of a Host header names this server; an empty one does."""
        name = _host_name(host)
        return not host or name in self._names or (self._addresses and _is_address(name))


class Origins:
    """The web origins whose pages may use the archive: loopback and those of the settings (V-13)."""

    def __init__(self, settings: Settings) -> None:
        self._origins = {origin.rstrip("/").lower() for origin in settings.cors_origins}

    def allows(self, origin: str) -> bool:
        """Whether an Origin header names one of them."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False  # no browser sends such an origin
        return origin.lower() in self._origins or (
            parts.scheme in ("http", "https") and (parts.hostname or "") in _LOOPBACK_NAMES
        )


def _host_name(host: str) -> str:
    """The name of a Host header without its port, brackets kept off."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
