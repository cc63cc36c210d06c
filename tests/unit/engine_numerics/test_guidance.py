"""Every guidance against its formula on a closed-form denoiser, and what it does not evaluate."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics.toys import (
    SHAPE,
    GaussianDenoiser,
    Outcome,
    UnetDenoiser,
    draw,
    finish,
    image_run,
    prompt,
    sigmas,
    tiny_unet,
)
from webui.core.requests import Txt2Img
from webui.engine.denoise import StepLoop
from webui.engine.evaluation import ConditioningSource, Evaluation, Guide, Guided, Prompts
from webui.engine.guidance import (
    cancels,
    cfg,
    composed,
    guide_of,
    perpendicular,
    rescaled,
    steps_by_level,
    switched,
    thresholded,
    uses_negative,
    without_negative,
)
from webui.engine.levels import NoiseLevels
from webui.engine.pipelines.stages import texts_of

A, B, C, NEGATIVE, EMPTY = (prompt(seed) for seed in range(5))
SIGMA, SCALE, STEPS = 2.5, 7.0, 20
SIGMAS = sigmas("Karras", GaussianDenoiser().levels, STEPS, "Euler")


class Field:
    """A made-up D(x|prompt), different at every place for every prompt; nothing is run for it."""

    weights_key = "field"
    dtype = torch.float32
    levels = GaussianDenoiser().levels

    def with_levels(self, levels: NoiseLevels) -> Field:
        return self

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        s = sigma.view(-1, 1, 1, 1)
        flat = cond.flatten(1)
        pattern = flat[:, torch.arange(x[0].numel()) % flat.shape[1]].view_as(x)
        return x / (1 + s**2) + pattern * (0.3 + x.sin())


FIELD = Field()


def latents(seed: int = 11) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) * SIGMA


def estimate(source: ConditioningSource, x: Tensor, sigma: float = SIGMA) -> Tensor:
    """D(x|source)."""
    return FIELD(x[None], torch.tensor([sigma]), source.at(0, 1).embeddings[None])[0]


def ask(guide: Guide, x: Tensor, sigma: float = SIGMA) -> tuple[Guided, list[ConditioningSource]]:
    """What a guide returns, and the prompts it had evaluated."""
    asked: list[Evaluation] = []
    guiding = guide(x, sigma)
    answers: Any = None
    while True:
        try:
            evaluations = guiding.send(answers)
        except StopIteration as end:
            return end.value, [evaluation.cond for evaluation in asked]
        asked += evaluations
        answers = [estimate(one.cond, one.x, one.sigma) for one in evaluations]


def of(prompts: Prompts | None = None, **values: Any) -> Guide:
    """The guide of a request with these values."""
    prompts = prompts or Prompts(((A, 1.0),), NEGATIVE)
    return guide_of(Txt2Img.from_mapping({"cfg_scale": SCALE} | values), FIELD, prompts, SIGMAS)


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


# ---- the defaults


@pytest.mark.parametrize("scale", [1.0, 1.5, 7.0])
def test_the_defaults_are_plain_guidance_bit_for_bit(scale: float) -> None:
    x = latents()
    for sigma in SIGMAS[:-1].tolist():
        found, asked = ask(of(cfg_scale=scale), x, sigma)
        expected, plainly = ask(cfg(FIELD, A, NEGATIVE, scale), x, sigma)
        assert torch.equal(found.denoised, expected.denoised)
        assert asked == plainly == ([A] if scale == 1 else [A, NEGATIVE])
    uncond, cond = estimate(NEGATIVE, x), estimate(A, x)
    found, _ = ask(of(cfg_scale=scale), x)
    same(found.denoised, uncond + scale * (cond - uncond))


# ---- AND


@pytest.mark.parametrize("scale", [1.0, 7.0])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.7, -0.4), (1.2, 0.0), (-1.0, -0.5)])
def test_prompts_are_composed_by_weight(scale: float, weights: tuple[float, float]) -> None:
    x = latents()
    parts = ((A, weights[0]), (B, weights[1]))
    out, asked = ask(of(Prompts(parts, NEGATIVE), cfg_scale=scale), x)
    uncond = estimate(NEGATIVE, x)
    assert out.uncond is not None
    same(out.uncond, uncond)
    away = weights[0] * (estimate(A, x) - uncond) + weights[1] * (estimate(B, x) - uncond)
    same(out.denoised, uncond + scale * away)
    same(out.cond, uncond + away)
    assert asked == [A, *([B] if weights[1] else []), NEGATIVE]


def test_the_negative_prompt_is_spared_only_where_it_cancels_out() -> None:
    x = latents()
    halves = Prompts(((A, 0.25), (B, 0.75)), NEGATIVE)
    out, asked = ask(of(halves, cfg_scale=1.0), x)
    assert asked == [A, B]
    assert out.uncond is None
    same(out.denoised, 0.25 * estimate(A, x) + 0.75 * estimate(B, x))
    assert ask(of(halves, cfg_scale=2.0), x)[1] == [A, B, NEGATIVE]
    thirds = [1 / 3] * 3
    assert cancels(thirds, 1)
    assert not cancels([0.5], 1)
    assert cancels([0.5], 2)


def test_cfgpp_wants_the_negative_prompt_at_scale_one_too() -> None:
    """There the scale 1 is the paper's 0.08, not "no guidance"."""
    x, plus = latents(), {"sampler": "DDIM CFG++", "cfg_scale": 1.0}
    out, asked = ask(of(**plus), x)
    assert asked == [A, NEGATIVE]
    assert out.uncond is not None
    same(out.uncond, estimate(NEGATIVE, x))
    same(out.denoised, estimate(A, x))
    halves = Prompts(((A, 0.5), (B, 0.5)), NEGATIVE)
    assert ask(of(halves, **plus), x)[1] == [A, B, NEGATIVE]
    for sampler, expected in (("DDIM CFG++", True), ("DDIM", False)):
        request = Txt2Img(prompt="a", negative_prompt="b", sampler=sampler, cfg_scale=1.0)
        assert uses_negative(request, [1.0]) is expected
        assert ("b" in texts_of(request)) is expected


