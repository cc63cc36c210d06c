"""Asking twice, drawing once: what is kept with a job so that a repeated request finds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from webui.core.errors import InvalidRequest
from webui.jobs.record import Job

MAX_KEY_CHARS = 200
"""Of a key that a client chooses."""


@dataclass(frozen=True, slots=True)
class Once:
    """A key that a client chose for a request, and a digest of what it asked.

    The key is the client's own: two users may choose the same one. Both are kept in the journal
    with the job, so they count as long as the job is remembered, restarts included.
    """

    key: str
    digest: str

    @classmethod
    def of(cls, key: str, asked: Any) -> Once:
        """From a key and the JSON value it came with; ``InvalidRequest`` for a key that is none.

        A key is 1 to 200 visible ASCII characters.
        """
        if not 0 < len(key) <= MAX_KEY_CHARS or not all("!" <= c <= "~" for c in key):
            raise InvalidRequest(
                f"Idempotency-Key is 1 to {MAX_KEY_CHARS} visible ASCII characters.",
                field="Idempotency-Key",
            )
        try:
            text = json.dumps(asked, sort_keys=True)
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None
        return cls(key, hashlib.sha256(text.encode("ascii")).hexdigest()[:32])

    def mark(self, place: int = 0) -> str:
        """What is kept with the job at this place of the request's jobs."""
        return f"{self.digest} {place} {self.key}"


def asked_before(once: Once, owner: str, jobs: Iterable[Job]) -> list[Job]:
    """The jobs that this request became when it was made before, in their order; empty if not.

    ``InvalidRequest`` when the key came with something else then.
    """
    found: dict[int, Job] = {}
    for job in jobs:
        if job.owner == owner and job.once.endswith(f" {once.key}"):
            digest, place, key = job.once.split(" ", 2)
            if key != once.key:
                continue
            if digest != once.digest:
                raise InvalidRequest(
                    "This Idempotency-Key was used for another request; choose a new one.",
                    field="Idempotency-Key",
                )
            found[int(place)] = job
    return [found[place] for place in sorted(found)]
