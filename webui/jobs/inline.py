"""Drawing in this process, on the thread that asks: tests, debugging, ``--inline``."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, cast

from webui.core.errors import describe
from webui.core.messages import Command, JobFinished, Quit, RunJob, StopJob, WorkerEvent
from webui.jobs.executor import ExecutorEvent, ExecutorStatus, OnEvent, WorkerLost

_log = logging.getLogger(__name__)


class InlineWorker(Protocol):
    """What a worker module's ``Worker`` offers."""

    def handle(self, command: Command) -> None:
        """Take a command up."""
        ...

    def tick(self) -> bool:
        """Do a little of what there is to do; False when there was nothing."""
        ...

    @property
    def busy(self) -> bool:
        """Whether there is something to do."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class InlineExecutor:
    """Runs the worker's loop inside ``send``, so ``send(RunJob)`` returns when the job has ended.

    ``module`` is imported by name when the first job comes and offers
    ``create(argv, emit) -> Worker``, with ``argv`` what the spawned worker gets as its arguments.
    Other threads and ``on_event`` may send meanwhile: what they send is taken up before the next
    tick. An exception that the worker lets out, or a failing import, is a ``WorkerLost``.
    """

    def __init__(self, argv: Sequence[str] = (), *, module: str = "webui.engine.worker") -> None:
        self._argv = tuple(argv)
        self._module = module
        self._lock = threading.Lock()
        self._inbox: deque[Command] = deque()
        self._unfinished: list[str] = []
        self._worker: InlineWorker | None = None
        self._pumping = False
        self._closed = False
        self._on_event: OnEvent | None = None
        self._status = ExecutorStatus()

    @property
    def status(self) -> ExecutorStatus:
        """How the worker is now."""
        return self._status

    def start(self, on_event: OnEvent) -> None:
        """Remember whom to tell; the module is imported with the first job."""
        self._on_event = on_event

    def send(self, command: Command) -> None:
        """Take the command up; what it asks for is done before this returns, a ``RunJob`` to its
        end, unless a run is going on already. A ``StopJob`` alone waits for the next run."""
        with self._lock:
            if self._closed or self._on_event is None or isinstance(command, Quit):
                return
            self._inbox.append(command)
            if self._pumping or isinstance(command, StopJob):
                return
            self._pumping = True
        self._pump()

    def restart(self, reason: str) -> None:
        """Nothing: this process cannot be ended for it."""

    def close(self) -> None:
        """End the run going on after its current tick."""
        with self._lock:
            self._closed = True
            pumping = self._pumping
        self._status = replace(self._status, state="closed")
        if not pumping:
            self._drop_worker()

    def _pump(self) -> None:
        while True:
            try:
                if not self._turn():
                    break
            except Exception as error:  # noqa: BLE001  the border of the worker's loop
                self._lose(error)
        self._drop_worker(if_closed=True)

    def _turn(self) -> bool:
        """Hand over what came in, then one tick; False when the run is at its end."""
        with self._lock:
            commands = list(self._inbox)
            self._inbox.clear()
            if self._closed or not (commands or (self._worker and self._worker.busy)):
                self._pumping = False
                return False
        self._unfinished += [c.spec.job_id for c in commands if isinstance(c, RunJob)]
        if self._worker is None:
            self._worker = self._create()
        for command in commands:
            self._worker.handle(command)
        self._worker.tick()
        return True

    def _create(self) -> InlineWorker:
        self._status = replace(self._status, state="starting")
        create = cast(
            "Callable[[Sequence[str], Callable[[WorkerEvent], None]], InlineWorker]",
            importlib.import_module(self._module).create,
        )
        return create(self._argv, self._emit)

    def _emit(self, event: ExecutorEvent) -> None:
        if isinstance(event, JobFinished) and event.job_id in self._unfinished:
            self._unfinished.remove(event.job_id)
        self._status = self._status.after(event)
        if self._on_event is not None and not self._closed:
            self._on_event(event)

    def _lose(self, error: Exception) -> None:
        _log.exception("The drawing code let an exception out.")
        jobs, self._unfinished = tuple(self._unfinished), []
        ready = self._worker is not None
        self._drop_worker()
        self._emit(WorkerLost(describe(error).message, jobs=jobs, pid=os.getpid(), ready=ready))

    def _drop_worker(self, *, if_closed: bool = False) -> None:
        with self._lock:
            if if_closed and not self._closed:
                return
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
