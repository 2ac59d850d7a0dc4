"""Noting instances whose bytes cannot be read, so that later answers say so instead of tearing (W-60)."""

from __future__ import annotations

import logging

from dicomweb.archive.archive import Archive
from dicomweb.catalog.audit import mark_damaged
from dicomweb.errors import Unavailable

_log = logging.getLogger(__name__)


async def note_damage(archive: Archive, instance_row: int) -> None:
    """Record that the bytes of an instance are missing or short."""
    _log.error("the bytes of instance row %d are missing or short: run dicomweb verify", instance_row)
    try:
        await mark_damaged(archive.pool, [instance_row])
    except Unavailable:
        _log.error("the damage could not be recorded: the database is not available")
