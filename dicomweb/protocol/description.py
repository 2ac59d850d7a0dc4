"""How an operation of the server is described: once, as data.

The table of operations (operations.py) feeds the router's OPTIONS answers (WADL and JSON, PS3.18 8.9 and
Annex G and H), the OpenAPI document and the tables of the conformance statement, so that none can differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dicomweb.protocol.media_types import Form
from dicomweb.protocol.representations import Resource


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter. meaning: one sentence. schema: JSON Schema of one value.

    repeated: it may stand in the query several times. section: of PS3.18, empty for an extension (G-13).
    """

    name: str
    meaning: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    repeated: bool = False
    section: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of a resource does.

    name: camel case, the same for one operation at several levels. section: of PS3.18, empty for an
    extension. resource: whose media types answer it, as negotiation knows them. form: how these are packed,
    where the operation does not leave that open. gives: media types beside those, the default first.
    takes: media types of the request's body. statuses: code -> when.
    conditional: it answers ETag and If-None-Match. ranges: it answers Range on what has a known length.
    """

    name: str
    summary: str
    section: str = ""
    resource: Resource | None = None
    form: Form = Form.EITHER
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    statuses: Mapping[int, str] = field(default_factory=dict)
    conditional: bool = False
    ranges: bool = False


@dataclass(frozen=True, slots=True)
class DescribedResource:
    """One URL of the server. path: a template below the server's root. operations: by HTTP method."""

    path: str
    operations: Mapping[str, Operation]
