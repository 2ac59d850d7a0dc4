"""A proxy that delays: what it is given comes out half a round trip later, either way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_READ = 1 << 18
# Chunks under way in one direction of one connection: 64 MiB, so that only the delay counts.
_UNDER_WAY = 256


@contextmanager
def slow_link(base: str, round_trip: float) -> Iterator[str]:
    """The base URL by which a server is reached over such a link. round_trip: in seconds.

    A new connection costs a round trip too, as its handshake would. Neither bandwidth nor the slow start of
    TCP is imitated: with them few large answers would gain less on many small ones.
    """
    parts = urlsplit(base)
    loop = asyncio.new_event_loop()
    proxy = _Proxy(parts.hostname or "", parts.port or 80, round_trip)
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=_READ))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}{parts.path}"
    finally:
        asyncio.run_coroutine_threadsafe(proxy.close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Proxy:
    """Connections to one server, each a pair of delayed pipes."""

    def __init__(self, host: str, port: int, round_trip: float) -> None:
        self._host, self._port = host, port
        self._round_trip = round_trip
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await asyncio.sleep(self._round_trip)
            to_server = await asyncio.open_connection(self._host, self._port, limit=_READ)
            with suppress(ConnectionError, asyncio.CancelledError):
                await asyncio.gather(self._pipe(reader, to_server[1]), self._pipe(to_server[0], writer))
            to_server[1].close()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def close(self, server: asyncio.Server) -> None:
        """End all connections."""
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one end closes."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        arriving = asyncio.ensure_future(self._deliver(under_way, writer))
        loop = asyncio.get_running_loop()
        try:
            while data := await reader.read(_READ):
                await under_way.put((loop.time() + self._round_trip / 2, data))
            await under_way.put((loop.time() + self._round_trip / 2, b""))
            await arriving
        finally:
            arriving.cancel()

    async def _deliver(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
