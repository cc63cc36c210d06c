"""The passes that draw a picture: one from noise or from a picture, and one over the enlarged
result (A1111's Hires. fix)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from webui.core.errors import ModelError
from webui.core.hires_fields import SAME
from webui.core.models import ModelRef
from webui.core.requests import DrawRequest, Img2Img, Txt2Img
from webui.core.second_pass import LATENT_UPSCALERS, LatentUpscaler
from webui.core.sizes import Enlarged, Size, hires_size, partial_steps, second_pass_steps
from webui.core.upscalers import built_in
from webui.engine.evaluation import Denoiser, Prompts
from webui.engine.families.base import Checkpoint, Encodes
from webui.engine.pipelines.stages import conditionings, decode, encode, texts_of
from webui.engine.pipelines.waiting import Script
from webui.engine.resizing import Picture, stretched
from webui.engine.upscalers.upscaling import Bench, upscaled


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: what ``request`` asks for at ``size``, in ``steps`` steps, the last of a schedule
    of ``schedule``.

    ``first_pass`` is how many steps the one before had (None: there was none), ``counted`` what a
    prompt's schedule counts where fewer steps are taken. ``enlarged`` says how the result of the
    one before is brought to ``size``.
    """

    request: DrawRequest
    size: Size
    schedule: int
    steps: int
    first_pass: int | None = None
    counted: int = 0
    enlarged: Enlarged | None = None
    upscaler: str = ""


def passes_of(request: DrawRequest, size: Size) -> tuple[Pass, ...]:
    """The passes of a request for pictures of ``size``."""
    if isinstance(request, Img2Img):
        schedule, steps = partial_steps(request.steps, request.denoising_strength)
        return (Pass(request, size, schedule, steps, counted=request.steps),)
    first = Pass(request, size, request.steps, request.steps)
    if not isinstance(request, Txt2Img) or not request.hires:
        return (first,)
    return first, _second(request, size)


def prompts_of(
    passes: Sequence[Pass], embeddings: Sequence[Mapping[str, Tensor]], models: Sequence[Denoiser]
) -> list[Prompts]:
    """What guidance steers by in each pass, of its texts' embeddings, in its model's precision."""
    prompts: list[Prompts] = []
    for step, encoded, model in zip(passes, embeddings, models, strict=True):
        first, counted = step.first_pass, step.counted
        found = [encoded[text] for text in texts_of(step.request, first_pass=first)]
        made = conditionings(step.request, found, model, first_pass=first, counted=counted)
        prompts.append(made)
    return prompts


def _second(request: Txt2Img, size: Size) -> Pass:
    """The second pass, as A1111 has it: what it does not say is the first one's."""
    enlarged = hires_size(size, request.hires_scale, (request.hires_width, request.hires_height))
    taken = request.hires_steps or request.steps
    schedule, steps = second_pass_steps(taken, request.denoising_strength)
    own = replace(
        request,
        hires=False,
        steps=taken,
        prompt=request.hires_prompt or request.prompt,
        negative_prompt=request.hires_negative_prompt or request.negative_prompt,
        sampler=_or_same(request.hires_sampler, request.sampler),
        scheduler=_or_same(request.hires_scheduler, request.scheduler),
        cfg_scale=request.hires_cfg_scale or request.cfg_scale,
    )
    return Pass(
        own,
        enlarged.final,
        schedule,
        steps,
        first_pass=request.steps,
        enlarged=enlarged,
        upscaler=request.hires_upscaler,
    )


def _or_same(name: str, first: str) -> str:
    return first if name == SAME else name


def enlarged_latents(latents: Tensor, how: LatentUpscaler, scaled: Size, final: Size) -> Tensor:
    """Latents [B, C, h, w] interpolated to ``scaled`` (width, height, in latents), and the middle
    of that, ``final``."""
    size = scaled[1], scaled[0]
    large = F.interpolate(latents, size=size, mode=how.mode, antialias=how.antialias)
    top, left = (scaled[1] - final[1]) // 2, (scaled[0] - final[0]) // 2
    return large[..., top : top + final[1], left : left + final[0]]


def enlarged_picture(picture: Picture, to: Enlarged) -> Picture:
    """A picture, enlarged already or not, at the size of ``to``: the middle of it, by Lanczos."""
    width, height = to.final
    scaled = stretched(picture, *to.scaled)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]


def between(
    step: Pass,
    latents: Sequence[Tensor],
    checkpoint: Checkpoint,
    decoder: Encodes,
    upscaler: ModelRef | None,
    bench: Bench,
) -> Script[list[Tensor]]:
    """The latents that the second pass starts from: those of the first, interpolated, or encoded
    again after ``upscaler`` has enlarged their pictures; ``bench`` is what it works with."""
    assert step.enlarged is not None, "only a second pass has something before it"
    to, make_room = step.enlarged, bench.manager.release_unused
    if step.upscaler in LATENT_UPSCALERS:
        how = LATENT_UPSCALERS.get(step.upscaler)
        shapes = [checkpoint.latent_shape(*size) for size in (to.scaled, to.final)]
        scaled, final = ((width, height) for _, height, width in shapes)
        return list(enlarged_latents(torch.stack(list(latents)), how, scaled, final))
    upscaler = upscaler or built_in(step.upscaler)
    if upscaler is None:
        raise ModelError(f"There is no upscaler {step.upscaler[:100]!r}.")
    large: list[Tensor] = []
    for small in decode(decoder, latents, make_room):
        pixels = torch.from_numpy(_array(small.data, small.width, small.height).copy())
        made = yield from upscaled(pixels, upscaler, *to.scaled, bench)
        large.append(torch.from_numpy(enlarged_picture(made.numpy(), to).copy()))
    return encode(decoder, large, make_room)


def _array(data: bytes, width: int, height: int) -> Picture:
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
