"""Which resource a path names: the route table as a tree of path segments.

Finding one costs as many look-ups as the path has segments, however many resources there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dicomweb.errors import NotFound
from dicomweb.web.resource_route import ResourceRoute

# The parameter that takes all that is left of the path, slashes too.
_REST = "path"


@dataclass(slots=True)
class _Node:
    """Resources whose paths begin alike. parameter: the name of the segment that `variable` stands for."""

    route: ResourceRoute | None = None
    fixed: dict[str, _Node] = field(default_factory=dict)
    parameter: str = ""
    variable: _Node | None = None


class RouteTree:
    """Finds routes by path. A segment that is spelled out in the table goes before a parameter."""

    def __init__(self, routes: Iterable[ResourceRoute]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/"):
                node = _below(node, segment)
            assert node.route is None, f"{route.path} is in the table twice"
            node.route = route

    def find(self, path: str) -> tuple[ResourceRoute, dict[str, str]]:
        """The route of a path and its parameters. Raises NotFound."""
        node, parameters = self._root, dict[str, str]()
        segments = path.split("/")
        for index, segment in enumerate(segments):
            if segment in node.fixed:
                node = node.fixed[segment]
                continue
            if node.variable is None or not segment:
                raise _no_such_resource()
            is_rest = node.parameter == _REST
            parameters[node.parameter] = "/".join(segments[index:]) if is_rest else segment
            node = node.variable
            if is_rest:
                break
        if node.route is None:
            raise _no_such_resource()
        return node.route, parameters


def _below(node: _Node, segment: str) -> _Node:
    """The node of the paths that go on with this segment."""
    if not segment.startswith("{"):
        return node.fixed.setdefault(segment, _Node())
    name = segment.strip("{}")
    assert node.parameter in ("", name), f"one place has the parameters {node.parameter} and {name}"
    node.parameter = name
    node.variable = node.variable or _Node()
    return node.variable


def _no_such_resource() -> NotFound:
    return NotFound("There is no such resource on this server.")
