"""The seam between the queue and whatever draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from webui.core.errors import Unavailable
from webui.core.messages import Command, WorkerEvent, WorkerReady, WorkerStats


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone, and with it the ``jobs`` (ids) it had been given and not finished.

    ``reason`` is a sentence for a person; ``deliberate`` is set when :meth:`Executor.restart` did
    it, ``ready`` is False when the worker had not got as far as being ready to draw. Commands sent
    from now on reach its successor.
    """

    reason: str
    jobs: tuple[str, ...] = ()
    pid: int | None = None
    deliberate: bool = False
    ready: bool = True


ExecutorEvent = WorkerEvent | WorkerLost
RESTART_SECONDS = 10
"""When to ask again while the worker, or Easel itself, is being started again."""

Availability = Literal["starting", "ready", "lost", "failed"]
OnEvent = Callable[[ExecutorEvent], None]


@dataclass(frozen=True, slots=True)
class ExecutorStatus:
    """How the worker is.

    ``state``: "idle" (not started), "starting", "ready", "waiting" (it ended; the next start
    comes later or with the next job) or "closed". ``ready`` and ``stats`` are the worker's last
    words about itself, ``problem`` says why the last one ended, ``restarts`` how many did.
    ``hopeless`` is set while the last one never got as far as being ready.
    """

    state: Literal["idle", "starting", "ready", "waiting", "closed"] = "idle"
    ready: WorkerReady | None = None
    stats: WorkerStats | None = None
    restarts: int = 0
    problem: str | None = None
    hopeless: bool = False

    @property
    def availability(self) -> Availability:
        """Whether there is a worker: "ready"; "starting" (the first, or it comes with the first
        job); "lost" (one ended, the next is on its way); "failed" (none could be started, or
        Easel closes)."""
        if self.state == "ready":
            return "ready"
        if self.state == "closed" or (self.state == "waiting" and self.hopeless):
            return "failed"
        return "starting" if self.problem is None else "lost"

    def unavailable(self) -> Unavailable | None:
        """The error for whoever needs the worker now, while one that ended is not replaced; None
        while there is one, or the first is on its way. Jobs are kept meanwhile."""
        if self.availability == "lost":
            sentence = "The drawing process ended and is being started again; jobs are kept."
        elif self.availability == "failed":
            sentence = (
                "The drawing process could not be started, which is tried again with the next "
                f"job; jobs are kept. {self.problem or ''}"
            )
        else:
            return None
        return Unavailable(sentence.strip(), retry_after=RESTART_SECONDS)

    def after(self, event: ExecutorEvent) -> ExecutorStatus:
        """The status once ``event`` has happened."""
        match event:
            case WorkerReady():
                return replace(self, state="ready", ready=event, hopeless=False)
            case WorkerStats():
                return replace(self, stats=event)
            case WorkerLost():
                return replace(
                    self,
                    state="waiting",
                    ready=None,
                    stats=None,
                    restarts=self.restarts + 1,
                    problem=event.reason,
                    hopeless=not event.ready,
                )
            case _:
                return self


class Executor(Protocol):
    """Carries jobs out. Every implementation passes ``tests/contract/test_executors.py``.

    Events come one at a time and, for each job, in order: ``JobStarted`` first, ``JobFinished``
    last, unless a ``WorkerLost`` names the job. No method raises because of a worker's state.
    """

    def start(self, on_event: OnEvent) -> None:
        """Make ready to draw and return at once; ``on_event`` may be called by any thread."""
        ...

    def send(self, command: Command) -> None:
        """Hand over a command, from any thread, also from within ``on_event``."""
        ...

    def restart(self, reason: str) -> None:
        """End a worker that does not answer; a ``WorkerLost`` follows where that is possible."""
        ...

    def close(self) -> None:
        """End the worker within two seconds; no event comes afterwards."""
        ...

    @property
    def status(self) -> ExecutorStatus:
        """How the worker is now."""
        ...
