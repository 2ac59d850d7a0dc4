"""The checks, by theme. Importing this package registers them all."""

from __future__ import annotations

from types import ModuleType

from conformance.suite.checks import (
    awkward,
    bulkdata,
    charsets,
    conditional,
    decoding,
    deleting,
    frames,
    hostile,
    http_rules,
    large,
    metadata,
    negotiation,
    odd_objects,
    retrieve,
    search_matching,
    search_paging,
    search_results,
    store,
    store_answers,
)

MODULES: tuple[ModuleType, ...] = (
    store,
    store_answers,
    retrieve,
    decoding,
    frames,
    metadata,
    bulkdata,
    charsets,
    odd_objects,
    awkward,
    search_results,
    search_matching,
    search_paging,
    negotiation,
    http_rules,
    conditional,
    deleting,
    large,
    hostile,
)
