"""Paths find their resources, each by its own line of the table."""

from __future__ import annotations

import re

import pytest

from dicomweb.errors import NotFound
from dicomweb.web.resource_route import ResourceRoute
from dicomweb.web.route_tree import RouteTree
from dicomweb.web.routes import ROUTES

_TREE = RouteTree(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.path))
def test_every_line_of_the_table_is_found_with_its_parameters(route: ResourceRoute) -> None:
    names = re.findall(r"\{(\w+)\}", route.path)
    values = {name: f"value-of-{name}" for name in names}
    assert _TREE.find(route.path.format(**values)) == (route, values)


def test_a_spelled_segment_goes_before_a_parameter() -> None:
    spelled, parameter = ResourceRoute("/a/b", {}), ResourceRoute("/a/{x}", {})
    for routes in ((spelled, parameter), (parameter, spelled)):
        tree = RouteTree(routes)
        assert tree.find("/a/b") == (spelled, {})
        assert tree.find("/a/c") == (parameter, {"x": "c"})


def test_the_last_parameter_of_bulkdata_takes_slashes() -> None:
    route, parameters = _TREE.find("/dicomweb/studies/1/series/2/instances/3/bulkdata/00081111/0/0020000D")
    assert parameters["path"] == "00081111/0/0020000D"
    assert route.path.endswith("/bulkdata/{path}")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/nothing", "/dicomweb/studies/1/nothing", "/dicomweb/studies/1/series/2/instances/3/frames"],
)
def test_what_is_not_in_the_table_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        _TREE.find(path)


@pytest.mark.parametrize("twin", ["/a/{x}", "/a/{y}"])
def test_a_place_has_one_resource_and_one_parameter(twin: str) -> None:
    with pytest.raises(AssertionError):
        RouteTree([ResourceRoute("/a/{x}", {}), ResourceRoute(twin, {})])