def test_a_single_prompt_may_have_a_weight() -> None:
    x = latents()
    out, _ = ask(of(Prompts(((A, 1.5),), NEGATIVE), cfg_scale=4.0), x)
    same(out.denoised, ask(cfg(FIELD, A, NEGATIVE, 6.0), x)[0].denoised)


def test_prompts_without_weight_leave_the_negative_one() -> None:
    x = latents()
    out, asked = ask(composed(FIELD, ((A, 0.0), (B, 0.0)), NEGATIVE, 7.0), x)
    assert asked == [NEGATIVE]
    same(out.denoised, estimate(NEGATIVE, x))


# ---- rescaling


def velocity(x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
    """v of the variance-preserving model that D belongs to: α = 1/√(1 + σ²), v = α·ε − σα·x₀."""
    alpha = 1 / math.sqrt(1 + sigma**2)
    noise = (x - denoised) / sigma
    return alpha * noise - sigma * alpha * denoised


@pytest.mark.parametrize("phi", [0.25, 0.7, 1.0])
@pytest.mark.parametrize("sigma", [0.05, 2.5, 14.0])
def test_rescaling_is_that_of_the_paper(phi: float, sigma: float) -> None:
    x = latents()
    plain, _ = ask(cfg(FIELD, A, NEGATIVE, SCALE), x, sigma)
    cond, guided = (velocity(x, one, sigma) for one in (estimate(A, x, sigma), plain.denoised))
    expected = phi * guided * cond.std() / guided.std() + (1 - phi) * guided
    out, asked = ask(of(cfg_rescale=phi), x, sigma)
    torch.testing.assert_close(velocity(x, out.denoised, sigma), expected, rtol=1e-3, atol=1e-3)
    assert asked == [A, NEGATIVE]
    assert torch.equal(out.cond, plain.cond)
    if phi == 1:
        spread = velocity(x, out.denoised, sigma).std().item()
        assert spread == pytest.approx(cond.std().item(), rel=1e-3)


def test_rescaling_is_that_of_diffusers_on_velocities() -> None:
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    x = latents()
    plain, _ = ask(cfg(FIELD, A, NEGATIVE, SCALE), x)
    cond, guided = (velocity(x, one, SIGMA)[None] for one in (plain.cond, plain.denoised))
    expected = rescale_noise_cfg(guided, cond, guidance_rescale=0.7)
    out, _ = ask(rescaled(cfg(FIELD, A, NEGATIVE, SCALE), 0.7), x)
    same(velocity(x, out.denoised, SIGMA), expected[0])


# ---- dynamic thresholding


def percentile(image: Tensor, share: float) -> float:
    """By sorting, interpolated between neighbours."""
    values = sorted(image.abs().flatten().tolist())
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


@pytest.mark.parametrize("share", [0.9, 0.995])
def test_thresholding_brings_guidance_back_into_range(share: float) -> None:
    x = latents()
    plain, _ = ask(cfg(FIELD, A, NEGATIVE, SCALE), x)
    s, usual = percentile(plain.denoised, share), percentile(plain.cond, share)
    assert s > usual
    out, asked = ask(of(dynamic_threshold=share), x)
    same(out.denoised, plain.denoised.clamp(-s, s) / s * usual)
    assert out.denoised.abs().max().item() == pytest.approx(usual, rel=1e-5)
    assert asked == [A, NEGATIVE]


def test_thresholding_leaves_what_is_in_range() -> None:
    x = latents()
    damped = cfg(FIELD, A, prompt(0), 3.0)  # the same words: guidance changes nothing
    plain, _ = ask(damped, x)
    out, _ = ask(thresholded(damped, 0.9), x)
    assert torch.equal(out.denoised, plain.denoised)


def test_nothing_is_divided_by_zero() -> None:
    def flat(x: Tensor, sigma: float) -> Any:
        yield []
        return Guided(torch.zeros_like(x), torch.zeros_like(x) + 0.0, torch.zeros_like(x))

    for guide in (rescaled(flat, 0.7), thresholded(flat, 0.95)):
        out, _ = ask(guide, torch.zeros(SHAPE))
        assert torch.equal(out.denoised, torch.zeros(SHAPE))


# ---- the perpendicular negative


def test_only_the_perpendicular_part_of_the_negative_prompt_is_avoided() -> None:
    x = latents()
    empty, cond, avoided = (estimate(one, x) for one in (EMPTY, A, NEGATIVE))
    towards, away = (cond - empty).flatten(), (avoided - empty).flatten()
    perpendicular_part = away - (away @ towards) / (towards @ towards) * towards
    steered = empty.flatten() + SCALE * (towards - 0.8 * perpendicular_part)
    out, asked = ask(of(Prompts(((A, 1.0),), NEGATIVE, EMPTY), perp_neg=0.8), x)
    same(out.denoised, steered.view(SHAPE))
    assert out.uncond is not None
    same(out.uncond, empty)
    same(out.cond, cond)
    assert asked == [A, NEGATIVE, EMPTY]


def test_a_negative_prompt_like_the_prompt_takes_nothing_away() -> None:
    x = latents()
    for scale in (1.0, 7.0):
        out, _ = ask(perpendicular(FIELD, ((A, 1.0),), A, EMPTY, scale, 1.0), x)
        same(out.denoised, ask(cfg(FIELD, A, EMPTY, scale), x)[0].denoised)


def test_a_prompt_that_says_nothing_has_no_direction() -> None:
    x = latents()
    out, _ = ask(perpendicular(FIELD, ((EMPTY, 1.0),), NEGATIVE, EMPTY, 2.0, 0.5), x)
    same(out.denoised, 2 * estimate(EMPTY, x) - estimate(NEGATIVE, x))


def test_an_empty_negative_prompt_costs_no_third_evaluation() -> None:
    for empty in (None, NEGATIVE):
        prompts = Prompts(((A, 1.0),), NEGATIVE, empty)
        assert ask(of(prompts, perp_neg=0.8), latents())[1] == [A, NEGATIVE]


# ---- when


def steps_with_negative(guide: Guide) -> list[int]:
    """The steps of ``SIGMAS`` at which the negative prompt is evaluated."""
    x, levels = latents(), SIGMAS[:-1].tolist()
    return [i for i, sigma in enumerate(levels) if NEGATIVE in ask(guide, x, sigma)[1]]


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [
        (0.0, 1.0, range(20)),
        (0.3, 1.0, range(6, 20)),
        (0.0, 0.5, range(10)),
        (0.3, 0.7, range(6, 14)),
        (0.33, 0.34, range(0)),
        (0.5, 0.5, range(0)),
        (1.0, 1.0, range(0)),
    ],
)
def test_guidance_acts_in_an_interval_of_the_steps(start: float, end: float, steps: range) -> None:
    guide = of(guidance_start=start, guidance_end=end)
    assert steps_with_negative(guide) == list(steps)
    x = latents()
    outside = next((i for i in range(STEPS) if i not in steps), None)
    if outside is not None:
        sigma = SIGMAS[outside].item()
        out, asked = ask(guide, x, sigma)
        assert torch.equal(out.denoised, estimate(A, x, sigma))
        assert asked == [A]
        assert out.uncond is None


