"""The checks, by theme. Importing this package registers them all."""

from __future__ import annotations

from types import ModuleType

from conformance.suite.checks import (
    search_matching,
    search_paging,
    search_results,
)

MODULES: tuple[ModuleType, ...] = (
    search_results,
    search_matching,
    search_paging,
)
