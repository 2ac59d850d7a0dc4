"""Adding instances: all rows of a request in one transaction, exact however many senders share a study.

The order of locks is written down in locks.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import asyncpg

from dicomweb.catalog.columns import NewInstance
from dicomweb.catalog.counts import recount, remove_instances
from dicomweb.catalog.insert import Taken, insert_instances
from dicomweb.catalog.insert_new import insert_new
from dicomweb.catalog.locks import (
    LockedStudies,
    TryAgain,
    drop_empty_studies,
    lock_or_create_studies,
    write_transaction,
)
from dicomweb.catalog.pool import Connection, Pool, indexed_connection
from dicomweb.catalog.restate import restate
from dicomweb.errors import Unavailable

State = Literal["stored", "identical", "kept", "conflict", "replaced"]

# What becomes of an instance whose UID is taken by other content, by policy.
_OF_OTHER_CONTENT: Mapping[str, State] = {"reject": "conflict", "keep": "kept", "replace": "replaced"}
_WRITTEN = ("stored", "replaced")

# Other senders can only get between us by storing the same SOP Instance UID in another study.
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one instance.

    stored: a new row points to its bytes (also where the same content was there, but damaged).
    replaced: the same, and what was there before is an old version now.
    identical: the same data set in the same transfer syntax is there already. kept: other content is there
    and stays, by policy. conflict: the same, and by policy that is a failure.
    other_patient: it is stored in a study whose instances have another Patient ID (S-29).
    """

    sop_instance_uid: str
    state: State
    other_patient: bool = False


async def add_instances(
    pool: Pool, tenant_id: int, new: Sequence[NewInstance], *, duplicates: str, blobs: Mapping[str, int]
) -> list[Added]:
    """Add instances to the catalog; returns one Added for each of `new`, in the same order.

    duplicates: reject, keep or replace: what happens to other content under a known SOP Instance UID.
    blobs: size of every object that `new` points to; they must be durable already. An object that no
    instance came to use gets no row.
    When this returns, all of it is committed and visible. Raises Unavailable, also when the connection was
    lost while the commit was under way: then it may have happened, so the blobs must stay for the sweeper.
    The same holds for a caller that is cancelled here.
    """
    added: dict[int, Added] = {}
    for turn in _turns(new):
        found = await _add_turn(pool, tenant_id, [new[at] for at in turn], duplicates, blobs)
        added.update((at, found[new[at].sop_instance_uid]) for at in turn)
    return [added[at] for at in range(len(new))]


def _turns(new: Sequence[NewInstance]) -> list[list[int]]:
    """Positions in `new`, split so that no turn holds a SOP Instance UID twice (S-27); nearly always one."""
    latest: dict[str, int] = {}
    turns: list[list[int]] = []
    for at, one in enumerate(new):
        turn = latest[one.sop_instance_uid] = latest.get(one.sop_instance_uid, -1) + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(at)
    return turns


async def _add_turn(
    pool: Pool, tenant_id: int, new: Sequence[NewInstance], duplicates: str, blobs: Mapping[str, int]
) -> dict[str, Added]:
    """One transaction, tried again when another study's sender got between our look and our insert."""
    for attempt in range(_ATTEMPTS):
        async with indexed_connection(pool) as db:
            try:
                if attempt == 0 and (found := await _add_new(db, tenant_id, new, blobs)):
                    return found
                async with write_transaction(db, hashing=True):
                    return await _add(db, tenant_id, new, duplicates, blobs, create=attempt > 0)
            except (TryAgain, asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError):
                continue
    raise Unavailable("Too many clients store the same instances at once.")


async def _add_new(
    db: Connection, tenant_id: int, new: Sequence[NewInstance], blobs: Mapping[str, int]
) -> dict[str, Added]:
    """The same where none of the instances is there, whatever the policy; empty where it cannot be so."""
    patient_ids = await insert_new(db, tenant_id, new, blobs)
    if patient_ids is None:
        return {}
    strangers = _of_other_patients(new, patient_ids)
    uids = [one.sop_instance_uid for one in new]
    return {uid: Added(uid, "stored", other_patient=uid in strangers) for uid in uids}


