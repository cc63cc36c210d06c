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
from webui.engine.conditioning import PromptEncoder, paired
from webui.engine.denoise import ImageRun, StepLoop, is_out_of_memory
from webui.engine.devices import Machine
from webui.engine.evaluation import Conditioning, Denoiser
from webui.engine.families.base import Decodes
from webui.engine.guidance import cfg
from webui.engine.models.manager import ModelManager
from webui.engine.noise import NoiseStream, Variation
from webui.engine.preview import Previewer
from webui.engine.samplers import SOLVERS, sigmas


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
    """The prompts that will be evaluated: without guidance the negative one is not."""
    if request.cfg_scale == 1:
        return [request.prompt]
    return [request.prompt, request.negative_prompt]


def conditionings(embeddings: Sequence[Tensor], model: Denoiser) -> list[Conditioning]:
    """Encoded prompts, made equally long, in the precision of ``model``."""
    if len(embeddings) == 2:
        embeddings = paired(*embeddings)
    return [Conditioning(one.to(model.dtype)) for one in embeddings]


def image_run(
    request: Txt2Img,
    index: int,
    job_id: str,
    model: Denoiser,
    conds: Sequence[Conditioning],
    shape: tuple[int, int, int],
    device: torch.device,
    watch: Watch,
) -> ImageRun:
    """Image ``index`` of a request, ready for the step loop; ``shape`` is its latents'."""
    solver = SOLVERS.get(request.sampler, field="sampler")
    levels = sigmas(request.scheduler, model.levels, request.steps, request.sampler)
    noise = noise_of(request, index, shape, device)
    return ImageRun(
        job_id=job_id,
        index=index,
        sampler=solver.run,
        x=solver.initial(noise(), levels),
        sigmas=levels,
        guide=cfg(model, conds[0], conds[-1], request.cfg_scale),
        noise=noise,
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
    return NoiseStream(seed, shape, request.noise_source, device, variation)


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
