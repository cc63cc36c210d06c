"""Work that takes much memory or time, a few pieces at once: the others wait without a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from webui.core.errors import TooMany

T = TypeVar("T")

AT_ONCE = 2
"""So many are worked on at the same time: a large picture takes some hundred megabytes."""
MAX_WAITING = 16
"""Of those that are worked on and those that wait."""
RETRY_SECONDS = 5


class Few:
    """Room for a few pieces of work in threads; lives in the server's event loop."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Have something done in a thread; ``TooMany`` when much is waiting for that."""
        if self._waiting >= MAX_WAITING:
            raise TooMany(
                "Many pictures are being worked on; try again in a few seconds.",
                retry_after=RETRY_SECONDS,
            )
        self._waiting += 1
        try:
            async with self._room:
                return await run_in_threadpool(work)
        finally:
            self._waiting -= 1
