"""A series in the worker: pictures with different requests, drawn as one job.

Each picture is a txt2img job of its own, a part of the whole; parts that one model draws run
together, so that the step loop evaluates them in the same forward passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, cast

from webui.core.messages import JobImage, JobPhase, JobPreview, JobSpec, JobStep, WorkerEvent
from webui.core.requests import Series
from webui.engine.pipelines.stages import Studio
from webui.engine.pipelines.txt2img import Txt2ImgDrawing
from webui.engine.pipelines.waiting import Script, Wait


@dataclass(slots=True, eq=False)
class _Part:
    """One picture being drawn."""

    index: int
    drawing: Txt2ImgDrawing
    script: Script[None]
    wait: Wait = "turn"
    step: JobStep | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its script has something to do."""
        return self.wait == "turn" or (self.wait == "images" and not self.drawing.waits_for_images)

    @property
    def done(self) -> float:
        """The share of its steps that is done."""
        return self.step.step / max(self.step.steps, 1) if self.step else 0.0


class SeriesDrawing:
    """A job of many requests; the worker advances its ``script`` as it does any drawing's."""

    def __init__(self, spec: JobSpec, studio: Studio) -> None:
        self.spec = spec
        self._studio = studio
        self._series = cast(Series, spec.request)
        self._parts: list[_Part] = []
        self._group = 0
        self._finished = 0
        self._stopped = ""
        self._told: tuple[object, ...] = ()

    def script(self) -> Script[None]:
        """The job's work in turns; ends when it is done, raises what made it fail."""
        try:
            for group in groups(self._series):
                if self.interrupted:
                    return
                self._begin(group)
                yield from self._draw()
                self._finished += len(group)
        finally:
            for part in self._parts:
                part.script.close()
            self._parts = []

    def stop(self, how: Literal["interrupt", "skip"]) -> None:
        """End all of it, or the pictures being drawn."""
        self._stopped = "interrupt" if self.interrupted else how
        for part in self._parts:
            part.drawing.stop("interrupt")

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it."""
        return self._stopped == "interrupt"

    @property
    def waits_for_images(self) -> bool:
        """Whether no part has anything to do before the step loop or somebody else goes on."""
        return bool(self._parts) and not any(part.is_ready for part in self._parts)

    @property
    def has_latents(self) -> bool:
        """Whether pictures are done but not sent yet."""
        return any(part.drawing.has_latents for part in self._parts)

    def _begin(self, group: tuple[int, ...]) -> None:
        self._stopped = ""
        self._group = len(group)
        for number, index in enumerate(group):
            spec = JobSpec(
                job_id=f"{self.spec.job_id}/{index}",
                attempt=self.spec.attempt,
                request=self._series.picture(index),
                model=self._series.model(index),
                preview_every=0 if number else self.spec.preview_every,
                pictures=self.spec.pictures,
            )
            studio = replace(self._studio, emit=partial(self._tell, index))
            drawing = Txt2ImgDrawing(spec, studio)
            self._parts.append(_Part(index, drawing, drawing.script()))

    def _draw(self) -> Script[None]:
        """Let every part go on as it can, until none is left."""
        while self._parts:
            ready = [part for part in self._parts if part.is_ready]
            for part in ready:
                try:
                    part.wait = next(part.script)
                except StopIteration:
                    self._parts.remove(part)
                    self._retry()  # it has given back what it held
            yield self._next_wait()

    def _next_wait(self) -> Wait:
        """What the whole waits for."""
        if not self._parts or any(part.is_ready for part in self._parts):
            return "turn"
        if any(part.wait == "images" for part in self._parts):
            return "images"
        self._retry()  # as soon as another job has given something back
        return "room"

    def _retry(self) -> None:
        """Let the parts that waited for memory ask for it again."""
        for part in self._parts:
            if part.wait == "room":
                part.wait = "turn"

    def _tell(self, index: int, event: WorkerEvent) -> None:
        """Say of the whole what a part says of itself."""
        job_id = self.spec.job_id
        if isinstance(event, JobImage):
            self._studio.emit(replace(event, job_id=job_id, index=index))
        elif isinstance(event, JobPreview):
            self._studio.emit(replace(event, job_id=job_id, image=index))
        elif isinstance(event, JobPhase):
            self._studio.emit(replace(event, job_id=job_id))
        elif isinstance(event, JobStep):
            self._tell_step(index, event)

    def _tell_step(self, index: int, event: JobStep) -> None:
        """Report the part that is furthest behind, when that is news."""
        for part in self._parts:
            if part.index == index:
                part.step = event
        slowest = min(self._parts, key=lambda part: part.done, default=None)
        if slowest is None or slowest.step is None:
            return
        step = slowest.step
        news = (self._finished, step.step, step.steps)
        if news == self._told:
            return
        self._told = news
        self._studio.emit(
            JobStep(
                job_id=self.spec.job_id,
                step=step.step,
                steps=step.steps,
                image=self._finished,
                images=self._series.count,
                seconds_per_step=step.seconds_per_step,
                batch=self._group,
            )
        )


def groups(series: Series) -> Iterator[tuple[int, ...]]:
    """The pictures' indices in the order of drawing, those together that run at once."""
    group: list[int] = []
    for index in series.sequence:
        full = len(group) >= max(series.at_once, 1)
        if group and (full or series.model(index) != series.model(group[0])):
            yield tuple(group)
            group = []
        group.append(index)
    if group:
        yield tuple(group)
