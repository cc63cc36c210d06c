"""A worker process on this machine: started, listened to, restarted, ended."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from webui.core.messages import Command, JobFinished, Quit, RunJob
from webui.jobs.executor import ExecutorEvent, ExecutorStatus, OnEvent, WorkerLost
from webui.jobs.process import WorkerProcess

_BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before the n-th start in a row
_PROVEN = 60.0  # seconds after which a worker's end is no longer counted as one of a row


class LocalExecutor:
    """Runs ``python -m module argv…`` and speaks ``core.wire`` with it over its pipes.

    The process is started by :meth:`start`, in a thread. When it ends it is started again: at once
    the first time, later and later when it goes on ending; one that was never ready is started
    again only when there is a command for it. Commands sent while there is none are kept for the
    next. ``python`` is the interpreter, ``log`` receives what the worker writes to its stderr.
    """

    def __init__(
        self,
        argv: Sequence[str] = (),
        *,
        module: str = "webui.engine.worker",
        python: str = sys.executable,
        log: str = "webui.worker",
        backoff: Sequence[float] = _BACKOFF,
    ) -> None:
        self._command = (python, "-m", module, *argv)
        self._log = logging.getLogger(log)
        self._backoff = tuple(backoff)
        self._changed = threading.Condition()
        self._backlog: deque[Command] = deque()
        self._given: list[str] = []
        self._process: WorkerProcess | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ending = ""  # why restart() ends it
        self._failures = 0  # ends in a row
        self._proven = True  # whether the last worker had been ready
        self._on_event: OnEvent | None = None
        self._status = ExecutorStatus()

    @property
    def status(self) -> ExecutorStatus:
        """How the worker is now; the pid is in ``status.ready``."""
        return self._status

    @property
    def pid(self) -> int | None:
        """The process id of the worker, from its start to its end."""
        process = self._process
        return process.pid if process else None

    def start(self, on_event: OnEvent) -> None:
        """Start the worker and return at once."""
        with self._changed:
            if self._thread is not None or self._closed:
                return
            self._on_event = on_event
            self._status = replace(self._status, state="starting")
            self._thread = threading.Thread(target=self._supervise, name="worker", daemon=True)
            self._thread.start()

    def send(self, command: Command) -> None:
        """Hand over a command: to the worker, or to the next one if there is none."""
        with self._changed:
            if self._closed:
                return
            if self._process is None:
                self._backlog.append(command)
                self._changed.notify_all()
            else:
                self._give(self._process, command)

    def restart(self, reason: str) -> None:
        """Kill the worker; ``WorkerLost`` follows with this reason, and a new one is started."""
        with self._changed:
            if self._process is not None and not self._closed:
                self._ending = reason
                self._process.kill()

    def close(self) -> None:
        """Ask the worker to leave, and end it if it does not within about a second."""
        with self._changed:
            self._closed = True
            process = self._process
            self._changed.notify_all()
        if process is not None:
            process.send(Quit())
            process.end(patience=1.0)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        self._status = replace(self._status, state="closed")

    def _give(self, process: WorkerProcess, command: Command) -> None:
        if isinstance(command, RunJob):
            self._given.append(command.spec.job_id)
        process.send(command)

    def _supervise(self) -> None:
        while self._await_need():
            began = time.monotonic()
            try:
                process = WorkerProcess(self._command, _environment(), self._hear, self._log)
            except OSError as error:
                self._lost(f"The drawing process could not be started: {error}.", None)
                continue
            with self._changed:
                self._process = process
                closed = self._closed
                while self._backlog and not closed:
                    self._give(process, self._backlog.popleft())
            if closed:
                process.kill()
            reason = process.wait()
            if time.monotonic() - began > _PROVEN:
                self._failures = 0
            self._lost(reason, process.pid)

    def _await_need(self) -> bool:
        """Wait until a worker is to be started; False when none is any more."""
        with self._changed:
            if self._failures:
                pause = self._backoff[min(self._failures, len(self._backoff)) - 1]
                self._changed.wait_for(lambda: self._closed, timeout=pause)
            self._changed.wait_for(lambda: self._closed or self._proven or bool(self._backlog))
            if not self._closed:
                self._status = replace(self._status, state="starting")
            return not self._closed

    def _hear(self, event: ExecutorEvent) -> None:
        if isinstance(event, JobFinished):
            with self._changed:
                if event.job_id in self._given:
                    self._given.remove(event.job_id)
                if event.error is None:
                    self._failures = 0
        self._tell(event)

    def _lost(self, reason: str, pid: int | None) -> None:
        """Say which jobs went down; what was not handed over yet waits for the next worker."""
        with self._changed:
            self._process = None
            if pid is None:
                self._given += [c.spec.job_id for c in self._backlog if isinstance(c, RunJob)]
                self._backlog.clear()
            if not self._ending:
                self._failures += 1
            self._proven = self._status.ready is not None
            lost = WorkerLost(
                self._ending or reason,
                jobs=tuple(self._given),
                pid=pid,
                deliberate=bool(self._ending),
                ready=self._proven,
            )
            self._given, self._ending = [], ""
        if not self._closed:
            self._log.warning("%s", lost.reason)
        self._tell(lost)

    def _tell(self, event: ExecutorEvent) -> None:
        if self._closed or self._on_event is None:
            return
        self._status = self._status.after(event)
        self._on_event(event)


def _environment() -> dict[str, str]:
    """Ours, with the installed ``webui`` importable and nothing from the working directory."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
