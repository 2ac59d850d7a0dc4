"""The whole schema of a database as SQL, the same text from every PostgreSQL version.

python -m tests.catalog.schema_text > schemas/catalog.sql    (what pg_dump writes differs by its version)
"""

from __future__ import annotations

import asyncio
import shutil
import sys

import asyncpg

from dicomweb.catalog.migrate import migrate
from dicomweb.run.postgres import EmbeddedPostgres
from tests.conftest import make_archive_directory

_HEADER = "-- The whole schema after all migrations. Generated: python -m tests.catalog.schema_text\n"

_EXTENSIONS = """
    SELECT format('CREATE EXTENSION IF NOT EXISTS %I;', extname)
      FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname
"""
_SEQUENCES = """
    SELECT format('CREATE SEQUENCE %I AS %s;', c.relname, format_type(s.seqtypid, NULL))
      FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid
     WHERE c.relnamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'i')
     ORDER BY c.relname
"""
_TABLES = """
    SELECT c.relname, format(E'CREATE TABLE %I (\\n%s\\n)%s;', c.relname, string_agg(
               format('    %I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                      CASE WHEN l.collname <> 'default' THEN format(' COLLATE %I', l.collname) END,
                      CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' END,
                      ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
                      CASE WHEN a.attnotnull THEN ' NOT NULL' END),
               E',\\n' ORDER BY a.attnum), ' WITH (' || array_to_string(c.reloptions, ', ') || ')')
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
      LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'schema_migration'
     GROUP BY c.oid, c.relname, c.reloptions
     ORDER BY c.relname
"""
_STORAGE = """
    SELECT format('ALTER TABLE %I ALTER COLUMN %I SET STORAGE %s;', c.relname, a.attname,
                  CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                    WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END)
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type AS t ON t.oid = a.atttypid
     WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attstorage <> t.typstorage
     ORDER BY c.relname, a.attnum
"""
# 'n': PostgreSQL 18 lists NOT NULL here too; it stands with the column.
_CONSTRAINTS = """
    SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s;', c.relname, k.conname, pg_get_constraintdef(k.oid))
      FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'schema_migration' AND k.contype <> 'n'
     ORDER BY position(k.contype::text IN 'pucf'), c.relname, k.conname
"""
_INDEXES = """
    SELECT pg_get_indexdef(i.indexrelid) || ';'
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_class AS x ON x.oid = i.indexrelid
     WHERE c.relnamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u'))
     ORDER BY c.relname, x.relname
"""


_FUNCTIONS = """
    SELECT pg_get_functiondef(p.oid) || ';'
      FROM pg_proc AS p
     WHERE p.pronamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
     ORDER BY p.proname
"""
# 'A': fires always, else only where foreign keys are checked too.
_TRIGGERS = """
    SELECT pg_get_triggerdef(t.oid) || ';' || CASE t.tgenabled
               WHEN 'A' THEN format(E'\\nALTER TABLE %I ENABLE ALWAYS TRIGGER %I;', c.relname, t.tgname)
               ELSE '' END
      FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
     ORDER BY c.relname, t.tgname
"""


async def schema_text(url: str) -> str:
    """Extensions, sequences, tables, constraints, indexes, triggers; not the journal of migrations."""
    db = await asyncpg.connect(url)
    try:
        sections = [[row[0] for row in await db.fetch(query)] for query in (_EXTENSIONS, _SEQUENCES)]
        sections += [[row[1]] for row in await db.fetch(_TABLES)]
        sections += [
            [row[0] for row in await db.fetch(query)]
            for query in (_STORAGE, _CONSTRAINTS, _INDEXES, _FUNCTIONS, _TRIGGERS)
        ]
    finally:
        await db.close()
    return _HEADER + "".join("\n" + "\n".join(section) + "\n" for section in sections)


def main() -> None:
    """Print the schema that the migrations make."""
    directory = make_archive_directory()
    try:
        with EmbeddedPostgres(directory) as server:
            asyncio.run(migrate(server.url))
            sys.stdout.write(asyncio.run(schema_text(server.url)))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
