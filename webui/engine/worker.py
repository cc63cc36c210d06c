"""The process that owns the device: takes jobs from its server, sends what happens.

``python -m webui.engine.worker`` reads frames of :mod:`webui.core.wire` on its standard input and
writes frames on its standard output. Nothing heavy is imported before ``main`` has moved that
output out of the way of stray prints and begun to watch for the server's end.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from webui.core import wire
from webui.core.errors import EaselError, ErrorInfo, describe
from webui.core.measure import Measure
from webui.core.messages import (
    Command,
    JobFinished,
    JobSpec,
    JobStarted,
    LoadModel,
    Quit,
    RunJob,
    StopJob,
    UnloadModels,
    WorkerEvent,
    WorkerReady,
    WorkerStats,
)
from webui.core.models import ModelRef
from webui.core.requests import Series, Upscale

if TYPE_CHECKING:
    from webui.engine.clip.measuring import Measuring
    from webui.engine.pipelines.series import SeriesDrawing
    from webui.engine.pipelines.txt2img import Txt2ImgDrawing
    from webui.engine.pipelines.upscale import Upscaling
    from webui.engine.pipelines.waiting import Script, Wait

Emit = Callable[[WorkerEvent], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What the server's settings say about drawing.

    ``model_bytes`` is the most memory that models may take on the device; None is what is free.
    """

    device: str = "auto"
    dtype: str = "auto"
    batching: Literal["exact", "shared"] = "exact"
    model_bytes: int | None = None

    @classmethod
    def from_argv(cls, argv: Sequence[str]) -> WorkerConfig:
        """From the worker's command-line arguments."""
        parser = argparse.ArgumentParser(prog="webui.engine.worker")
        parser.add_argument("--device", default="auto")
        parser.add_argument("--dtype", default="auto")
        parser.add_argument("--batching", choices=("exact", "shared"), default="exact")
        parser.add_argument("--model-bytes", type=int)
        return cls(**vars(parser.parse_args(argv)))


@dataclass(slots=True, eq=False)
class _Job:
    """A job that the worker has taken up."""

    spec: JobSpec
    drawing: Txt2ImgDrawing | Measuring | SeriesDrawing | Upscaling
    script: Script[None]
    wait: Wait = "turn"