def test_the_negative_prompt_may_be_ignored_early() -> None:
    assert steps_with_negative(of(skip_early_cfg=0.1)) == list(range(3, 20))  # as A1111: <=
    assert steps_with_negative(of(skip_early_cfg=0.01)) == list(range(1, 20))
    assert steps_with_negative(of(skip_early_cfg=1.0)) == []


def test_below_a_noise_level_every_other_step_has_a_negative_prompt() -> None:
    below = [i for i, sigma in enumerate(SIGMAS[:-1].tolist()) if sigma < 3.0]
    expected = [i for i in range(STEPS) if i not in below or i % 2 == 0]
    assert steps_with_negative(of(ngms=3.0)) == expected
    both = of(ngms=3.0, skip_early_cfg=0.1)
    assert steps_with_negative(both) == [i for i in expected if i > 2]


def test_left_out_negative_prompts_are_replaced_by_the_first_prompt() -> None:
    x = latents()
    parts = ((A, 1.0), (B, -0.5), (C, 0.0))
    out, asked = ask(of(Prompts(parts, NEGATIVE), skip_early_cfg=1.0), x)
    a, b = estimate(A, x), estimate(B, x)
    same(out.denoised, a - 0.5 * (b - a))  # as A1111: whatever the scale
    assert asked == [A, B]
    out, _ = ask(of(Prompts(parts, NEGATIVE), guidance_end=0.0), x)
    same(out.denoised, a - 0.5 * (b - a))


