"""One URL of the server: its handlers and what each of them does, said in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.protocol.description import Operation
from dicomweb.web.errors import status_report
from dicomweb.web.responses import Streamed

Answer = Response | Streamed
Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class ResourceRoute:
    """A path, whose segments in braces are parameters, and what it does by method."""

    path: str
    methods: Mapping[str, tuple[Handler, Operation]]

    @property
    def allow(self) -> str:
        """The value of the Allow header."""
        names = [*self.methods]
        if "GET" in names:
            names.insert(names.index("GET") + 1, "HEAD")
        return ", ".join(names)

    async def answer(self, request: Request) -> Answer:
        """What the handler of the method gives; a method that is not in the table is 405 (H-12)."""
        method = "GET" if request.method == "HEAD" else request.method
        if method in self.methods:
            handler, _ = self.methods[method]
            return await handler(request)
        return status_report(
            request, 405, "This resource does not take that method.", headers={"Allow": self.allow}
        )
