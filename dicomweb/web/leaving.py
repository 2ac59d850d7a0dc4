"""Work that takes long before an answer begins: it ends when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from dicomweb.errors import ClientGone

_T = TypeVar("_T")


async def while_wanted(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """What the work gives. Raises ClientGone when the client leaves before, and what the work raises."""
    making = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request.receive))
    try:
        await asyncio.wait({making, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            raise ClientGone("The client left before its answer was made.")
        return making.result()
    finally:
        gone.cancel()
        if not making.done():
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
