"""A worker that speaks ``core.wire`` and draws flat colours: no torch, no model, no waiting.

The picture is the first colour named in the prompt, else one made of prompt and seed. Words in the
prompt make it misbehave: ``!fail`` (the job fails), ``!die`` (the process ends in the second step),
``!die-once`` (in the first attempt only), ``!hang`` (it never answers again), ``!raise`` (its code
lets an exception out), ``!garbage`` (it writes nonsense to its stdout), ``!slow`` (0.05 s a step),
``!hold`` (it stands still in the middle of each picture until the file exists that the environment
names as ``FAKE_WORKER_GO``; it can be skipped and interrupted meanwhile).

    python -m tests.fakes.worker --step-seconds 0.01
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from webui.core import wire
from webui.core.errors import InvalidRequest, ModelError
from webui.core.measure import Measure
from webui.core.messages import (
    Command,
    JobFinished,
    JobImage,
    JobPhase,
    JobPreview,
    JobScores,
    JobSpec,
    JobStarted,
    JobStep,
    LoadModel,
    Quit,
    RunJob,
    StopJob,
    UnloadModels,
    WorkerEvent,
    WorkerReady,
    WorkerStats,
)
from webui.core.requests import DrawRequest, Img2Img, Series, Upscale
from webui.core.results import Pixels, Score
from webui.core.seeds import image_seed
from webui.core.upscale import plan

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 220),
    "yellow": (240, 210, 40),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
GO = Path(os.environ.get("FAKE_WORKER_GO", "."))
Emit = Callable[[WorkerEvent], None]


def colour_of(prompt: str, seed: int) -> tuple[int, int, int]:
    """What the fake draws for a prompt and seed."""
    for word in prompt.lower().split():
        if word in COLOURS:
            return COLOURS[word]
    r, g, b = hashlib.sha256(f"{prompt}/{seed}".encode()).digest()[:3]
    return r, g, b


@dataclass
class _Run:
    spec: JobSpec
    batch: int = 0  # index of the first picture of the batch being drawn
    step: int = 0
    forwards: int = 0
    stop: str = ""
    words: set[str] = field(default_factory=set)

    @property
    def request(self) -> DrawRequest:
        """What is drawn."""
        return self.of(self.images[0])[0]

    @property
    def images(self) -> Sequence[int]:
        """The pictures of the batch being drawn."""
        request = self.spec.request
        order = request.sequence if isinstance(request, Series) else range(request.count)
        return order[self.batch : self.batch + request.batch_size]

    def of(self, index: int) -> tuple[DrawRequest, int]:
        """A picture's request and seed."""
        request = self.spec.request
        if isinstance(request, Series):
            return request.picture(index), request.picture(index).seed
        request = cast(DrawRequest, request)
        return request, image_seed(request.seed, index, request.variation_strength)


