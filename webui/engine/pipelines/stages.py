"""The stages that tasks are made of: encode, noise, denoise, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from webui.core.draw_request import DrawRequest
from webui.core.errors import OutOfMemory
from webui.core.messages import WorkerEvent
from webui.core.models import ModelRef
from webui.core.results import Pixels
from webui.core.seeds import image_seed, variation_seed
from webui.engine.brownian import BrownianNoise
from webui.engine.conditioning import PromptEncoder, of_equal_length, source_of
from webui.engine.denoise import ImageRun, StepLoop, is_out_of_memory
from webui.engine.devices import Machine
from webui.engine.evaluation import (
    Conditioning,
    ConditioningSource,
    Denoiser,
    Guide,
    Guiding,
    Prompts,
    SamplerFunction,
    Sampling,
)
from webui.engine.families.base import Decodes, Encodes
from webui.engine.guidance import guide_of, uses_negative
from webui.engine.models.manager import ModelManager
from webui.engine.noise import NoiseStream, Variation
from webui.engine.preview import Previewer
from webui.engine.samplers.plan import plan_sampling
from webui.prompt.plan import PromptPlan, plan_prompts
from webui.prompt.schedules import Pieces


@dataclass(frozen=True, slots=True)
class Studio:
    """What a worker's jobs share."""

    machine: Machine
    manager: ModelManager
    prompts: PromptEncoder
    loop: StepLoop
    previewer: Previewer
    emit: Callable[[WorkerEvent], None]


@dataclass(frozen=True, slots=True)
class Watch:
    """Whom to tell about one image; see ``denoise.ImageRun``."""

    progress: Callable[[int, int, Tensor], None]
    done: Callable[[Tensor], None]
    error: Callable[[Exception], None]


def texts_of(request: DrawRequest, *, first_pass: int | None = None) -> list[str]:
    """Every text that will be evaluated at some step, each once, in the order of the prompts.

    In a second pass ``first_pass`` is how many steps the first one had.
    """
    plan, perpendicular = _plan(request, first_pass), _perpendicular(request)
    asked = [pieces for pieces, _ in plan.positive]
    if perpendicular or uses_negative(request, [weight for _, weight in plan.positive]):
        asked.append(plan.negative)
    texts = [piece.text for pieces in asked for piece in pieces]
    return list(dict.fromkeys([*texts, *([""] if perpendicular else [])]))


def conditionings(
    request: DrawRequest,
    embeddings: Sequence[Tensor],
    model: Denoiser,
    *,
    first_pass: int | None = None,
    counted: int = 0,
) -> Prompts:
    """A request's prompts, of the encoded :func:`texts_of` it, in the precision of ``model``.

    Where the negative prompt is not evaluated, the first part of the prompt stands for it.
    ``counted`` are the steps a schedule counts where fewer are taken (0: those that are taken).
    """
    plan, texts = _plan(request, first_pass), texts_of(request, first_pass=first_pass)
    equal = of_equal_length(embeddings)
    conds = {t: Conditioning(e.to(model.dtype)) for t, e in zip(texts, equal, strict=True)}

    def source(pieces: Pieces) -> ConditioningSource:
        return source_of(pieces, conds, counted)

    positive = tuple((source(pieces), weight) for pieces, weight in plan.positive)
    encoded = all(piece.text in conds for piece in plan.negative)
    negative = source(plan.negative) if encoded else positive[0][0]
    return Prompts(positive, negative, conds[""] if _perpendicular(request) else None)


def _plan(request: DrawRequest, first_pass: int | None) -> PromptPlan:
    return plan_prompts(
        request.prompt, request.negative_prompt, request.steps, first_pass=first_pass
    )


