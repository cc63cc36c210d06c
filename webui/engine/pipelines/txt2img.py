"""One job that draws pictures in the worker, from its request to its pictures."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Literal, cast

from torch import Tensor

from webui.core.errors import EaselError, ErrorInfo, ModelError, describe
from webui.core.messages import JobImage, JobPhase, JobPreview, JobSpec, JobStep
from webui.core.requests import DrawRequest, Img2Img
from webui.core.results import Pixels
from webui.core.seeds import image_seed, resolve_seed
from webui.core.upscalers import TILE, TILE_OVERLAP
from webui.engine.adapters import AdapterSet, Called
from webui.engine.clip.judge import ClipJudge
from webui.engine.evaluation import Prompts
from webui.engine.families.base import Encodes, Role, SeamlessDenoiser, TextEncoder
from webui.engine.models.manager import Leased
from webui.engine.pipelines.batch import Batch
from webui.engine.pipelines.candidates import Jury, Selection, rounds
from webui.engine.pipelines.passes import Pass, between, passes_of, prompts_of
from webui.engine.pipelines.source import Drawn, prepare, starting_latents, to_tensor
from webui.engine.pipelines.stages import (
    Start,
    Studio,
    Watch,
    decode,
    encode,
    image_run,
    noise_of,
    readable,
    size_of,
    texts_of,
)
from webui.engine.pipelines.waiting import Script, patiently, while_wanted
from webui.engine.tiling import TiledDecoder, TiledDenoiser
from webui.engine.upscalers.upscaling import Bench

_QUIET_SECONDS = 0.04
"""At most so often is a step reported, but for a batch's first and last."""

_NAMES: dict[Role, str] = {"text": "text encoder", "clip": "CLIP"}

_log = logging.getLogger(__name__)


