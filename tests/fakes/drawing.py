"""Drives the real worker in this process."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from webui.core.messages import (
    JobFinished,
    JobImage,
    JobSpec,
    RunJob,
    WorkerEvent,
    WorkerStats,
)
from webui.core.models import ModelRef
from webui.core.requests import DrawRequest, Request
from webui.engine.worker import Worker, WorkerConfig

E = TypeVar("E")


class Drawer:
    """A worker on the CPU and everything it said."""

    def __init__(
        self,
        batching: Literal["exact", "shared"] = "exact",
        *,
        model_bytes: int | None = None,
        dtype: str = "auto",
    ) -> None:
        self.events: list[WorkerEvent] = []
        self.worker = Worker(WorkerConfig("cpu", dtype, batching, model_bytes), self.events.append)
        self._ids = count()

    def submit(self, request: Request, model: ModelRef, *, preview_every: int = 0) -> str:
        """Hand a job over; nothing is drawn before :meth:`run`."""
        job_id = f"job-{next(self._ids)}"
        self.worker.handle(RunJob(JobSpec(job_id, 1, request, model, preview_every)))
        return job_id

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Tick until nothing is left to do or ``until`` says so."""
        while self.worker.busy and not until():
            assert self.worker.tick(), "the worker is busy but has nothing to do"

    def images(self, request: DrawRequest, model: ModelRef) -> list[JobImage]:
        """Draw one job; fails if it fails."""
        job_id = self.submit(request, model)
        self.run()
        assert self.finished(job_id).error is None
        return self.of(JobImage, job_id)

    def of(self, kind: type[E], job_id: str | None = None) -> list[E]:
        """What was said, of one kind, of one job."""
        return [
            e
            for e in self.events
            if isinstance(e, kind) and (job_id is None or getattr(e, "job_id", None) == job_id)
        ]

    def finished(self, job_id: str) -> JobFinished:
        """How a job ended."""
        (end,) = self.of(JobFinished, job_id)
        return end

    @property
    def stats(self) -> WorkerStats:
        """The worker's newest figures."""
        return self.of(WorkerStats)[-1]


def pixels_of(image: JobImage) -> NDArray[np.float32]:
    """A picture [H, W, 3] of values 0..255."""
    p = image.pixels
    return np.frombuffer(p.data, np.uint8).reshape(p.height, p.width, 3).astype(np.float32)
