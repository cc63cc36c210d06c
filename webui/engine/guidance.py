"""Guidance: generators that ask for evaluations and combine them.

:func:`cfg`, :func:`composed` and :func:`perpendicular` ask for what they steer by. The others take
a guide and return one: :func:`rescaled` and :func:`thresholded` change its result,
:func:`switched` chooses between two by noise level. Where a negative prompt has no say, nothing is
evaluated for it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from webui.core.draw_request import DrawRequest
from webui.core.samplers import SAMPLERS
from webui.engine.evaluation import (
    ConditioningSource,
    Denoiser,
    Evaluation,
    Guide,
    Guided,
    Guiding,
    Prompts,
)

Parts = Sequence[tuple[ConditioningSource, float]]
"""Prompts joined by AND, with their weights."""

_SAME_LEVEL = 1e-5  # relative; samplers compute some noise levels by way of logarithms


def cfg(
    model: Denoiser,
    positive: ConditioningSource,
    negative: ConditioningSource,
    scale: float,
    *,
    spare: bool = True,
) -> Guide:
    """Classifier-free guidance: D = D(x|negative) + scale · (D(x|positive) − D(x|negative)).

    At ``scale`` 1 only the positive prompt is evaluated, if ``spare``. Ho & Salimans 2022,
    https://arxiv.org/abs/2207.12598; the scale counts as in A1111 (1 is no guidance).
    """

    def guide(x: Tensor, sigma: float) -> Guiding:
        with_prompt = Evaluation(x, sigma, positive, model)
        if spare and scale == 1:
            (cond,) = yield [with_prompt]
            return Guided(cond, cond)
        cond, uncond = yield [with_prompt, Evaluation(x, sigma, negative, model)]
        return Guided(uncond + scale * (cond - uncond), cond, uncond)

    return guide


def composed(
    model: Denoiser,
    parts: Parts,
    negative: ConditioningSource,
    scale: float,
    *,
    spare: bool = True,
) -> Guide:
    """Prompts joined by AND: D = D(x|negative) + scale · Σ wᵢ (D(x|promptᵢ) − D(x|negative)).

    Weights may be negative, which steers away from a prompt; of weight 0 it is not evaluated. The
    negative prompt is left out, if ``spare``, only where it cancels out (:func:`cancels`): not at
    ``scale`` 1 as such, for prompts whose weights do not sum to 1 are measured from it. ``cond`` of
    the result is the composition at scale 1. Liu et al. 2022, "Compositional Visual Generation with
    Composable Diffusion Models", https://arxiv.org/abs/2206.01714, equation 11; as in A1111.
    """
    asked = [(source, weight) for source, weight in parts if weight]
    weights = [weight for _, weight in asked]
    with_negative = not (spare and cancels(weights, scale))

    def guide(x: Tensor, sigma: float) -> Guiding:
        sources = [source for source, _ in asked] + [negative] * with_negative
        conds = yield [Evaluation(x, sigma, source, model) for source in sources]
        if not with_negative:
            together = _sum(conds, [scale * weight for weight in weights])
            return Guided(together, together)
        uncond = conds.pop()
        away = _sum([cond - uncond for cond in conds], weights) if conds else uncond * 0
        return Guided(uncond + scale * away, uncond + away, uncond)

    return guide


def cancels(weights: Sequence[float], scale: float) -> bool:
    """Whether the negative prompt has no share in :func:`composed`: it is 1 − scale · Σ wᵢ."""
    return math.isclose(scale * sum(weights), 1, rel_tol=1e-9)


def uses_negative(request: DrawRequest, weights: Sequence[float]) -> bool:
    """Whether a request's negative prompt is evaluated, with ``weights`` of the prompt's parts.

    A sampler that noises again with the negative prompt's ε has it evaluated in any case.
    """
    return not (_spares(request) and cancels(weights, request.cfg_scale))


def without_negative(model: Denoiser, parts: Parts) -> Guide:
    """What A1111 does where it leaves the negative prompt out, whatever the CFG scale.

    The first prompt takes the negative one's place at scale 1: D = D₁ + Σ wᵢ (Dᵢ − D₁). So a single
    prompt's estimate is taken as it is.
    """
    (first, _), *others = parts
    asked = [(source, weight) for source, weight in others if weight]

    def guide(x: Tensor, sigma: float) -> Guiding:
        sources = [first, *(source for source, _ in asked)]
        base, *conds = yield [Evaluation(x, sigma, source, model) for source in sources]
        if not conds:
            return Guided(base, base)
        away = _sum([cond - base for cond in conds], [weight for _, weight in asked])
        together = base + away
        return Guided(together, together)

    return guide


def perpendicular(
    model: Denoiser,
    parts: Parts,
    negative: ConditioningSource,
    empty: ConditioningSource,
    scale: float,
    strength: float,
) -> Guide:
    """Perp-Neg: only what of the negative prompt is perpendicular to the prompt is avoided.

    With directions from the ``empty`` prompt's estimate D₀, p = Σ wᵢ (Dᵢ − D₀) and
    n = D(x|negative) − D₀: D = D₀ + scale · (p − strength · (n − (n·p / p·p) p)), the products
    taken over the whole image. So a negative prompt that shares something with the prompt does not
    weaken it. ``uncond`` of the result is D₀. Armandpour et al. 2023, "Re-imagine the Negative
    Prompt Algorithm", https://arxiv.org/abs/2304.04968, section 4.
    """
    asked = [(source, weight) for source, weight in parts if weight]

    def guide(x: Tensor, sigma: float) -> Guiding:
        sources = [*(source for source, _ in asked), negative, empty]
        *conds, avoided, uncond = yield [Evaluation(x, sigma, source, model) for source in sources]
        away = avoided - uncond
        if not conds:
            return Guided(uncond - scale * strength * away, uncond, uncond)
        towards = _sum([cond - uncond for cond in conds], [weight for _, weight in asked])
        away = away - _projection(away, towards)
        steered = uncond + scale * (towards - strength * away)
        return Guided(steered, uncond + towards, uncond)

    return guide


def rescaled(guide: Guide, phi: float) -> Guide:
    """``guide`` with its result's spread brought back to that of the prompt alone, by ``phi`` 0..1.

    Guidance widens a model's outputs, which over-exposes the picture. With the outputs as
    velocities, for which the rule was made, v = (x − (1 + σ²) D) / (σ √(1 + σ²)), the guided one
    becomes v · (φ · std(v_cond) / std(v) + 1 − φ), the deviations taken over the whole image. Lin
    et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
    https://arxiv.org/abs/2305.08891, equations 15 and 16. Nothing changes where only the prompt
    was evaluated.
    """

    def changed(x: Tensor, sigma: float) -> Guiding:
        out = yield from guide(x, sigma)
        if out.denoised is out.cond:
            return out
        # v · factor, said of D: D · factor + D of v = 0 · (1 − factor).
        of_no_velocity = x / (1 + sigma**2)
        ratio = _spread(of_no_velocity - out.cond) / _spread(of_no_velocity - out.denoised)
        factor = phi * ratio + (1 - phi)
        return replace(out, denoised=factor * out.denoised + (1 - factor) * of_no_velocity)

    return changed


def thresholded(guide: Guide, percentile: float) -> Guide:
    """``guide`` with dynamic thresholding at ``percentile`` (a share, 0..1).

    Imagen takes the ``percentile`` s of |D| over an image and, where s exceeds the range that
    pictures have, clips D to [−s, s] and scales it back into that range: Saharia et al. 2022,
    https://arxiv.org/abs/2205.11487, section 2.3. There D is pixels and the range 1. Latents have
    no such bound, and their range changes with model and noise level; but the model's estimate for
    the prompt without guidance lies within it. So s is compared with the same percentile of that
    estimate: what guidance made larger is brought back, what it did not is left as it is.
    """

    def changed(x: Tensor, sigma: float) -> Guiding:
        out = yield from guide(x, sigma)
        if out.denoised is out.cond:
            return out
        s, usual = (_percentile(one, percentile) for one in (out.denoised, out.cond))
        clipped = out.denoised.clamp(-s, s) * (usual / s)
        return replace(out, denoised=torch.where(s > usual, clipped, out.denoised))

    return changed


def switched(guide: Guide, otherwise: Guide, when: Callable[[float], bool]) -> Guide:
    """``guide`` at the noise levels of which ``when(sigma)`` is true, else ``otherwise``."""

    def either(x: Tensor, sigma: float) -> Guiding:
        return (guide if when(sigma) else otherwise)(x, sigma)

    return either


def within(sigmas: Tensor, start: float, end: float) -> Callable[[float], bool]:
    """Whether a noise level belongs to a step from share ``start`` on and before share ``end``.

    The interval of Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval Improves
    Sample and Distribution Quality in Diffusion Models", https://arxiv.org/abs/2404.07724, outside
    which there is no guidance; counted in shares of the steps of ``sigmas`` [steps + 1] (as in
    diffusers), so that one setting fits every model.
    """
    steps, step_of = len(sigmas) - 1, steps_by_level(sigmas)
    return lambda sigma: start <= step_of(sigma) / steps < end


def spares_negative(sigmas: Tensor, early: float, minimum_sigma: float) -> Callable[[float], bool]:
    """Whether A1111 would leave the negative prompt out at a noise level.

    It does in the steps up to the share ``early`` of ``sigmas`` [steps + 1] ("Ignore negative
    prompt during early sampling"; 0 is off), and below ``minimum_sigma`` in every other step
    ("Negative Guidance minimum sigma"; 0 is off). A1111 counts evaluations, which is the same for
    all samplers that make one per step; here both evaluations at one noise level are alike.
    """
    steps, step_of = len(sigmas) - 1, steps_by_level(sigmas)

    def spared(sigma: float) -> bool:
        step = step_of(sigma)
        return (early > 0 and step / steps <= early) or (sigma < minimum_sigma and step % 2 == 1)

    return spared


def steps_by_level(sigmas: Tensor) -> Callable[[float], int]:
    """The step 0..steps − 1 that a noise level belongs to: the last that does not begin below it.

    ``sigmas`` [steps + 1] descending. A level that differs by rounding only counts as the same.
    """
    descending = [-sigma for sigma in sigmas.tolist()]

    def step_of(sigma: float) -> int:
        place = bisect_right(descending, -sigma * (1 - _SAME_LEVEL)) - 1
        return min(max(place, 0), len(descending) - 2)

    return step_of


def guide_of(request: DrawRequest, model: Denoiser, prompts: Prompts, sigmas: Tensor) -> Guide:
    """The guidance that a request asks for, over noise levels ``sigmas`` [steps + 1].

    Rescaling comes before thresholding; both act where there is guidance at all.
    """
    parts = prompts.positive
    guide = _steering(request, model, prompts)
    if request.cfg_rescale > 0:
        guide = rescaled(guide, request.cfg_rescale)
    if request.dynamic_threshold < 1:
        guide = thresholded(guide, request.dynamic_threshold)
    if request.skip_early_cfg > 0 or request.ngms > 0:
        spared = spares_negative(sigmas, request.skip_early_cfg, request.ngms)
        guide = switched(without_negative(model, parts), guide, spared)
    if request.guidance_start > 0 or request.guidance_end < 1:
        inside = within(sigmas, request.guidance_start, request.guidance_end)
        guide = switched(guide, without_negative(model, parts), inside)
    return guide


def _steering(request: DrawRequest, model: Denoiser, prompts: Prompts) -> Guide:
    """What steers where nothing is left out."""
    parts, negative, scale = prompts.positive, prompts.negative, request.cfg_scale
    empty, spare = prompts.empty, _spares(request)
    if request.perp_neg > 0 and empty is not None and empty is not negative:
        return perpendicular(model, parts, negative, empty, scale, request.perp_neg)
    (first, weight), *others = parts
    if others or weight != 1:
        return composed(model, parts, negative, scale, spare=spare)
    return cfg(model, first, negative, scale, spare=spare)


def _spares(request: DrawRequest) -> bool:
    """Whether the sampler needs no estimate for the negative prompt where it cancels out."""
    return not SAMPLERS.get(request.sampler).needs_negative


def _sum(terms: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ wᵢ · termᵢ of at least one term; a single one of weight 1 stays as it is."""
    total = terms[0] * weights[0]
    for term, weight in zip(terms[1:], weights[1:], strict=True):
        total = total + weight * term
    return total


def _projection(vector: Tensor, onto: Tensor) -> Tensor:
    """The part of ``vector`` along ``onto``, both [C, h, w]; nothing is along a zero vector."""
    length = (onto * onto).sum()
    along = (vector * onto).sum() / torch.where(length > 0, length, 1)
    return along * onto


def _spread(image: Tensor) -> Tensor:
    """The standard deviation over an image; never zero, for it is divided by."""
    return image.std().clamp(min=torch.finfo(image.dtype).tiny)


def _percentile(image: Tensor, share: float) -> Tensor:
    """The value below which ``share`` of an image's magnitudes lie, interpolated; never zero."""
    found = image.abs().flatten().quantile(share)
    return found.clamp(min=torch.finfo(image.dtype).tiny)
