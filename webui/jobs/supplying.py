"""An executor that puts a job's pictures beside its request before another one carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from webui.core.errors import EaselError, TooLarge
from webui.core.messages import Command, JobFinished, JobSpec, RunJob
from webui.jobs.executor import Executor, ExecutorStatus, OnEvent

MAX_BYTES = 512 * 1024 * 1024
"""Of all pictures of a job, which are in memory at once while they are handed over."""


class SupplyingExecutor:
    """Requests name the pictures they start from by ids; ``picture`` gives a picture's file.

    What it raises is the end of that job, as if the worker had said so; any other command goes to
    ``executor`` as it is.
    """

    def __init__(self, executor: Executor, picture: Callable[[str], bytes]) -> None:
        self._executor = executor
        self._picture = picture
        self._on_event: OnEvent | None = None

    @property
    def status(self) -> ExecutorStatus:
        """How the worker is now."""
        return self._executor.status

    def start(self, on_event: OnEvent) -> None:
        """Make ready to draw and return at once."""
        self._on_event = on_event
        self._executor.start(on_event)

    def send(self, command: Command) -> None:
        """Hand over a command, a job with its pictures."""
        if isinstance(command, RunJob) and command.spec.request.inputs:
            try:
                command = RunJob(self._supplied(command.spec))
            except EaselError as error:
                spec = command.spec
                if self._on_event is not None:
                    self._on_event(JobFinished(spec.job_id, spec.attempt, error.info()))
                return
        self._executor.send(command)

    def restart(self, reason: str) -> None:
        """End a worker that does not answer."""
        self._executor.restart(reason)

    def close(self) -> None:
        """End the worker within two seconds."""
        self._executor.close()

    def _supplied(self, spec: JobSpec) -> JobSpec:
        pictures: list[tuple[str, bytes]] = []
        for one in spec.request.inputs:
            pictures.append((one, self._picture(one)))
            if sum(len(data) for _, data in pictures) > MAX_BYTES:
                raise TooLarge(
                    f"The pictures this starts from have more than {MAX_BYTES >> 20} MiB together; "
                    "send fewer at once."
                )
        return replace(spec, pictures=tuple(pictures))
