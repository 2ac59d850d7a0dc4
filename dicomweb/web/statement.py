"""The tables of the conformance statement, made from the tables that the server itself goes by (O-06).

`python -m dicomweb.web.statement conformance/statement.md` writes them between the marks of the file; a test
compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path

from dicomweb.dicom.transfer_syntax import JPEG_RECOMPRESSED, TRANSFER_SYNTAXES
from dicomweb.pixels.codecs import DECODABLE
from dicomweb.protocol import operations
from dicomweb.protocol.answer_types import answer_types
from dicomweb.protocol.description import DescribedResource, Operation
from dicomweb.protocol.wadl import statuses
from dicomweb.settings import Settings, default_text
from dicomweb.web.capabilities import described
from dicomweb.web.limits import ENCODED, LIMITS
from dicomweb.web.routes import ROUTES

_BLOCK = re.compile(r"(?s)(<!-- table: (\w+) -->\n).*?(<!-- end -->)")
_Row = Sequence[str]


def with_tables(statement: str) -> str:
    """The statement with every table between its marks as it is now. Raises KeyError for an unknown mark."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_TABLES[found[2]]()}{found[3]}", statement)


def _table(head: _Row, rows: Iterable[_Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', r'&#124;') for cell in line)} |\n" for line in lines)


def _resources() -> list[DescribedResource]:
    return sorted(described(ROUTES), key=lambda one: one.path)


def _operations() -> list[Operation]:
    """Those that are routed, in the order in which they are described."""
    routed = {one.name for resource in _resources() for one in resource.operations.values()}
    described_ones = (one for one in vars(operations).values() if isinstance(one, Operation))
    return [one for one in described_ones if one.name in routed]


def _routes() -> str:
    rows = [
        [f"`{resource.path}`", method, operation.summary, operation.section or "extension"]
        for resource in _resources()
        for method, operation in resource.operations.items()
        if method != "OPTIONS"
    ]
    return _table(["Resource", "Method", "What it does", "PS3.18"], rows)


def _media_types() -> str:
    rows = [[f"`{one.name}`", _packed(one.takes), _packed(answer_types(one))] for one in _operations()]
    return _table(["Operation", "Media types of requests", "Media types of answers, the default first"], rows)


def _packed(types: Iterable[str]) -> str:
    """Each type once, those that are packed alike together."""
    packings: dict[str, list[str]] = {}
    for name in types:
        inner = name.partition('type="')[2].rstrip('"')
        packings.setdefault(inner or name, []).append("multipart/related" if inner else "a single part")
    lists: dict[str, list[str]] = {}
    for name, packing in packings.items():
        lists.setdefault(" or ".join(packing), []).append(f"`{name}`")
    return "; ".join(f"as {packing}: {', '.join(names)}" for packing, names in lists.items()) or "none"


def _parameters() -> str:
    rows = _grouped(
        (one, (f"`{parameter.name}`", parameter.meaning, parameter.section or "extension"))
        for one in _operations()
        for parameter in one.parameters
    )
    return _table(["Query parameter", "Meaning", "PS3.18", "Operations"], rows)


def _statuses() -> str:
    rows = _grouped(
        (one, (str(status), meaning)) for one in _operations() for status, meaning in statuses(one).items()
    )
    return _table(["Status", "When", "Operations"], sorted(rows, key=lambda row: row[0]))


def _grouped(rows: Iterable[tuple[Operation, tuple[str, ...]]]) -> list[_Row]:
    """Each row once, with the operations that it belongs to at its end."""
    names: dict[tuple[str, ...], list[str]] = {}
    for operation, row in rows:
        names.setdefault(row, []).append(f"`{operation.name}`")
    return [[*row, ", ".join(of)] for row, of in names.items()]


def _transfer_syntaxes() -> str:
    rows = [
        [
            f"`{uid}`",
            syntax.name,
            "yes" if uid in DECODABLE or not syntax.encapsulated else "no",
            _encoded(uid),
        ]
        for uid, syntax in TRANSFER_SYNTAXES.items()
    ]
    return _table(["UID", "Name", "Given as Explicit VR Little Endian", "Encoded to"], rows)


def _encoded(uid: str) -> str:
    if uid == JPEG_RECOMPRESSED:
        return "from JPEG"
    return "yes" if uid in ENCODED else "no"


def _limits() -> str:
    described_as = {item.name: item for item in fields(Settings)}
    rows = [
        [f"`{name}`", default_text(described_as[name]), described_as[name].metadata["description"]]
        for name in LIMITS
    ]
    return _table(["Limit", "Default", "Meaning"], rows)


_TABLES: dict[str, Callable[[], str]] = {
    "routes": _routes,
    "media_types": _media_types,
    "parameters": _parameters,
    "statuses": _statuses,
    "transfer_syntaxes": _transfer_syntaxes,
    "limits": _limits,
}


def main(path: Path) -> None:
    """Bring the statement up to date."""
    path.write_text(with_tables(path.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
