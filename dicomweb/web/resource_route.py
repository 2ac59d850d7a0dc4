"""One URL of the server: its handlers and what each of them does, said in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dicomweb.protocol.description import Operation
from dicomweb.web.errors import status_report
from dicomweb.web.responses import Streamed

Answer = Response | Streamed
Handler = Callable[[Request], Awaitable[Answer]]


class ResourceRoute(Route):
    """Dispatches by method; a method that is not in the table is 405 with a full Allow (H-12)."""

    def __init__(self, path: str, methods: Mapping[str, tuple[Handler, Operation]]) -> None:
        self.operations = {method: operation for method, (_, operation) in methods.items()}
        self._handlers = {method: handler for method, (handler, _) in methods.items()}
        super().__init__(path, self._dispatch)
        self.methods = None  # every method, known or not, comes to us

    @property
    def allow(self) -> str:
        """The value of the Allow header."""
        names = [*self._handlers]
        if "GET" in names:
            names.insert(names.index("GET") + 1, "HEAD")
        return ", ".join(names)

    async def _dispatch(self, request: Request) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        if method in self._handlers:
            return await self._handlers[method](request)
        return status_report(
            request, 405, "This resource does not take that method.", headers={"Allow": self.allow}
        )