class Worker:
    """The same surface as ``webui.engine.worker.Worker``."""

    def __init__(self, step_seconds: float, emit: Emit) -> None:
        self._step_seconds = step_seconds
        self._emit = emit
        self._runs: dict[str, _Run] = {}
        self._forwards = 0
        emit(WorkerReady(os.getpid(), "Fake device", "float32", "none"))

    @property
    def busy(self) -> bool:
        return bool(self._runs)

    def handle(self, command: Command) -> None:
        if isinstance(command, RunJob):
            spec = command.spec
            if isinstance(spec.request, Measure):
                self._measure(spec, spec.request)
                return
            if isinstance(spec.request, Upscale):
                self._upscale(spec, spec.request)
                return
            words = {w for w in spec.request.prompt.split() if w.startswith("!")}
            self._runs[spec.job_id] = _Run(spec, words=words)
            self._emit(JobStarted(spec.job_id, spec.attempt))
            self._emit(JobPhase(spec.job_id, "Drawing"))
        elif isinstance(command, StopJob) and command.job_id in self._runs:
            self._runs[command.job_id].stop = command.how
        elif isinstance(command, LoadModel | UnloadModels):
            loaded = (command.model.name,) if isinstance(command, LoadModel) else ()
            self._emit(WorkerStats(self._forwards, 1_000_000, 0, loaded))

    def _measure(self, spec: JobSpec, request: Measure) -> None:
        """Everything fits equally well, in the order it was given."""
        names = [p.name for p in request.pictures] if request.task == "rank" else request.labels
        scores = tuple(Score(name, i, 0.25, 1 / len(names)) for i, name in enumerate(names))
        self._emit(JobStarted(spec.job_id, spec.attempt))
        self._emit(JobScores(spec.job_id, scores))
        self._emit(JobFinished(spec.job_id, spec.attempt))
        self._emit(WorkerStats(self._forwards, 1_000_000, 0))

    def _upscale(self, spec: JobSpec, request: Upscale) -> None:
        """Every picture by the nearest pixels. An upscaler called "broken" fails, "deadly" ends the
        process in the first attempt, once a picture is done."""
        job_id, count = spec.job_id, request.count
        self._emit(JobStarted(job_id, spec.attempt))
        error = (
            ModelError("The upscaler broken is broken.") if request.upscaler == "broken" else None
        )
        for index, name in enumerate(request.images if error is None else ()):
            self._emit(JobStep(job_id, 1, 1, index, count, 0.01))
            self._emit(JobImage(job_id, index, 0, _enlarged(spec.picture(name), request), 0.01))
            if request.upscaler == "deadly" and spec.attempt == 1:
                os._exit(7)
        self._emit(JobFinished(job_id, spec.attempt, error.info() if error else None))
        self._emit(WorkerStats(self._forwards, 1_000_000, 0))

    def tick(self) -> bool:
        if not self._runs:
            return False
        words = {word for run in self._runs.values() for word in run.words}
        time.sleep(0.05 if words & {"!slow", "!hold"} else self._step_seconds)
        for run in list(self._runs.values()):
            self._advance(run)
        return True

    def close(self) -> None:
        self._runs.clear()

    def _advance(self, run: _Run) -> None:
        request = run.request
        if run.stop == "interrupt":
            self._end(run, JobFinished(*self._id(run), stopped=True, forwards=run.forwards))
            return
        if run.stop == "skip":
            run.stop = ""
            self._next_batch(run)
            return
        if "!hold" in run.words and run.step == request.steps // 2 and not GO.exists():
            return
        run.step += 1
        run.forwards += 1
        self._forwards += 1
        if run.step == min(2, request.steps):
            self._misbehave(run)
        if run.spec.job_id not in self._runs:
            return
        seconds, count = self._step_seconds, run.spec.request.count
        self._emit(JobStep(run.spec.job_id, run.step, request.steps, run.batch, count, seconds))
        every = run.spec.preview_every
        if every and run.step % every == 0 and run.step < request.steps:
            self._emit(
                JobPreview(run.spec.job_id, run.batch, _jpeg(self._pixels(run, run.images[0])))
            )
        if run.step == request.steps:
            for index in run.images:
                _, seed = run.of(index)
                self._emit(
                    JobImage(run.spec.job_id, index, seed, self._pixels(run, index), seconds)
                )
            self._next_batch(run)

    def _next_batch(self, run: _Run) -> None:
        run.batch += run.spec.request.batch_size
        run.step = 0
        if run.batch >= run.spec.request.count:
            self._end(run, JobFinished(*self._id(run), forwards=run.forwards))

    def _end(self, run: _Run, finished: JobFinished) -> None:
        del self._runs[run.spec.job_id]
        self._emit(finished)
        self._emit(WorkerStats(self._forwards, 1_000_000, 0))

    def _misbehave(self, run: _Run) -> None:
        if "!fail" in run.words:
            error = InvalidRequest("The fake was told to fail.").info()
            self._end(run, JobFinished(*self._id(run), error=error))
        if "!die" in run.words or ("!die-once" in run.words and run.spec.attempt == 1):
            print("told to die", file=sys.stderr, flush=True)
            os._exit(7)
        if "!hang" in run.words:
            time.sleep(3600)
        if "!raise" in run.words:
            raise RuntimeError("told to raise")
        if "!garbage" in run.words:
            os.write(1, b"\x05\0\0\0\0\0\0\0hello" * 3)
            time.sleep(3600)

    def _pixels(self, run: _Run, index: int) -> Pixels:
        """The prompt's colour; where there is a picture to start from, its own above that."""
        request, seed = run.of(index)
        width, height = (side or 64 for side in request.final_size)
        drawn = bytes(colour_of(request.prompt, seed)) * width
        rows = [drawn] * height
        if isinstance(request, Img2Img):
            started = bytes(_mean(run.spec.picture(request.init_image))) * width
            rows[: height // 2] = [started] * (height // 2)
        return Pixels(width, height, b"".join(rows))

    def _id(self, run: _Run) -> tuple[str, int]:
        return run.spec.job_id, run.spec.attempt


def create(argv: Sequence[str], emit: Emit) -> Worker:
    """What ``InlineExecutor`` calls: a worker for these arguments. Unknown ones are ignored."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--step-seconds", type=float, default=0.0)
    options, _ = parser.parse_known_args(argv)
    return Worker(options.step_seconds, emit)


def main(argv: Sequence[str]) -> None:
    """Serve stdin until it ends."""
    output = os.fdopen(os.dup(1), "wb")
    inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    worker = create(argv, lambda event: wire.write(output, event))
    while True:
        while not (worker.busy and inbox.empty()):
            command = inbox.get()
            if isinstance(command, Quit):
                os._exit(0)
            worker.handle(command)
        worker.tick()


def _listen(stream: BinaryIO, inbox: queue.SimpleQueue[Command]) -> None:
    try:
        while True:
            inbox.put(wire.read(stream))
    except EOFError:
        os._exit(0)


def _mean(png: bytes) -> tuple[int, int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        red, green, blue = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    return red, green, blue


def _enlarged(png: bytes, request: Upscale) -> Pixels:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        size = plan(request, *image.size).result
        large = image.convert("RGB").resize(size, Image.Resampling.NEAREST)
    return Pixels(large.width, large.height, large.tobytes())


def _jpeg(pixels: Pixels) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    size = (pixels.width, pixels.height)
    Image.frombytes("RGB", size, pixels.data).save(buffer, "JPEG")
    return buffer.getvalue()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception:  # noqa: BLE001  the border of the worker's loop
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # an ordinary end would wait for the thread that reads stdin
