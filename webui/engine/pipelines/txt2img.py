"""One txt2img job in the worker, from its request to its pictures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeVar, cast

from torch import Tensor

from webui.core.errors import EaselError, ErrorInfo, ModelError, describe
from webui.core.messages import JobImage, JobPhase, JobPreview, JobSpec, JobStep
from webui.core.requests import Txt2Img
from webui.core.seeds import image_seed, resolve_seed
from webui.engine.clip.judge import ClipJudge
from webui.engine.evaluation import Prompts
from webui.engine.families.base import Role, TextEncoder
from webui.engine.models.manager import Leased, NoRoom
from webui.engine.pipelines.candidates import Jury, Selection, rounds
from webui.engine.pipelines.stages import (
    Studio,
    Watch,
    conditionings,
    decode,
    image_run,
    readable,
    size_of,
    texts_of,
)
from webui.engine.preview import PreviewBudget
from webui.engine.tiling import TiledDecoder, TiledDenoiser

T = TypeVar("T")

Wait = Literal["turn", "images", "room"]
"""What a script waits for: its next turn, its images in the step loop, or memory others hold."""

Script = Generator[Wait, None, T]

_QUIET_SECONDS = 0.04
"""At most so often is a step reported, but for a batch's first and last."""

_NAMES: dict[Role, str] = {"text": "text encoder", "clip": "CLIP"}

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Batch:
    """The pictures being drawn together: which are not ready, and what is known of each."""

    indices: range
    drawing: set[int]
    first: int = 0
    """The first picture that its candidates are for."""
    round: int = 0
    rounds: int = 1
    """Which of how many rounds of candidates for the same pictures this is."""
    done: dict[int, Tensor] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    said: tuple[int, float] = (-1, 0.0)
    begun: float = field(default_factory=time.perf_counter)
    previews: PreviewBudget = field(default_factory=PreviewBudget)


