"""The whole application in this process, over a real PostgreSQL and real files."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomweb.app import Application, create_app
from dicomweb.archive.archive import Archive
from dicomweb.settings import Settings

BASE = "http://127.0.0.1:8080/dicomweb"


class Client:
    """Calls the application on its own event loop, so that plain tests can use it."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lifespan = app.opened()
        state = self._run(self._lifespan.__aenter__())
        self.archive: Archive = state["archive"]
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(_with_state(app, state), raise_app_exceptions=False),
            base_url="http://127.0.0.1:8080",
        )

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(120)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """path: below the DICOMweb base, or a whole URL."""
        url = path if path.startswith("http") else BASE + path
        response: httpx.Response = self._run(self._http.request(method, url, **options))
        return response

    def get(self, path: str, accept: str = "", **options: Any) -> httpx.Response:
        headers = {**({"Accept": accept} if accept else {}), **options.pop("headers", {})}
        return self.request("GET", path, headers=headers, **options)

    def store(self, *instances: bytes, path: str = "/studies") -> httpx.Response:
        """STOW of whole Part 10 objects as multipart/related."""
        body = b"".join(
            b"--BOUNDARY\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in instances
        )
        content_type = 'multipart/related; type="application/dicom"; boundary=BOUNDARY'
        return self.request(
            "POST", path, content=body + b"--BOUNDARY--\r\n", headers={"Content-Type": content_type}
        )

    def close(self) -> None:
        self._run(self._http.aclose())
        self._run(self._lifespan.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _with_state(app: ASGIApp, state: Any) -> ASGIApp:
    """What a server does with the lifespan's state."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    return call


def parts(response: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """Headers (lower case) and payload of each part of a multipart/related answer."""
    content_type = response.headers["content-type"]
    assert content_type.startswith("multipart/related")
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    body = response.content
    assert body.startswith(b"--" + boundary + b"\r\n")
    assert body.endswith(b"\r\n--" + boundary + b"--\r\n")
    found = []
    for part in body[: -len(boundary) - 6].split(b"--" + boundary + b"\r\n")[1:]:
        head, _, payload = part.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().split("\r\n"))
        found.append(({name.lower(): value for name, _, value in lines}, payload.removesuffix(b"\r\n")))
    return found


@pytest.fixture(scope="module")
def make_client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Makes clients of one database and one blob directory, with settings of their own."""
    directory = tmp_path_factory.mktemp("archive")
    clients: list[Client] = []

    def make(**options: Any) -> Client:
        settings = Settings(
            **{"data": Path(directory), "database_url": database_url, "min_free_bytes": 0, **options}
        )
        clients.append(Client(create_app(settings)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def client(make_client: Any) -> Client:
    """The application with default settings."""
    made: Client = make_client()
    return made
