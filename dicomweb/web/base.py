"""The public base of every URL that goes out: RetrieveURL, BulkDataURI, Content-Location (G-02)."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from dicomweb.settings import BASE_PATH, Settings


def base_url(request: HTTPConnection) -> str:
    """The DICOMweb base URL as the client must see it, without a trailing slash.

    From the setting `public_url`; else from Forwarded or X-Forwarded-* where the setting
    `trust_forwarded` says that a proxy of ours writes them; else from the request itself.
    """
    settings: Settings = request.app.settings
    if settings.public_url:
        return settings.public_url + BASE_PATH
    scheme, authority, prefix = request.scope["scheme"], _authority(request), ""
    if settings.trust_forwarded:
        forwarded = _forwarded(request)
        scheme = forwarded.get("proto", scheme)
        authority = forwarded.get("host", authority)
        prefix = forwarded.get("prefix", prefix).rstrip("/")
    return f"{scheme}://{authority}{prefix}{BASE_PATH}"


def _authority(request: HTTPConnection) -> str:
    """Host with a port: some clients send Host without the port they called (V-12)."""
    server = request.scope.get("server") or ("127.0.0.1", None)
    host = request.headers.get("host") or _bracketed(server[0])
    port = server[1]
    default = 443 if request.scope["scheme"] == "https" else 80
    if port is None or port == default or _has_port(host):
        return host
    return f"{host}:{port}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _forwarded(request: HTTPConnection) -> dict[str, str]:
    """proto, host and prefix of the first proxy: RFC 7239 first, then the X-Forwarded headers."""
    found: dict[str, str] = {}
    first = request.headers.get("forwarded", "").split(",")[0]
    for pair in first.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() in ("proto", "host"):
            found[name.lower()] = value.strip('"')
    for name in ("proto", "host", "prefix"):
        value = request.headers.get(f"x-forwarded-{name}", "").split(",")[0].strip()
        if value:
            found.setdefault(name, value)
    return found
