"""The tables of the conformance statement are those of the code (O-06)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomweb.web import statement

_STATEMENT = Path(__file__).resolve().parent.parent / "conformance" / "statement.md"


def test_the_tables_of_the_statement_are_up_to_date() -> None:
    written = _STATEMENT.read_text()
    assert statement.with_tables(written) == written, (
        "run: python -m dicomweb.web.statement conformance/statement.md"
    )


def test_every_table_is_in_the_statement() -> None:
    written = _STATEMENT.read_text()
    assert all(f"<!-- table: {name} -->" in written for name in statement._TABLES)


def test_writing_them_again_changes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "statement.md"
    copy.write_text("before\n<!-- table: limits -->\nold\n<!-- end -->\nafter\n")
    statement.main(copy)
    once = copy.read_text()
    assert "| `max_studies` | 1" in once
    assert "\nold\n" not in once
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    statement.main(copy)
    assert copy.read_text() == once


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        statement.with_tables("<!-- table: nonsense -->\n<!-- end -->")