class Txt2ImgDrawing:
    """A job being drawn: the worker advances its ``script`` whenever what it waits for is there."""

    def __init__(self, spec: JobSpec, studio: Studio) -> None:
        self.spec = spec
        self._studio = studio
        request = cast(Txt2Img, spec.request)
        self._request = replace(
            request,
            seed=resolve_seed(request.seed),
            variation_seed=resolve_seed(request.variation_seed),
        )
        self._size = size_of(self._request, spec.model)
        self._batch: _Batch | None = None
        self._jury: Jury | None = None
        self._chosen = Selection()
        self._stopped = ""
        self._failure: ErrorInfo | None = None

    def script(self) -> Script[None]:
        """The job's work in turns; ends when it is done, raises what made it fail.

        Closing it ends the job at once. However it ends, none of its images stays in the step loop
        and what it leased is given back.
        """
        with ExitStack() as leases:
            leases.callback(self._studio.loop.stop, self.spec.job_id)
            embeddings = yield from _patiently(self._encode)
            model = yield from _patiently(partial(self._load, leases))
            prompts = conditionings(self._request, embeddings, model.denoiser)
            request = self._request
            if request.judged:
                self._jury = yield from _patiently(partial(self._load_jury, leases))
            for first in range(0, request.count, request.batch_size):
                if self.interrupted:
                    return
                yield from self._draw(range(first, first + request.batch_size), model, prompts)

    def stop(self, how: Literal["interrupt", "skip"]) -> None:
        """End all of it, or the batch being drawn (the first if none is yet).

        Pictures whose latents are done are still decoded by the script.
        """
        self._stopped = "interrupt" if self.interrupted else how
        self._studio.loop.stop(self.spec.job_id)
        if self._batch is not None:
            self._batch.drawing.clear()

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended it."""
        return self._stopped == "interrupt"

    @property
    def waits_for_images(self) -> bool:
        """Whether the step loop still draws the current batch."""
        return self._batch is not None and bool(self._batch.drawing)

    @property
    def has_latents(self) -> bool:
        """Whether pictures are done but not decoded, or not sent yet."""
        return bool(self._chosen) or (self._batch is not None and bool(self._batch.done))

    def _encode(self) -> list[Tensor]:
        request, model, prompts = self._request, self.spec.model, self._studio.prompts
        texts, how = texts_of(request), request.emphasis
        if not prompts.known(texts, model.digest, request.clip_skip, how):
            self._say_loading("text")
        return prompts.encode(texts, model.digest, request.clip_skip, self._lease_text, how)

    @contextmanager
    def _lease_text(self) -> Generator[TextEncoder]:
        with self._studio.manager.lease(self.spec.model, "text") as leased:
            yield leased.text

    def _load(self, leases: ExitStack) -> Leased:
        manager = self._studio.manager
        self._say_loading("denoiser")
        roles: list[Role] = ["denoiser", "decoder"]
        if self.spec.preview_every and manager.open(self.spec.model).weights("preview"):
            roles.append("preview")
        model = leases.enter_context(manager.lease(self.spec.model, *roles))
        if self.spec.preview_every:
            channels, *_ = model.checkpoint.latent_shape(*self._size)
            self._studio.previewer.prepare(model.sketcher, channels)
        return model

    def _load_jury(self, leases: ExitStack) -> Jury:
        judge = self.spec.model.judge
        if judge is None:
            raise ModelError("There is no CLIP model to judge with.")
        self._say_loading("clip")
        leased = leases.enter_context(self._studio.manager.lease(judge, "clip"))
        return Jury(cast(ClipJudge, leased.parts["clip"]), self._request.prompt)

    def _draw(self, pictures: range, model: Leased, prompts: Prompts) -> Script[None]:
        """The pictures of one batch, in as many rounds as they have candidates for.

        When it is stopped, the best of what is done by then is sent.
        """
        parts = rounds(pictures, self._request.best_of)
        for number, indices in enumerate(parts):
            if self._stopped:
                break
            batch = _Batch(indices, set(indices), pictures.start, number, len(parts))
            yield from self._draw_round(batch, model, prompts)
        if self._stopped == "skip":
            self._stopped = ""
        for image in self._chosen.take():
            self._studio.emit(image)
        yield "turn"

    def _draw_round(self, batch: _Batch, model: Leased, prompts: Prompts) -> Script[None]:
        """Noise, denoise, decode; what was stopped is left out."""
        self._batch = batch
        self._say_step(batch, 0)
        self._add(batch, model, prompts)
        while batch.drawing:
            yield "images"
        if self._failure is not None:
            raise self._failure.to_exception()
        self._finish(batch, model)
        self._batch = None

    def _add(self, batch: _Batch, model: Leased, prompts: Prompts) -> None:
        studio = self._studio
        denoiser = TiledDenoiser(model.denoiser) if self._request.tiling else model.denoiser
        shape = model.checkpoint.latent_shape(*self._size)
        for index in batch.indices:
            watch = Watch(
                progress=partial(self._progress, batch, model, index),
                done=partial(self._done, batch, index),
                error=partial(self._fail, batch),
            )
            run = image_run(
                self._request,
                index,
                self.spec.job_id,
                denoiser,
                prompts,
                shape,
                studio.machine.device,
                watch,
            )
            studio.loop.add(run)

    def _finish(self, batch: _Batch, model: Leased) -> None:
        """Decode the batch's latents and send the pictures, or put them before the jury."""
        if not batch.done:
            return
        done, batch.done = sorted(batch.done.items()), {}
        latents, make_room = [one for _, one in done], self._studio.manager.release_unused
        decoder = TiledDecoder(model.decoder) if self._request.tiling else model.decoder
        pictures = decode(decoder, latents, make_room)
        seconds = time.perf_counter() - batch.begun
        images: list[JobImage] = []
        for (index, _), pixels in zip(done, pictures, strict=True):
            seed = image_seed(self._request.seed, index, self._request.variation_strength)
            place = index // self._request.best_of
            images.append(JobImage(self.spec.job_id, place, seed, pixels, seconds, None, index))
        if self._jury is None:
            for image in images:
                self._studio.emit(image)
            return
        scores = self._jury.scores([image.pixels for image in images])
        for image, score in zip(images, scores, strict=True):
            self._chosen.offer(image, score)

    def _progress(
        self, batch: _Batch, model: Leased, index: int, step: int, steps: int, denoised: Tensor
    ) -> None:
        batch.steps[index] = step
        self._say_step(batch, min(batch.steps.get(i, 0) for i in batch.indices))
        every = self.spec.preview_every
        if every and index == batch.indices[0] and step % every == 0 and step < steps:
            self._preview(batch, model, index, denoised)

    def _preview(self, batch: _Batch, model: Leased, index: int, denoised: Tensor) -> None:
        budget, previewer = batch.previews, self._studio.previewer
        with budget.counted() as allowed:
            jpeg = previewer.picture(model.sketcher, denoised, *self._size, allowed)
            if jpeg is not None:
                place = index // self._request.best_of
                self._studio.emit(JobPreview(self.spec.job_id, place, jpeg))

    def _done(self, batch: _Batch, index: int, latents: Tensor) -> None:
        batch.done[index] = latents
        batch.drawing.discard(index)

    def _fail(self, batch: _Batch, error: Exception) -> None:
        """The whole job ends with its first image's error; its traceback is not kept."""
        error = readable(error)
        self._failure = describe(error)
        if not isinstance(error, EaselError):
            _log.error("An image could not be drawn.", exc_info=error)
        self._studio.loop.stop(self.spec.job_id)
        batch.drawing.clear()

    def _say_loading(self, role: Role) -> None:
        model = self.spec.model.judge if role == "clip" else self.spec.model
        if model is not None and not self._studio.manager.is_loaded(model, role):
            what = _NAMES.get(role, "checkpoint")
            self._studio.emit(JobPhase(self.spec.job_id, f"Loading {what}"))

    def _say_step(self, batch: _Batch, step: int) -> None:
        """Report a batch's step: all its images have done that many."""
        now, (last_step, last_time) = time.perf_counter(), batch.said
        steps, count = self._request.steps, self._request.count
        soon = 1 < step < steps and now - last_time < _QUIET_SECONDS
        if soon or step == last_step:
            return
        batch.said = step, now
        seconds = (now - batch.begun) / step if step else None
        done, whole = batch.round * steps + step, batch.rounds * steps
        self._studio.emit(JobStep(self.spec.job_id, done, whole, batch.first, count, seconds))


def _patiently(work: Callable[[], T]) -> Script[T]:
    """``work()`` on the next turn; again whenever there is more room, while there is none."""
    yield "turn"
    while True:
        try:
            return work()
        except NoRoom:
            pass
        yield "room"