class Txt2ImgDrawing:
    """A job being drawn: the worker advances its ``script`` whenever what it waits for is there."""

    def __init__(self, spec: JobSpec, studio: Studio) -> None:
        self.spec = spec
        self._studio = studio
        request = cast(DrawRequest, spec.request)
        self._request = replace(
            request,
            seed=resolve_seed(request.seed),
            variation_seed=resolve_seed(request.variation_seed),
        )
        self._passes = passes_of(self._request, size_of(self._request, spec.model))
        self._source: Drawn | None = None
        self._called = [Called.of(step.request, spec.model) for step in self._passes]
        self._denoisers: list[SeamlessDenoiser] = []
        """That of each pass, with the LoRAs of its prompt."""
        self._batch: Batch | None = None
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
            embeddings = yield from patiently(self._encode)
            model = yield from patiently(partial(self._load, leases))
            prompts = prompts_of(self._passes, embeddings, self._denoisers)
            request = self._request
            if isinstance(request, Img2Img):
                self._source = self._prepare(request, model)
            if request.judged:
                self._jury = yield from patiently(partial(self._load_jury, leases))
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

    def _encode(self) -> list[dict[str, Tensor]]:
        """Every text of each pass with its embeddings; passes that call the same files share."""
        told = [texts_of(step.request, first_pass=step.first_pass) for step in self._passes]
        found: dict[Called, dict[str, Tensor]] = {}
        for called in dict.fromkeys(self._called):
            own = [texts for texts, its in zip(told, self._called, strict=True) if its == called]
            texts = list(dict.fromkeys(chain.from_iterable(own)))
            found[called] = dict(zip(texts, self._encoded(texts, called), strict=True))
        return [found[called] for called in self._called]

    def _encoded(self, texts: Sequence[str], called: Called) -> list[Tensor]:
        request, digest = self._request, self.spec.model.digest
        how, prompts = (request.emphasis, called), self._studio.prompts
        if not prompts.known(texts, digest, request.clip_skip, *how):
            self._say_loading("text")
        lease = partial(self._lease_text, called.text)
        return prompts.encode(texts, digest, request.clip_skip, lease, *how)

    def _prepare(self, request: Img2Img, model: Leased) -> Drawn:
        """The picture to start from, encoded once for all that is drawn."""
        source = prepare(request, self.spec.picture, self._passes[0].size)
        make_room = self._studio.manager.release_unused
        (encoded,) = encode(self._decoder(model), [to_tensor(source.picture)], make_room)
        shape = model.checkpoint.latent_shape(*self._passes[0].size)
        return Drawn.of(source, encoded, shape)

    @contextmanager
    def _lease_text(self, loras: AdapterSet) -> Generator[TextEncoder]:
        manager, model = self._studio.manager, self.spec.model
        with (
            manager.lease(model, "text", adapters={"text": loras}) as leased,
            leased.text_with_loras() as encoder,
        ):
            yield encoder

    def _load(self, leases: ExitStack) -> Leased:
        """The checkpoint's parts, and for each pass the denoiser with the LoRAs of its prompt."""
        manager = self._studio.manager
        self._say_loading("denoiser")
        roles: list[Role] = ["denoiser", "decoder"]
        if self.spec.preview_every and manager.open(self.spec.model).weights("preview"):
            roles.append("preview")
        with ExitStack() as held:
            models = {
                loras: held.enter_context(
                    manager.lease(self.spec.model, *roles, adapters={"denoiser": loras})
                )
                for loras in dict.fromkeys(called.denoiser for called in self._called)
            }
            leases.enter_context(held.pop_all())
        self._denoisers = [models[called.denoiser].drawing for called in self._called]
        model = models[self._called[0].denoiser]
        if self.spec.preview_every:
            channels, *_ = model.checkpoint.latent_shape(*self._passes[0].size)
            self._studio.previewer.prepare(model.sketcher, channels)
        return model

    def _load_jury(self, leases: ExitStack) -> Jury:
        judge = self.spec.model.judge
        if judge is None:
            raise ModelError("There is no CLIP model to judge with.")
        self._say_loading("clip")
        leased = leases.enter_context(self._studio.manager.lease(judge, "clip"))
        return Jury(cast(ClipJudge, leased.parts["clip"]), self._request.prompt)

    def _draw(self, pictures: range, model: Leased, prompts: Sequence[Prompts]) -> Script[None]:
        """The pictures of one batch, in as many rounds as they have candidates for.

        When it is stopped, the best of what is done by then is sent.
        """
        parts = rounds(pictures, self._request.best_of)
        for number, indices in enumerate(parts):
            if self._stopped:
                break
            batch = Batch(indices, set(), pictures.start, number, len(parts))
            yield from self._draw_round(batch, model, prompts)
        if self._stopped == "skip":
            self._stopped = ""
        for image in self._chosen.take():
            self._studio.emit(image)
        yield "turn"

    def _draw_round(self, batch: Batch, model: Leased, prompts: Sequence[Prompts]) -> Script[None]:
        """Noise, denoise, enlarge and denoise again, decode; what was stopped is left out."""
        self._batch = batch
        for number, step in enumerate(self._passes):
            starts = yield from self._starts(batch, step, model)
            if number and self._stopped:
                batch.done.clear()  # what has had its first pass only is not finished
                break
            batch.begin(number)
            self._say_step(batch, 0)
            for index in batch.indices if step.enlarged is None else starts:
                self._add(batch, index, model, prompts[number], starts.get(index))
            while batch.drawing:
                yield "images"
            if self._failure is not None:
                raise self._failure.to_exception()
            yield "turn"
        self._finish(batch, model)
        self._batch = None

    def _starts(self, batch: Batch, step: Pass, model: Leased) -> Script[dict[int, Start]]:
        """What each picture of the pass starts from; nothing where that is noise alone."""
        if step.enlarged is not None:
            return (yield from self._enlarged(batch, step, model))
        source, request = self._source, self._request
        if source is None or not isinstance(request, Img2Img):
            return {}
        device = self._studio.machine.device
        shape = model.checkpoint.latent_shape(*step.size)

        def start(index: int) -> Start:
            noise = noise_of(request, index, shape, device)
            latents = starting_latents(request, source.latents, source.mask, noise)
            multiplier = request.noise_multiplier
            return Start(latents, step.schedule, step.steps, multiplier, source.mask)

        return {index: start(index) for index in batch.indices}

    def _enlarged(self, batch: Batch, step: Pass, model: Leased) -> Script[dict[int, Start]]:
        """The pictures of the pass before, enlarged; none where that was stopped."""
        done, batch.done = sorted(batch.done.items()), {}
        if not done or self._stopped:
            return {}
        latents, upscaler = [one for _, one in done], self.spec.model.upscaler(step.upscaler)
        with ExitStack() as leases:
            loading = partial(self._say, "Loading upscaler")
            tiles = (upscaler.tiles if upscaler else None) or (TILE, TILE_OVERLAP)
            bench = Bench(self._studio.manager, leases, *tiles, on_loading=loading)
            decoder = self._decoder(model)
            work = between(step, latents, model.checkpoint, decoder, upscaler, bench)
            larger = yield from while_wanted(work, lambda: bool(self._stopped))
        if larger is None or self._stopped:
            return {}
        return {
            index: Start(one, step.schedule, step.steps)
            for (index, _), one in zip(done, larger, strict=True)
        }

    def _decoder(self, model: Leased) -> Encodes:
        return TiledDecoder(model.decoder) if self._request.tiling else model.decoder

    def _say(self, phase: str) -> None:
        self._studio.emit(JobPhase(self.spec.job_id, phase))

    def _add(
        self, batch: Batch, index: int, model: Leased, prompts: Prompts, start: Start | None
    ) -> None:
        """Let a picture of the batch join the step loop; one that takes no step is done."""
        step = self._passes[batch.number]
        if start is not None and not step.steps:
            batch.done[index] = start.latents
            return
        watch = Watch(
            progress=partial(self._progress, batch, model, index),
            done=partial(self._done, batch, index),
            error=partial(self._fail, batch),
        )
        own = self._denoisers[batch.number]
        denoiser = TiledDenoiser(own) if self._request.tiling else own
        run = image_run(
            step.request,
            index,
            self.spec.job_id,
            denoiser,
            prompts,
            model.checkpoint.latent_shape(*step.size),
            self._studio.machine.device,
            watch,
            start,
        )
        batch.drawing.add(index)
        self._studio.loop.add(run)

    def _image(self, index: int, drawn: Pixels, seconds: float) -> JobImage:
        """A finished picture, put back into what it was drawn over."""
        pixels = drawn if self._source is None else self._source.finished(drawn)
        seed = image_seed(self._request.seed, index, self._request.variation_strength)
        place = index // self._request.best_of
        return JobImage(self.spec.job_id, place, seed, pixels, seconds, None, index)

    def _finish(self, batch: Batch, model: Leased) -> None:
        """Decode the batch's latents and send the pictures, or put them before the jury."""
        if not batch.done:
            return
        done, batch.done = sorted(batch.done.items()), {}
        latents, make_room = [one for _, one in done], self._studio.manager.release_unused
        pictures = decode(self._decoder(model), latents, make_room)
        seconds = time.perf_counter() - batch.begun
        indices = [index for index, _ in done]
        made = (self._image(*one, seconds) for one in zip(indices, pictures, strict=True))
        if self._jury is None:
            for image in made:  # one by one: put back into a large picture each is large
                self._studio.emit(image)
            return
        images = list(made)
        scores = self._jury.scores([image.pixels for image in images])
        for image, score in zip(images, scores, strict=True):
            self._chosen.offer(image, score)

    def _progress(
        self, batch: Batch, model: Leased, index: int, step: int, steps: int, denoised: Tensor
    ) -> None:
        batch.steps[index] = step
        self._say_step(batch, min(batch.steps.get(i, 0) for i in batch.indices))
        every = self.spec.preview_every
        if every and index == batch.indices[0] and step % every == 0 and step < steps:
            self._preview(batch, model, index, denoised)

    def _preview(self, batch: Batch, model: Leased, index: int, denoised: Tensor) -> None:
        budget, previewer = batch.previews, self._studio.previewer
        with budget.counted() as allowed:
            size = self._passes[batch.number].size
            jpeg = previewer.picture(model.sketcher, denoised, *size, allowed)
            if jpeg is not None:
                place = index // self._request.best_of
                self._studio.emit(JobPreview(self.spec.job_id, place, jpeg))

    def _done(self, batch: Batch, index: int, latents: Tensor) -> None:
        batch.done[index] = latents
        batch.drawing.discard(index)

    def _fail(self, batch: Batch, error: Exception) -> None:
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
            self._say(f"Loading {_NAMES.get(role, 'checkpoint')}")

    def _say_step(self, batch: Batch, step: int) -> None:
        """Report a batch's step: all its images have done that many."""
        now, (last_step, last_time) = time.perf_counter(), batch.said
        steps, count = self._passes[batch.number].steps, self._request.count
        soon = 1 < step < steps and now - last_time < _QUIET_SECONDS
        if soon or step == last_step:
            return
        batch.said = step, now
        seconds = (now - batch.begun_pass) / step if step else None
        taken = [one.steps for one in self._passes]
        done = batch.round * sum(taken) + sum(taken[: batch.number]) + step
        whole = batch.rounds * sum(taken)
        self._studio.emit(JobStep(self.spec.job_id, done, whole, batch.first, count, seconds))
