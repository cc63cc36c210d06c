"""The passes that draw a picture: one from noise or from a picture, and one over the enlarged
result (A1111's Hires. fix)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from webui.core.hires_fields import SAME
from webui.core.requests import DrawRequest, Img2Img, Txt2Img
from webui.core.second_pass import LATENT_UPSCALERS, LatentUpscaler
from webui.core.sizes import Enlarged, Size, hires_size, partial_steps, second_pass_steps
from webui.engine.models.manager import Leased
from webui.engine.pipelines.stages import decode, encode
from webui.engine.resizing import Picture, stretched


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


def _second(request: Txt2Img, size: Size) -> Pass:
    """The second pass, as A1111 has it: what it does not say is the first one's."""
    enlarged = hires_size(size, request.hires_scale, (request.hires_width, request.hires_height))
    taken = request.hires_steps or request.steps
    schedule, steps = second_pass_steps(taken, request.denoising_strength)
    width, height = enlarged.final
    own = replace(
        request,
        hires=False,
        width=width,
        height=height,
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
    step: Pass, latents: Sequence[Tensor], model: Leased, free_memory: Callable[[], bool]
) -> list[Tensor]:
    """The latents that the second pass starts from: those of the first, enlarged as they are or
    as pictures."""
    assert step.enlarged is not None, "only a second pass has something before it"
    to, decoder = step.enlarged, model.decoder
    if step.upscaler in LATENT_UPSCALERS:
        how = LATENT_UPSCALERS.get(step.upscaler)
        shapes = [model.checkpoint.latent_shape(*size) for size in (to.scaled, to.final)]
        scaled, final = ((width, height) for _, height, width in shapes)
        return list(enlarged_latents(torch.stack(list(latents)), how, scaled, final))
    small = [_array(p.data, p.width, p.height) for p in decode(decoder, latents, free_memory)]
    is_nearest = step.upscaler == "Nearest"
    scaled_up = [stretched(one, *to.scaled, nearest=is_nearest) for one in small]
    large = [enlarged_picture(one, to) for one in scaled_up]
    return encode(decoder, [torch.from_numpy(one.copy()) for one in large], free_memory)


def _array(data: bytes, width: int, height: int) -> Picture:
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