def test_levels_between_steps_belong_to_the_step_before() -> None:
    step_of = steps_by_level(SIGMAS)
    levels = SIGMAS.tolist()
    for i in range(STEPS):
        assert step_of(levels[i]) == i
        assert step_of(math.exp(math.log(levels[i])) * (1 + 1e-7)) == i
        assert step_of((levels[i] + levels[i + 1]) / 2) == i
    assert step_of(levels[0] * 2) == 0
    assert step_of(0.0) == STEPS - 1


def test_all_of_it_together_is_one_after_the_other() -> None:
    x, sigma = latents(), SIGMAS[5].item()
    values = {"cfg_rescale": 0.5, "dynamic_threshold": 0.95, "ngms": 15.0, "perp_neg": 0.6}
    prompts = Prompts(((A, 1.0), (B, 0.5)), NEGATIVE, EMPTY)
    steered = perpendicular(FIELD, prompts.positive, NEGATIVE, EMPTY, SCALE, 0.6)
    even = thresholded(rescaled(steered, 0.5), 0.95)
    odd = without_negative(FIELD, prompts.positive)
    guide = of(prompts, **values)
    expected, _ = ask(odd, x, sigma)
    assert torch.equal(ask(guide, x, sigma)[0].denoised, expected.denoised)
    expected, _ = ask(even, x, SIGMAS[6].item())
    assert torch.equal(ask(guide, x, SIGMAS[6].item())[0].denoised, expected.denoised)