def _perpendicular(request: DrawRequest) -> bool:
    """Whether guidance measures from the empty prompt."""
    return request.perp_neg > 0 and bool(request.negative_prompt)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Latents [C, h, w] to draw over: ``steps`` (1 or more), the last of a schedule of
    ``schedule`` steps, from them with noise on them that is multiplied by ``noise``.

    With a ``mask`` [1, h, w] only where it is 1; where it is 0 the latents stay.
    """

    latents: Tensor
    schedule: int
    steps: int
    noise: float = 1.0
    mask: Tensor | None = None

    def masked(self, guide: Guide) -> Guide:
        """Guidance whose every result is the latents where nothing is drawn, as in A1111."""

        def kept(x: Tensor, sigma: float) -> Guiding:
            out = yield from guide(x, sigma)
            return replace(out, denoised=self.mixed(out.denoised))

        return kept

    def kept(self, sampler: SamplerFunction) -> SamplerFunction:
        """A sampler whose final latents are the old ones where nothing is drawn."""

        def run(
            x: Tensor, sigmas: Tensor, guide: Guide, noise: Callable[[], Tensor], /
        ) -> Sampling:
            latents = yield from sampler(x, sigmas, guide, noise)
            return self.mixed(latents)

        return run

    def mixed(self, drawn: Tensor) -> Tensor:
        """``drawn`` [C, h, w] under the mask, the old latents elsewhere."""
        if self.mask is None:
            return drawn
        return torch.lerp(self.latents, drawn, self.mask)


def image_run(
    request: DrawRequest,
    index: int,
    job_id: str,
    model: Denoiser,
    prompts: Prompts,
    shape: tuple[int, int, int],
    device: torch.device,
    watch: Watch,
    start: Start | None = None,
) -> ImageRun:
    """Image ``index`` of a request, ready for the step loop; ``shape`` is its latents'.

    It begins with pure noise, or with what ``start`` says.
    """
    steps = request.steps if start is None else start.schedule
    plan = plan_sampling(request, model.levels, steps)
    if plan.levels is not model.levels:
        model = model.with_levels(plan.levels)
    noise = noise_of(request, index, shape, device)
    sampler, sigmas = plan.run, plan.sigmas
    if start is None:
        x = plan.initial(noise(), sigmas)
    else:
        sigmas = sigmas[-(start.steps + 1) :]
        x = start.latents + noise() * (start.noise * sigmas[0].item())
    guide = guide_of(request, model, prompts, sigmas)
    if start is not None and start.mask is not None:
        guide, sampler = start.masked(guide), start.kept(sampler)
    return ImageRun(
        job_id=job_id,
        index=index,
        sampler=sampler,
        x=x,
        sigmas=sigmas,
        guide=guide,
        noise=step_noise_of(request, index, noise, plan.brownian_points),
        on_progress=watch.progress,
        on_done=watch.done,
        on_error=watch.error,
    )


def noise_of(
    request: DrawRequest, index: int, shape: tuple[int, int, int], device: torch.device
) -> NoiseStream:
    """The noise of image ``index`` of a request; ``shape`` is its latents'."""
    strength = request.variation_strength
    seed = image_seed(request.seed, index, strength)
    variation = Variation(variation_seed(request.variation_seed, index), strength)
    drawn_at = seed_shape(request, shape)
    return NoiseStream(seed, shape, request.noise_source, device, variation, drawn_at)


def step_noise_of(
    request: DrawRequest, index: int, initial: NoiseStream, points: Sequence[float]
) -> Callable[[], Tensor]:
    """The noise that image ``index``'s steps add; ``initial`` has drawn what it starts from.

    Between ``points`` (see ``SamplingPlan``) the image's Brownian path; else what ``initial`` draws
    next or, with an eta noise seed delta, what the seed so much further draws first (as A1111).
    """
    seed = image_seed(request.seed, index, request.variation_strength)
    if points:
        return BrownianNoise(seed, points, lambda node: initial.of_seed(node)())
    return initial.of_seed(seed + request.ensd) if request.ensd else initial


def seed_shape(request: DrawRequest, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The latents' shape at which the seed's noise is drawn: ``shape`` unless both sides are given.

    As A1111 counts, eight pixels are one latent's side.
    """
    width, height = request.seed_resize_width, request.seed_resize_height
    return (shape[0], height // 8, width // 8) if width and height else shape


def decode(
    decoder: Decodes, latents: Sequence[Tensor], free_memory: Callable[[], bool]
) -> list[Pixels]:
    """Pictures of latents [C, h, w]: all at once, or one by one where memory is short.

    ``free_memory`` is called before that; it returns whether there was anything to free.
    """
    return [_pixels(image) for image in _all_or_each(decoder.decode, latents, free_memory)]


def encode(
    encoder: Encodes, pictures: Sequence[Tensor], free_memory: Callable[[], bool]
) -> list[Tensor]:
    """Latents [C, h, w] of pictures uint8 [H, W, 3] of one size; otherwise as :func:`decode`."""
    return list(_all_or_each(encoder.encode, pictures, free_memory))


def _all_or_each(
    work: Callable[[Tensor], Tensor], given: Sequence[Tensor], free_memory: Callable[[], bool]
) -> Tensor:
    """``work`` on all that is given as one batch, or on one after the other."""
    try:
        return work(torch.stack(list(given)))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # After the handler: the exception keeps the tensors alive.
    if not free_memory() and len(given) == 1:
        raise OutOfMemory
    return torch.cat([work(one[None]) for one in given])


def readable(error: Exception) -> Exception:
    """``error``, or the sentence about memory if that is what it means."""
    return OutOfMemory() if is_out_of_memory(error) else error


def size_of(request: DrawRequest, model: ModelRef) -> tuple[int, int]:
    """Width and height in pixels; the checkpoint's native size where the request has none."""
    return request.width or model.native_size, request.height or model.native_size


def _pixels(image: Tensor) -> Pixels:
    height, width, _ = image.shape
    return Pixels(width, height, image.numpy().tobytes())