class Worker:
    """Draws any number of jobs, a piece at a time. Used by one thread.

    ``emit`` is called with each event, first of all with ``WorkerReady``. A job's failure is its
    ``JobFinished``; it never ends the worker. ``SetupError`` if there is no such device or dtype.
    """

    def __init__(self, config: WorkerConfig, emit: Emit) -> None:
        import torch

        from webui.engine.conditioning import EmbeddingCache, PromptEncoder
        from webui.engine.denoise import StepLoop
        from webui.engine.devices import Machine, set_threads
        from webui.engine.models.manager import ModelManager
        from webui.engine.pipelines.stages import Studio
        from webui.engine.preview import Previewer

        set_threads()
        machine = Machine.choose(config.device, config.dtype)
        manager = ModelManager(machine, limit=config.model_bytes)
        self._emit = emit
        self._jobs: dict[str, _Job] = {}
        self._studio = Studio(
            machine=machine,
            manager=manager,
            prompts=PromptEncoder(EmbeddingCache()),
            loop=StepLoop(config.batching, free_memory=manager.release_unused),
            previewer=Previewer(),
            emit=emit,
        )
        dtype = str(machine.dtype).removeprefix("torch.")
        emit(WorkerReady(os.getpid(), machine.name, dtype, str(torch.__version__)))

    @property
    def busy(self) -> bool:
        """Whether any job is not finished."""
        return bool(self._jobs)

    def handle(self, command: Command) -> None:
        """Take a command up; what it asks for happens in the coming ticks."""
        if isinstance(command, RunJob):
            self._take(command.spec)
        elif isinstance(command, StopJob):
            self._stop(command)
        elif isinstance(command, LoadModel):
            self._load(command.model)
        elif isinstance(command, UnloadModels):
            self._studio.manager.release_unused()
            self._emit_stats()

    def tick(self) -> bool:
        """Do one piece of work: a job's next stage, or one forward pass; False if there is none."""
        ready = next((job for job in self._jobs.values() if self._is_ready(job)), None)
        if ready is not None:
            self._advance(ready)
            return True
        return self._studio.loop.tick() or self._insist()

    def _insist(self) -> bool:
        """Let a job go on where all that is left to do waits for memory that only they hold."""
        stuck = next((job for job in self._jobs.values() if job.wait == "room"), None)
        if stuck is None:
            return False
        with self._studio.manager.insisting():
            self._advance(stuck)
        return True

    def close(self) -> None:
        """End every job without a word and let go of the models."""
        for job in list(self._jobs.values()):
            job.drawing.stop("interrupt")
            job.script.close()
        self._jobs.clear()
        self._studio.manager.release_unused()

    def _take(self, spec: JobSpec) -> None:
        from webui.engine.clip.measuring import Measuring
        from webui.engine.pipelines.series import SeriesDrawing
        from webui.engine.pipelines.txt2img import Txt2ImgDrawing
        from webui.engine.pipelines.upscale import Upscaling

        if spec.job_id in self._jobs:
            return
        self._emit(JobStarted(spec.job_id, spec.attempt))
        kinds = {Measure: Measuring, Series: SeriesDrawing, Upscale: Upscaling}
        try:
            drawing = kinds.get(type(spec.request), Txt2ImgDrawing)(spec, self._studio)
        except Exception as problem:  # noqa: BLE001 - the worker's border: other jobs go on
            if not isinstance(problem, EaselError):
                _log.exception("A job could not be begun.")
            self._emit(JobFinished(spec.job_id, spec.attempt, describe(problem)))
            return
        self._jobs[spec.job_id] = _Job(spec, drawing, drawing.script())

    def _load(self, ref: ModelRef) -> None:
        """Load what drawing takes; that it could not be is seen from the stats, and is logged."""
        try:
            with self._studio.manager.lease(ref, "text", "denoiser", "decoder"):
                pass
        except Exception:  # noqa: BLE001 - the worker's border: jobs go on
            _log.exception("The checkpoint %s could not be loaded.", ref.name)
        self._emit_stats()

    def _stop(self, command: StopJob) -> None:
        job = self._jobs.get(command.job_id)
        if job is None:
            return
        job.drawing.stop(command.how)
        if command.how == "interrupt" and not job.drawing.has_latents:
            self._end(job, stopped=True)

    def _is_ready(self, job: _Job) -> bool:
        if job.wait == "images":
            return not job.drawing.waits_for_images
        return job.wait == "turn"

    def _advance(self, job: _Job) -> None:
        from webui.engine.pipelines.stages import readable

        try:
            job.wait = next(job.script)
        except StopIteration:
            error = None
        except Exception as problem:  # noqa: BLE001 - the worker's border: other jobs go on
            error = describe(readable(problem))
            if not isinstance(problem, EaselError):
                _log.exception("A job failed.")
        else:
            return
        # Past the handler, so that no traceback keeps tensors alive.
        self._end(job, error=error, stopped=job.drawing.interrupted)

    def _end(self, job: _Job, *, error: ErrorInfo | None = None, stopped: bool = False) -> None:
        job.script.close()
        del self._jobs[job.spec.job_id]
        for other in self._jobs.values():
            if other.wait == "room":
                other.wait = "turn"
        studio = self._studio
        forwards = studio.loop.forget(job.spec.job_id)
        spec = job.spec
        self._emit(JobFinished(spec.job_id, spec.attempt, error, stopped, forwards))
        self._emit_stats()

    def _emit_stats(self) -> None:
        studio = self._studio
        manager = studio.manager
        self._emit(
            WorkerStats(
                studio.loop.forwards,
                memory_bytes(),
                manager.held_bytes,
                manager.loaded,
                embedding_hits=studio.prompts.hits,
                embedding_misses=studio.prompts.misses,
                model_hits=manager.hits,
                model_loads=manager.loads,
            )
        )


def create(argv: Sequence[str], emit: Emit) -> Worker:
    """A worker for these command-line arguments, to be driven by the caller."""
    return Worker(WorkerConfig.from_argv(argv), emit)


def memory_bytes() -> int:
    """Memory this process occupies."""
    import psutil

    return psutil.Process().memory_info().rss


def main(argv: Sequence[str] | None = None) -> None:
    """Serve standard input until it ends."""
    arguments = sys.argv[1:] if argv is None else argv
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    source, output = _take_pipes()
    threading.Thread(target=_listen, args=(source, inbox), name="commands", daemon=True).start()
    _stand_back()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    _quieten_libraries()
    try:
        _serve(create(arguments, lambda event: wire.write(output, event)), inbox)
    except BrokenPipeError:
        os._exit(0)


def _serve(worker: Worker, inbox: queue.SimpleQueue[Command]) -> None:
    while True:
        while not worker.busy or not inbox.empty():
            command = inbox.get()
            if isinstance(command, Quit):
                sys.stderr.flush()
                os._exit(0)
            worker.handle(command)
        worker.tick()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes to the server, kept apart from what else may read or print."""
    source, output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return cast(BinaryIO, source), cast(BinaryIO, output)


def _listen(source: BinaryIO, inbox: queue.SimpleQueue[Command]) -> None:
    """Commands into the inbox; at their end the server is gone, and so is this process.

    So it is when a command cannot be read: the server starts another worker, a deaf one is no use.
    """
    try:
        while True:
            inbox.put(wire.read(source))
    except (EOFError, OSError):
        os._exit(0)
    except Exception:  # noqa: BLE001 - the process's border
        _log.exception("A command could not be read.")
        os._exit(1)


def _stand_back() -> None:
    """First in line when memory runs out; deaf to the terminal's Ctrl-C, the server decides."""
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _quieten_libraries() -> None:
    """Say nothing on standard error that a person cannot act on."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers
    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


if __name__ == "__main__":
    main()
