"""Adding instances of which none is there yet, as nearly all that come: in one call of one function.

The transaction of instances.py takes four round trips. Each wakes both processes, and for one instance that
costs as much as all the work. The function does the same steps in the same order, or nothing; but one study
that is not there is made whole at once: a row made to be locked and filled later goes into twenty indexes
twice. It is temporary: each connection makes its own from the statements of this release, so that a change of
them needs no migration, and two releases at one database do not meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from dicomweb.catalog.columns import NewInstance
from dicomweb.catalog.insert import INSERT, INSERT_BELOW, INSERT_STUDY, INSERT_TYPES, offered
from dicomweb.catalog.locks import LOCK, LOCK_OR_CREATE
from dicomweb.catalog.pool import Connection

# Its parameters are those of INSERT, then the studies of the variants, all studies, and the instances. It
# returns the studies; none when there is more to do than to insert: then nothing was done.
_TYPES = (*INSERT_TYPES, "text[]", "text[]", "text[]", "text[]")
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION pg_temp.insert_new({", ".join(_TYPES)})
RETURNS TABLE (study_instance_uid text, patient_id text)
LANGUAGE plpgsql SET enable_hashjoin = on AS $function$
#variable_conflict use_column
DECLARE
    of_variants CONSTANT text[] := $21;
    of_series CONSTANT text[] := $22;
    wanted CONSTANT text[] := $23;
    rows bigint[];
    uids text[];
    patients text[];
    created bigint;
    holder record;
BEGIN
    IF EXISTS (SELECT FROM unnest($24) AS uid, LATERAL (
                   SELECT FROM instance
                    WHERE tenant_id = $1 AND sop_instance_uid = uid AND superseded_at IS NULL LIMIT 1) AS i)
    THEN
        RETURN;
    END IF;
    SELECT array_agg(id), array_agg(s.study_instance_uid), array_agg(s.patient_id) INTO rows, uids, patients
      FROM ({LOCK.replace("$2::text[]", "wanted")}) AS s;
    IF rows IS NULL AND cardinality(of_variants) = 1 AND cardinality(of_series) = 1 THEN
        {INSERT_STUDY} INTO created;
        IF created IS NOT NULL THEN
            $2 := ARRAY[created];
            $5 := ARRAY[created];
            FOR holder IN {INSERT_BELOW} LOOP
                RAISE unique_violation USING MESSAGE = 'taken between our look and our lock';
            END LOOP;
            RETURN QUERY SELECT wanted[1], NULL::text;
            RETURN;
        END IF;
    END IF;
    IF rows IS NULL THEN
        WITH s AS ({LOCK_OR_CREATE.replace("$2::text[]", "wanted")})
        SELECT array_agg(id), array_agg(s.study_instance_uid), array_agg(s.patient_id)
          INTO rows, uids, patients FROM s;
    ELSIF cardinality(rows) < cardinality(wanted) THEN
        RETURN;
    END IF;
    $2 := ARRAY (SELECT rows[array_position(uids, uid)] FROM unnest(of_variants) AS uid);
    $5 := ARRAY (SELECT rows[array_position(uids, uid)] FROM unnest(of_series) AS uid);
    FOR holder IN {INSERT} LOOP
        RAISE unique_violation USING MESSAGE = 'taken between our look and our lock';
    END LOOP;
    RETURN QUERY SELECT * FROM unnest(uids, patients);
END
$function$
"""  # noqa: S608  (made of statements of ours only)
_CALL = f"SELECT * FROM pg_temp.insert_new({', '.join(f'${number + 1}' for number in range(len(_TYPES)))})"  # noqa: S608
_NOT_MADE = (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError)


async def insert_new(
    db: Connection, tenant_id: int, new: Sequence[NewInstance], blobs: Mapping[str, int]
) -> dict[str, str | None] | None:
    """Add instances, none of them twice, and commit; returns the Patient ID that each study had before.

    None when one of them is there, or studies are and are not: nothing has happened then. Other senders may
    get between: raises UniqueViolationError or DeadlockDetectedError, and nothing has happened either.
    """
    offer = offered(new, blobs)
    studies = list({one.study_instance_uid for one in new})
    uids = [one.sop_instance_uid for one in new]
    call = (*offer.arguments(tenant_id, None, None), offer.studies, offer.series_studies, studies, uids)
    try:
        rows = await db.fetch(_CALL, *call)
    except _NOT_MADE:
        if not await _make(db):
            return None
        try:
            rows = await db.fetch(_CALL, *call)
        except _NOT_MADE:  # a pooler in between gives every statement another session
            return None
    return {row["study_instance_uid"]: row["patient_id"] for row in rows} or None


async def _make(db: Connection) -> bool:
    """Make the function for this connection; False where its account may make nothing temporary, or the
    database has no PL/pgSQL."""
    try:
        await db.execute(_FUNCTION)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedObjectError):
        return False
    return True
