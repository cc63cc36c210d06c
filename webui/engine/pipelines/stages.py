"""The stages that tasks are made of: encode, noise, denoise, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from webui.core.errors import OutOfMemory
from webui.core.messages import WorkerEvent
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.core.results import Pixels
from webui.core.seeds import image_seed, variation_seed
from webui.engine.brownian import BrownianNoise
from webui.engine.conditioning import PromptEncoder, of_equal_length, source_of
from webui.engine.denoise import ImageRun, StepLoop, is_out_of_memory
from webui.engine.devices import Machine
from webui.engine.evaluation import Conditioning, Denoiser, Prompts
from webui.engine.families.base import Decodes
from webui.engine.guidance import guide_of, uses_negative
from webui.engine.models.manager import ModelManager
from webui.engine.noise import NoiseStream, Variation
from webui.engine.preview import Previewer
from webui.engine.samplers.plan import plan_sampling
from webui.prompt.plan import PromptPlan, plan_prompts


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


def texts_of(request: Txt2Img) -> list[str]:
    """Every text that will be evaluated at some step, each once, in the order of the prompts."""
    plan, perpendicular = _plan(request), _perpendicular(request)
    asked = [pieces for pieces, _ in plan.positive]
    if perpendicular or uses_negative(request, [weight for _, weight in plan.positive]):
        asked.append(plan.negative)
    texts = [piece.text for pieces in asked for piece in pieces]
    return list(dict.fromkeys([*texts, *([""] if perpendicular else [])]))


def conditionings(request: Txt2Img, embeddings: Sequence[Tensor], model: Denoiser) -> Prompts:
    """A request's prompts, of the encoded :func:`texts_of` it, in the precision of ``model``.

    Where the negative prompt is not evaluated, the first part of the prompt stands for it.
    """
    plan, texts = _plan(request), texts_of(request)
    equal = of_equal_length(embeddings)
    conds = {t: Conditioning(e.to(model.dtype)) for t, e in zip(texts, equal, strict=True)}
    positive = tuple((source_of(pieces, conds), weight) for pieces, weight in plan.positive)
    encoded = all(piece.text in conds for piece in plan.negative)
    negative = source_of(plan.negative, conds) if encoded else positive[0][0]
    return Prompts(positive, negative, conds[""] if _perpendicular(request) else None)


def _plan(request: Txt2Img) -> PromptPlan:
    return plan_prompts(request.prompt, request.negative_prompt, request.steps)


def _perpendicular(request: Txt2Img) -> bool:
    """Whether guidance measures from the empty prompt."""
    return request.perp_neg > 0 and bool(request.negative_prompt)


def image_run(
    request: Txt2Img,
    index: int,
    job_id: str,
    model: Denoiser,
    prompts: Prompts,
    shape: tuple[int, int, int],
    device: torch.device,
    watch: Watch,
) -> ImageRun:
    """Image ``index`` of a request, ready for the step loop; ``shape`` is its latents'."""
    plan = plan_sampling(request, model.levels)
    if plan.levels is not model.levels:
        model = model.with_levels(plan.levels)
    noise = noise_of(request, index, shape, device)
    return ImageRun(
        job_id=job_id,
        index=index,
        sampler=plan.run,
        x=plan.initial(noise(), plan.sigmas),
        sigmas=plan.sigmas,
        guide=guide_of(request, model, prompts, plan.sigmas),
        noise=step_noise_of(request, index, noise, plan.brownian_points),
        on_progress=watch.progress,
        on_done=watch.done,
        on_error=watch.error,
    )


def noise_of(
    request: Txt2Img, index: int, shape: tuple[int, int, int], device: torch.device
) -> NoiseStream:
    """The noise of image ``index`` of a request; ``shape`` is its latents'."""
    strength = request.variation_strength
    seed = image_seed(request.seed, index, strength)
    variation = Variation(variation_seed(request.variation_seed, index), strength)
    drawn_at = seed_shape(request, shape)
    return NoiseStream(seed, shape, request.noise_source, device, variation, drawn_at)


def step_noise_of(
    request: Txt2Img, index: int, initial: NoiseStream, points: Sequence[float]
) -> Callable[[], Tensor]:
    """The noise that image ``index``'s steps add; ``initial`` has drawn what it starts from.

    Between ``points`` (see ``SamplingPlan``) the image's Brownian path; else what ``initial`` draws
    next or, with an eta noise seed delta, what the seed so much further draws first (as A1111).
    """
    seed = image_seed(request.seed, index, request.variation_strength)
    if points:
        return BrownianNoise(seed, points, lambda node: initial.of_seed(node)())
    return initial.of_seed(seed + request.ensd) if request.ensd else initial


def seed_shape(request: Txt2Img, shape: tuple[int, int, int]) -> tuple[int, int, int]:
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
    try:
        images = decoder.decode(torch.stack(list(latents)))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        images = None
    if images is None:  # after the handler: the exception keeps the tensors alive
        if not free_memory() and len(latents) == 1:
            raise OutOfMemory
        images = torch.cat([decoder.decode(one[None]) for one in latents])
    return [_pixels(image) for image in images]


def readable(error: Exception) -> Exception:
    """``error``, or the sentence about memory if that is what it means."""
    return OutOfMemory() if is_out_of_memory(error) else error


def size_of(request: Txt2Img, model: ModelRef) -> tuple[int, int]:
    """Width and height in pixels; the checkpoint's native size where the request has none."""
    return request.width or model.native_size, request.height or model.native_size


def _pixels(image: Tensor) -> Pixels:
    height, width, _ = image.shape
    return Pixels(width, height, image.numpy().tobytes())
