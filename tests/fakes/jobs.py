"""What a queue needs around it: a model, requests, a resolver and a keeper that keeps in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from webui.core.errors import ModelError
from webui.core.messages import JobImage
from webui.core.models import ModelRef
from webui.core.requests import Request, Txt2Img
from webui.core.results import SavedImage
from webui.jobs import Executor, Job, JobQueue, Journal

MODEL = ModelRef("fake", "/models/fake", "file", "sd15", "epsilon", 64, "digest")


def draw(prompt: str = "red", **fields: Any) -> Txt2Img:
    """A request, small unless told otherwise."""
    return Txt2Img(prompt=prompt, **{"steps": 3, "width": 16, "height": 16, "seed": 7, **fields})


def resolve(request: Request) -> tuple[Request, ModelRef]:
    """Fills in what is open; a checkpoint "broken" is refused."""
    if not isinstance(request, Txt2Img):
        return request, MODEL
    if request.checkpoint == "broken":
        raise ModelError("The checkpoint broken cannot be read.")
    seed = 1234 if request.seed < 0 else request.seed
    size = {"width": request.width or 64, "height": request.height or 64}
    return replace(request, checkpoint="fake", seed=seed, **size), MODEL


class Keeper:
    """Keeps pictures by (job, index); ``trouble`` is raised instead when it is set."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], JobImage] = {}
        self.calls = 0
        self.trouble: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, job: Job, image: JobImage) -> SavedImage:
        self.calls += 1
        self.hold.wait(5)
        if self.trouble is not None:
            raise self.trouble
        self.kept[job.id, image.index] = image
        return SavedImage(
            id=f"{job.id}-{image.index}",
            path=f"/outputs/{job.id}-{image.index}.png",
            index=image.index,
            seed=image.seed,
            width=image.pixels.width,
            height=image.pixels.height,
            infotext=job.request.prompt,
            created=1.0,
            seconds=image.seconds,
        )


def make_queue(
    data: Path, executor: Executor, keep: Keeper | None = None, **options: Any
) -> JobQueue:
    """A queue with its journal in ``data``."""
    return JobQueue(Journal(data), executor, resolve=resolve, keep=keep or Keeper(), **options)


def eventually(condition: Callable[[], bool], timeout: float = 5.0) -> bool:
    """Whether ``condition`` comes true in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
