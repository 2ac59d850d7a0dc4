"""What is stored under given SOP Instance UIDs: enough to recognise a file that is already there."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.catalog.columns import received_as
from dicomweb.catalog.pool import Pool, connection

_DIGESTS = """
    SELECT sop_instance_uid, digest, transfer_syntax_uid, received
      FROM instance
     WHERE tenant_id = $1 AND sop_instance_uid = ANY ($2) AND superseded_at IS NULL AND damaged_at IS NULL
"""


async def stored_digests(
    pool: Pool, tenant_id: int, sop_instance_uids: Sequence[str]
) -> dict[str, frozenset[str]]:
    """SOP Instance UID -> its data set as it is kept and as it came (columns.received_as), of what is stored.

    Damaged ones are left out: sending them again heals them.
    """
    async with connection(pool) as db:
        rows = await db.fetch(_DIGESTS, tenant_id, list(sop_instance_uids))
    return {
        row["sop_instance_uid"]: frozenset(
            {received_as(row["digest"], row["transfer_syntax_uid"]), row["received"] or ""}
        )
        for row in rows
    }
