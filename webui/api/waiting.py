"""How long a request waits for its job: ``?wait=true``, and ``Prefer: wait=30`` of RFC 7240."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from webui.api.errors import JobKept
from webui.api.live import Hub
from webui.api.native import PREFIX
from webui.core.results import Caller

if TYPE_CHECKING:
    from webui.jobs import Job

LONGEST_WAIT = 300
"""Seconds that ``Prefer: wait`` can ask for; more is answered as this."""

_LOOK_AGAIN = 1.0  # seconds; the worker's state is no event
_SECONDS = re.compile(r'"?([0-9]{1,9})"?')


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait for a job's end: ``seconds`` (None: as long as it takes).

    ``applied`` is what the answer says of the preference, for ``Preference-Applied`` ("": nothing).
    """

    seconds: float | None = 0.0
    applied: str = ""

    @classmethod
    def of(cls, request: Request, wait: bool) -> Wait:
        """From the query's ``wait`` (it wins), else from the header ``Prefer``.

        A preference that cannot be read is ignored, as RFC 7240 wants it.
        """
        if wait:
            return cls(None)
        seconds = preferred_wait(request.headers.getlist("prefer"))
        if seconds is None:
            return cls()
        seconds = min(seconds, LONGEST_WAIT)
        return cls(float(seconds), f"wait={seconds}")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {"preference-applied": self.applied} if self.applied else {}


def preferred_wait(headers: Iterable[str]) -> int | None:
    """The seconds of the first ``wait`` preference in ``Prefer`` headers; None without one."""
    for header in headers:
        for part in header.split(","):
            name, _, value = part.partition(";")[0].partition("=")
            if name.strip().casefold() == "wait":
                found = _SECONDS.fullmatch(value.strip())
                return int(found[1]) if found else None
    return None


async def ended(hub: Hub, job_id: str, caller: Caller, wait: Wait) -> Job:
    """The job once it has ended, or as it is when the time is over or the server stops.

    Takes no thread while it waits. ``JobKept`` while the worker is restarted.
    """
    loop = asyncio.get_running_loop()
    end = None if wait.seconds is None else loop.time() + wait.seconds
    with hub.follow(caller) as follower:
        follower.only = frozenset({job_id})
        while True:
            job = hub.queue.get(job_id)
            left = _LOOK_AGAIN if end is None else min(end - loop.time(), _LOOK_AGAIN)
            if job.ended or hub.closing.is_set() or left <= 0:
                return job
            cause = hub.queue.unavailable()
            if cause is not None:
                kept = JobKept(cause.message, retry_after=cause.retry_after)
                kept.location = f"{PREFIX}/jobs/{job_id}"
                raise kept
            await follower.wait(left)