async def _add(
    db: Connection,
    tenant_id: int,
    new: Sequence[NewInstance],
    duplicates: str,
    blobs: Mapping[str, int],
    *,
    create: bool,
) -> dict[str, Added]:
    """The transaction itself; returns what became of each SOP Instance UID."""
    uids = {one.study_instance_uid for one in new}
    if duplicates == "replace" or create:
        uids |= await _current_studies(db, tenant_id, new)
    studies = await lock_or_create_studies(db, tenant_id, uids, create=create)
    taken = await insert_instances(db, tenant_id, new, studies, blobs)
    states = {one.sop_instance_uid: _state(one, taken.get(one.sop_instance_uid), duplicates) for one in new}
    replacing = [
        one for one in new if one.sop_instance_uid in taken and states[one.sop_instance_uid] in _WRITTEN
    ]
    if replacing:
        await _replace(db, tenant_id, replacing, taken, studies, blobs)
    if taken:
        await drop_empty_studies(db, studies)
    strangers = _of_other_patients(new, studies.patient_ids)
    return {
        uid: Added(uid, state, other_patient=state == "stored" and uid in strangers)
        for uid, state in states.items()
    }


def _of_other_patients(new: Sequence[NewInstance], patient_ids: Mapping[str, str | None]) -> set[str]:
    """SOP Instance UIDs of those whose Patient ID is not that of their study, or of the others of it.

    patient_ids: by Study Instance UID, of those that are there.
    """
    known = {uid: patient_id for uid, patient_id in patient_ids.items() if patient_id}
    return {
        one.sop_instance_uid
        for one in new
        if one.study.patient_id
        and known.setdefault(one.study_instance_uid, one.study.patient_id) != one.study.patient_id
    }


def _state(one: NewInstance, there: Taken | None, duplicates: str) -> State:
    """What becomes of an instance, by what holds its UID. Damaged content that is sent again is healed."""
    if there is None:
        return "stored"
    if there.is_same(one):
        return "stored" if there.is_damaged else "identical"
    return _OF_OTHER_CONTENT[duplicates]


# --- replacing -------------------------------------------------------------------------------------

_CURRENT_STUDIES = """
    SELECT DISTINCT s.study_instance_uid
      FROM unnest($2::text[]) AS uid, LATERAL (
               SELECT series_row FROM instance
                WHERE tenant_id = $1 AND sop_instance_uid = uid AND superseded_at IS NULL
                LIMIT 1) AS i
      JOIN series AS e ON e.id = i.series_row JOIN study AS s ON s.id = e.study_row
"""
_SUPERSEDE = "UPDATE instance SET superseded_at = now() WHERE id = ANY ($1::bigint[])"
_FOLLOW = """
    UPDATE instance AS old
       SET series_row = (SELECT series_row FROM instance AS new
                          WHERE new.tenant_id = $1 AND new.sop_instance_uid = old.sop_instance_uid
                            AND new.superseded_at IS NULL)
     WHERE old.id = ANY (ARRAY (
               SELECT i.id FROM unnest($2::text[]) AS uid, LATERAL (
                   SELECT id FROM instance
                    WHERE tenant_id = $1 AND sop_instance_uid = uid AND superseded_at IS NOT NULL
                   OFFSET 0) AS i))
"""


async def _current_studies(db: Connection, tenant_id: int, new: Sequence[NewInstance]) -> set[str]:
    """Studies in which instances that may be replaced lie now: they are to be locked too."""
    rows = await db.fetch(_CURRENT_STUDIES, tenant_id, [one.sop_instance_uid for one in new])
    return {row["study_instance_uid"] for row in rows}


async def _replace(
    db: Connection,
    tenant_id: int,
    new: Sequence[NewInstance],
    taken: Mapping[str, Taken],
    studies: LockedStudies,
    blobs: Mapping[str, int],
) -> None:
    """Put new versions in the place of current ones, which are kept behind them, pixels and all.

    Where it is the same content that was damaged, nothing is left to be kept.
    """
    old = [taken[one.sop_instance_uid] for one in new]
    study_rows = {one.study_row for one in old}
    if not study_rows <= set(studies.rows.values()):
        raise TryAgain
    healed = [there.id for one, there in zip(new, old, strict=True) if there.is_same(one)]
    await remove_instances(db, healed)
    await db.execute(_SUPERSEDE, [one.id for one in old])
    await insert_instances(db, tenant_id, new, studies, blobs)
    await db.execute(_FOLLOW, tenant_id, [one.sop_instance_uid for one in new])
    for study_row in sorted(study_rows):  # those that an instance left for another study
        await restate(db, study_row, {one.series_row for one in old if one.study_row == study_row})
    await recount(db, study_rows, {one.series_row for one in old})
