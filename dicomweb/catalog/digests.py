"""What is stored under given SOP Instance UIDs: enough to recognise a file that is already there."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.catalog.pool import Pool, connection

_DIGESTS = """
    SELECT sop_instance_uid, digest, transfer_syntax_uid
      FROM instance
     WHERE tenant_id = $1 AND sop_instance_uid = ANY ($2) AND superseded_at IS NULL AND damaged_at IS NULL
"""


async def stored_digests(
    pool: Pool, tenant_id: int, sop_instance_uids: Sequence[str]
) -> dict[str, tuple[bytes, str]]:
    """SOP Instance UID -> (BLAKE3 of its received data set, transfer syntax), of those that are stored.

    Damaged ones are left out: sending them again heals them.
    """
    async with connection(pool) as db:
        rows = await db.fetch(_DIGESTS, tenant_id, list(sop_instance_uids))
    return {row["sop_instance_uid"]: (row["digest"], row["transfer_syntax_uid"]) for row in rows}
