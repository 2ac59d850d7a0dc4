"""Who was cancelled: the task at hand, or only the work that it waits for."""

from __future__ import annotations

import asyncio


def is_leaving() -> bool:
    """Whether the task at hand is itself being cancelled: then that goes on, whatever else has ended."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
