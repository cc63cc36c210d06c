"""How far the caller's job is, and ending it, as A1111's API has it.

A1111 has one state for everybody. Here ``progress``, ``interrupt`` and ``skip`` are about the
caller's own newest running job, before all one that came through this API; nobody sees or ends
another's. While a caller's jobs only wait, ``job_count`` is above 0 and ``progress`` 0, so that a
client that waits for both to be 0 waits on. ``/internal/progress`` is about the job it names, by
its ``force_task_id`` or its id.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.a1111.body import Known, read_body, take
from webui.api.a1111.fields import json_body
from webui.api.a1111.info import timestamp
from webui.api.a1111.tasks import Tasks
from webui.api.guard import caller_of
from webui.api.native import answer
from webui.core.errors import NotFound
from webui.core.results import Caller

if TYPE_CHECKING:
    from webui.jobs import Job
    from webui.services import Services

_BEGUN = 0.01
"""A1111's progress of a job that runs is never less."""
_TASK = {
    known.name: known
    for known in (
        Known("id_task", "text"),
        Known("id_live_preview", "whole", -1),
        Known("live_preview", "flag", True),
    )
}
_MAX_ID_CHARS = 200


@dataclass(frozen=True, slots=True)
class Batches:
    """A job in batches, as A1111 counts: how many, which one is drawn (from 0), and its steps."""

    count: int
    number: int
    step: int
    steps: int

    @classmethod
    def of(cls, job: Job) -> Batches:
        """The batches of a job, and where it is among them."""
        size = max(job.request.batch_size, 1)
        count = -(-job.request.count // size)
        progress = job.progress
        number = min(progress.image // size, count - 1)
        return cls(count, number, progress.step, progress.steps)


class Progress:
    """The routes' functions; ``tasks`` knows which jobs came through A1111's API."""

    def __init__(self, services: Services, tasks: Tasks) -> None:
        self._queue = services.queue
        self._tasks = tasks

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        for method, path, function in (
            ("GET", "/sdapi/v1/progress", self.progress),
            ("POST", "/sdapi/v1/interrupt", self.interrupt),
            ("POST", "/sdapi/v1/skip", self.skip),
            ("POST", "/internal/progress", self.task_progress),
            ("GET", "/internal/pending-tasks", self.pending),
        ):
            extra = json_body(_TASK) if path == "/internal/progress" else None
            router.add_api_route(path, function, methods=[method], openapi_extra=extra)
        return router

    def progress(
        self,
        request: Request,
        skip_current_image: Annotated[
            bool, Query(description="Leave out the picture as it looks now.")
        ] = False,
    ) -> Response:
        """How far your newest running job is; progress and job_count are 0 when there is none."""
        caller = caller_of(request)
        job = self._running(caller) or self._waiting(caller)
        if job is None:
            return answer({**_IDLE, "state": _state(None, Batches(0, 0, 0, 0))})
        fraction = _fraction(job)
        preview = None if skip_current_image else self._queue.preview(job.id)
        found = {
            "progress": fraction,
            "eta_relative": _seconds_left(job, fraction) or 0.0,
            "state": self._state(job),
            "current_image": _base64(preview[-1]) if preview else None,
            "textinfo": self._text(job),
        }
        return answer(found)

    def interrupt(self, request: Request) -> Response:
        """End your newest running job; its finished pictures are answered."""
        job = self._running(caller_of(request))
        if job is not None:
            self._queue.interrupt(job.id)
        return answer({})

    def skip(self, request: Request) -> Response:
        """Give up the batch that your newest running job draws, and go on with its next."""
        job = self._running(caller_of(request))
        if job is not None:
            self._tasks.skip(job.id, Batches.of(job).number)
            self._queue.skip(job.id)
        return answer(None)

    async def task_progress(self, request: Request) -> Response:
        """How far one job of yours is, by its force_task_id or its id, with its preview."""
        caller = caller_of(request)
        values = take(_TASK, await read_body(request))
        return answer(await run_in_threadpool(self._of_task, values, caller))

    def pending(self, request: Request) -> Response:
        """Your jobs that wait, the oldest first, as you call them."""
        waiting = self._own(caller_of(request), "queued")
        names = [self._tasks.name(job.id) for job in waiting]
        return answer({"size": len(names), "tasks": names})

    # ---- one task

    def _of_task(self, values: dict[str, Any], caller: Caller) -> dict[str, Any]:
        job = self._task(values.get("id_task", ""), caller)
        seen = values.get("id_live_preview", -1)
        found: dict[str, Any] = {
            "active": job is not None and job.state == "running",
            "queued": job is not None and job.state == "queued",
            "completed": job is not None and job.ended,
            "progress": None,
            "eta": None,
            "live_preview": None,
            "id_live_preview": -1,
            "textinfo": self._text(job) if job else "Waiting...",
        }
        if job is None or job.state != "running":
            return found
        fraction = job.progress.fraction
        found |= {"progress": fraction, "eta": _seconds_left(job, fraction)}
        found["id_live_preview"] = seen
        preview = self._queue.preview(job.id) if values.get("live_preview", True) else None
        if preview is not None and preview[0] != seen:
            picture = f"data:image/jpeg;base64,{_base64(preview[-1])}"
            found |= {"live_preview": picture, "id_live_preview": preview[0]}
        return found

    def _task(self, name: str, caller: Caller) -> Job | None:
        """The caller's job of that name; another's is not there."""
        if not 0 < len(name) <= _MAX_ID_CHARS:
            return None
        try:
            job = self._queue.get(self._tasks.find(caller.user, name) or name)
        except NotFound:
            return None
        return job if job.owner == caller.user else None

    # ---- the caller's jobs

    def _own(self, caller: Caller, state: Any) -> list[Job]:
        """The caller's jobs in that state, the oldest first; administrators' own ones only."""
        return [job for job in self._queue.jobs(caller, [state]) if job.owner == caller.user]

    def _running(self, caller: Caller) -> Job | None:
        """The newest that runs, before all one that came through this API."""
        running = self._own(caller, "running")
        ours = [job for job in running if job.id in self._tasks]
        return next(reversed(ours or running), None)

    def _waiting(self, caller: Caller) -> Job | None:
        """The next of those that came through this API and wait."""
        waiting = [job for job in self._own(caller, "queued") if job.id in self._tasks]
        return min(waiting, key=lambda job: job.position or 0, default=None)

    def _state(self, job: Job) -> dict[str, Any]:
        batches = Batches.of(job)
        state = _state(job, batches)
        state["skipped"] = self._tasks.is_skipped(job.id, batches.number)
        return state

    def _text(self, job: Job) -> str | None:
        """What A1111's page would write beside the progress."""
        if job.state == "queued":
            waiting = self._queue.counts()["queued"]
            return f"In queue: {(job.position or 0) + 1}/{waiting}"
        if job.state == "running":
            return job.progress.phase or None
        return "Waiting..."


def _state(job: Job | None, batches: Batches) -> dict[str, Any]:
    """A1111's ``shared.state`` of a job; without one, that of a server with nothing to do."""
    is_running = job is not None and job.state == "running"
    name = f"Batch {batches.number + 1} out of {batches.count}" if is_running else ""
    return {
        "skipped": False,
        "interrupted": is_running and job is not None and job.stopping,
        "stopping_generation": False,
        "job": "scripts_txt2img" if batches.count == 1 and is_running else name,
        "job_count": batches.count,
        "job_timestamp": timestamp(job.started if job else None),
        "job_no": batches.number,
        "sampling_step": batches.step,
        "sampling_steps": batches.steps,
    }


def _fraction(job: Job) -> float:
    """A1111's progress of a job, 0 until it runs."""
    return min(_BEGUN + job.progress.fraction, 1.0) if job.state == "running" else 0.0


def _seconds_left(job: Job, fraction: float) -> float | None:
    """How long a running job will still take; None where nothing is known of that yet."""
    if job.state != "running" or job.started is None:
        return None
    if job.progress.seconds_left is not None:
        return job.progress.seconds_left
    gone = max(time.time() - job.started, 0.0)
    return gone * (1 - fraction) / fraction if fraction > 0 else None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_IDLE: dict[str, Any] = {
    "progress": 0.0,
    "eta_relative": 0.0,
    "current_image": None,
    "textinfo": None,
}