def test_a_switch_asks_only_one_of_both() -> None:
    guide = switched(cfg(FIELD, A, NEGATIVE, 3.0), cfg(FIELD, B, C, 3.0), lambda sigma: sigma > 1)
    assert ask(guide, latents(), 2.0)[1] == [A, NEGATIVE]
    assert ask(guide, latents(), 0.5)[1] == [B, C]


# ---- in the step loop

ALL: list[tuple[dict[str, Any], Prompts]] = [
    ({"cfg_rescale": 0.7}, Prompts(((A, 1.0),), NEGATIVE)),
    ({"dynamic_threshold": 0.95}, Prompts(((A, 1.0),), NEGATIVE)),
    ({"perp_neg": 1.0}, Prompts(((A, 1.0),), NEGATIVE, EMPTY)),
    ({"ngms": 3.0, "guidance_start": 0.2}, Prompts(((A, 1.0),), NEGATIVE)),
    ({"cfg_rescale": 0.3}, Prompts(((A, 1.0), (B, -0.5)), NEGATIVE)),
]


@pytest.mark.parametrize(("values", "prompts"), ALL, ids=range(len(ALL)))
@pytest.mark.parametrize("sampler", ["Euler", "Heun"])
def test_an_image_of_a_batch_is_guided_as_alone(
    values: dict[str, Any], prompts: Prompts, sampler: str
) -> None:
    model = UnetDenoiser(tiny_unet(), "epsilon")
    request = Txt2Img(cfg_scale=5.0, **values)

    def guide() -> Guide:
        return guide_of(request, model, prompts, sigmas("Karras", model.levels, 5, sampler))

    options: dict[str, Any] = {"sampler": sampler, "schedule": "Karras", "steps": 5}
    outcomes, loop = [Outcome() for _ in range(3)], StepLoop()
    for i, outcome in enumerate(outcomes):
        loop.add(image_run(model, outcome, seed=10 + i, index=i, guide=guide(), **options))
    finish(loop)
    for i, outcome in enumerate(outcomes):
        alone = draw(model, seed=10 + i, guide=guide(), **options)
        assert (outcome.latents - alone.latents).norm() <= 1e-5 * alone.latents.norm()
    plain = draw(model, seed=10, positive=A, negative=NEGATIVE, **options)
    assert not torch.equal(outcomes[0].latents, plain.latents)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ({}, 2 * STEPS),
        ({"cfg_scale": 1.0}, STEPS),
        ({"guidance_start": 0.25, "guidance_end": 0.75}, STEPS + STEPS // 2),
        ({"skip_early_cfg": 0.5}, STEPS + 9),
        ({"ngms": 15.0}, STEPS + STEPS // 2),
        ({"perp_neg": 1.0}, 2 * STEPS),
    ],
)
def test_no_evaluation_is_spent_on_what_has_no_say(values: dict[str, Any], rows: int) -> None:
    model = GaussianDenoiser()
    request = Txt2Img.from_mapping({"cfg_scale": SCALE} | values)
    guide = guide_of(request, model, Prompts(((A, 1.0),), NEGATIVE), SIGMAS)
    draw(model, steps=STEPS, schedule="Karras", guide=guide)
    assert sum(model.rows) == rows
