"""What a request's sampler visits and how it runs: names and parameters become one plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from webui.core.draw_request import DrawRequest
from webui.core.samplers import SAMPLERS
from webui.engine.evaluation import SamplerFunction
from webui.engine.levels import NoiseLevels
from webui.engine.samplers.schedules import SCHEDULE_FUNCTIONS, strictly_descending
from webui.engine.samplers.solvers import SOLVERS, spacing_of

_AUTOMATIC = "Automatic"


@dataclass(frozen=True, slots=True, eq=False)
class SamplingPlan:
    """``run`` takes latents ``initial(noise, sigmas)`` [C, h, w] down ``sigmas`` [steps + 1].

    ``sigmas`` descend, float32 on the CPU, mostly to 0. ``levels`` is the table that the model must
    find its timesteps in. Between ``brownian_points`` (descending, or none) the noise of the steps
    is a Brownian path's.
    """

    run: SamplerFunction
    initial: Callable[[Tensor, Tensor], Tensor]
    sigmas: Tensor
    levels: NoiseLevels
    brownian_points: list[float]


def plan_sampling(
    request: DrawRequest, levels: NoiseLevels, steps: int | None = None
) -> SamplingPlan:
    """The sampler, its parameters and the noise levels that a request names.

    ``levels`` is the checkpoint's own table, ``steps`` how many there are where that is not what
    the request says: a schedule of which the last steps are taken may be of any length. Names that
    are unknown and levels that leave no room raise ``InvalidRequest``.
    """
    solver = SOLVERS.get(request.sampler, field="sampler")
    if request.noise_schedule == "Zero Terminal SNR":
        levels = levels.with_zero_snr()
    options: dict[str, Any] = {}
    for of in solver.options:
        options |= of(request, levels)
    sigmas = visited(request, levels, steps)
    return SamplingPlan(
        partial(solver.run, **options), solver.initial, sigmas, levels, solver.points(sigmas)
    )


def visited(request: DrawRequest, levels: NoiseLevels, steps: int | None = None) -> Tensor:
    """The noise levels of a run: [steps + 1] descending, float32 on the CPU.

    "Automatic" takes the sampler's own. Some samplers leave out the level before the last (k-
    diffusion's and A1111's "discard next-to-last sigma"), all do if the request says so, but for
    those that only take the ends.
    """
    info, solver = SAMPLERS.get(request.sampler), SOLVERS.get(request.sampler)
    name = request.scheduler
    discard = not solver.always and (request.discard_penultimate or info.discard_penultimate)
    steps = (request.steps if steps is None else steps) + discard
    if solver.automatic is not None and (solver.always or name == _AUTOMATIC):
        sigmas = solver.automatic(request, levels, steps)
    else:
        function = SCHEDULE_FUNCTIONS.get(info.schedule if name == _AUTOMATIC else name)
        sigmas = function(levels, steps, spacing_of(request))
    if discard:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return strictly_descending(sigmas)
