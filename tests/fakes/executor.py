"""An executor whose worker is the test: it notes commands and says what it is told to say.

    executor = FakeExecutor()
    queue = JobQueue(journal, executor, resolve=..., keep=...)
    job = queue.submit(request, caller=LOCAL_CALLER)
    queue.settle()                      # until the queue has handed the job over
    executor.step(job.id, 1, 20)        # what its worker would say
    executor.preview(job.id, b"…")
    executor.image(job.id)
    executor.finish(job.id)
    queue.settle()                      # until the queue has dealt with it

For a fake that draws by itself use ``InlineExecutor`` or ``LocalExecutor`` with
``module="tests.fakes.worker"``.
"""

from __future__ import annotations

from typing import cast

from webui.core.errors import ErrorInfo
from webui.core.messages import (
    Command,
    JobFinished,
    JobImage,
    JobPhase,
    JobPreview,
    JobSpec,
    JobStarted,
    JobStep,
    RunJob,
    StopJob,
    WorkerReady,
)
from webui.core.requests import Txt2Img
from webui.core.results import Pixels
from webui.core.seeds import image_seed
from webui.jobs import ExecutorEvent, ExecutorStatus, WorkerLost
from webui.jobs.executor import OnEvent


class FakeExecutor:
    """In memory, stepped by hand.

    ``commands`` is all that was sent, ``running`` the specs given and not finished (oldest first),
    ``stops`` the stop commands, ``restarts`` the reasons given to ``restart``.
    """

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.running: dict[str, JobSpec] = {}
        self.restarts: list[str] = []
        self.started = False
        self.closed = False
        self.status = ExecutorStatus()
        self._on_event: OnEvent | None = None

    @property
    def stops(self) -> list[StopJob]:
        """The stop commands so far."""
        return [c for c in self.commands if isinstance(c, StopJob)]

    def start(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self.started = True
        self.emit(WorkerReady(4242, "Fake device", "float32", "none"))

    def send(self, command: Command) -> None:
        self.commands.append(command)
        if isinstance(command, RunJob):
            self.running[command.spec.job_id] = command.spec
            self.emit(JobStarted(command.spec.job_id, command.spec.attempt))

    def restart(self, reason: str) -> None:
        self.restarts.append(reason)
        self.lose(reason, deliberate=True)

    def close(self) -> None:
        self.closed = True

    # ---- what the worker does

    def emit(self, event: ExecutorEvent) -> None:
        """Say anything."""
        self.status = self.status.after(event)
        if self._on_event is not None and not self.closed:
            self._on_event(event)

    def phase(self, job_id: str, text: str) -> None:
        self.emit(JobPhase(job_id, text))

    def step(self, job_id: str, step: int, steps: int, image: int = 0) -> None:
        """Report a step of the batch that begins with picture ``image``."""
        count = self.running[job_id].request.count
        self.emit(JobStep(job_id, step, steps, image, count, 0.1))

    def preview(self, job_id: str, jpeg: bytes = b"\xff\xd8preview", image: int = 0) -> None:
        self.emit(JobPreview(job_id, image, jpeg))

    def image(self, job_id: str, index: int = 0, colour: tuple[int, int, int] = (9, 9, 9)) -> None:
        """Finish picture ``index`` as a flat colour."""
        request = cast(Txt2Img, self.running[job_id].request)
        width, height = request.width or 64, request.height or 64
        pixels = Pixels(width, height, bytes(colour) * (width * height))
        self.emit(JobImage(job_id, index, image_seed(request.seed, index), pixels, 0.5))

    def finish(self, job_id: str, error: ErrorInfo | None = None, *, stopped: bool = False) -> None:
        """End a job."""
        spec = self.running.pop(job_id)
        self.emit(JobFinished(job_id, spec.attempt, error, stopped, forwards=1))

    def lose(
        self, reason: str = "The drawing process was killed.", *, deliberate: bool = False
    ) -> None:
        """The worker ends with everything it runs; its successor is ready at once."""
        jobs = tuple(self.running)
        self.running.clear()
        self.emit(WorkerLost(reason, jobs, 4242, deliberate))
        self.emit(WorkerReady(4243, "Fake device", "float32", "none"))
