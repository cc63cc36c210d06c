"""Final latents against two independent implementations: diffusers' schedulers and k-diffusion."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics import references
from tests.unit.engine_numerics.references import (
    SCALE,
    SEED,
    denoise,
    of_diffusers,
    of_k_diffusion,
    ours,
    start,
)
from tests.unit.engine_numerics.toys import (
    LEVELS,
    SHAPE,
    Outcome,
    UnetDenoiser,
    finish,
    image_run,
    prompt,
    sigmas,
    solve,
    tiny_unet,
)
from webui.core.samplers import SAMPLERS
from webui.engine.denoise import StepLoop
from webui.engine.noise import NoiseStream
from webui.engine.samplers import multistep
from webui.engine.samplers.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

PREDICTIONS = ["epsilon", "v_prediction"]


def assert_near(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).norm() <= 1e-3 * expected.norm()


@pytest.mark.parametrize("sampler", references.K_DIFFUSION)
def test_final_latents_are_k_diffusions(sampler: str) -> None:
    # k-diffusion's own SDE samplers cannot take a single step
    for schedule, steps in (("Automatic", 10), ("Simple", 2 if "SDE" in sampler else 1)):
        levels = sigmas(schedule, LEVELS, steps, sampler)
        assert_near(ours(sampler, schedule, steps), of_k_diffusion(sampler, levels))


@pytest.mark.parametrize("sampler", references.K_DIFFUSION)
def test_levels_that_end_above_zero(sampler: str) -> None:
    levels = sigmas("KL Optimal", LEVELS, 6, sampler)
    assert levels[-1] > 0
    expected = of_k_diffusion(sampler, levels)
    assert_near(ours(sampler, "KL Optimal", 6), expected)


STOCHASTIC = [
    *("DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE"),
    *("Euler a", "DPM2 a", "DPM fast", "DPM adaptive"),
]


@pytest.mark.parametrize("sampler", STOCHASTIC)
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_eta_and_s_noise_count_as_in_k_diffusion(sampler: str, eta: float) -> None:
    levels = sigmas("Automatic", LEVELS, 7, sampler)
    expected = of_k_diffusion(sampler, levels, eta=eta, s_noise=1.07)
    found = ours(sampler, "Automatic", 7, eta=eta, s_noise=1.07)
    assert_near(found, expected)


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "DPM2"])
@pytest.mark.parametrize("ends", [(0.0, 0.0), (0.2, 8.0)])
def test_churn_counts_as_in_k_diffusion(sampler: str, ends: tuple[float, float]) -> None:
    low, high = ends
    levels = sigmas("Karras", LEVELS, 8, sampler)
    churn = {"s_churn": 2.0, "s_tmin": low, "s_noise": 1.05}
    expected = of_k_diffusion(sampler, levels, **churn, s_tmax=high or math.inf)
    assert_near(ours(sampler, "Karras", 8, **churn, s_tmax=high), expected)
    assert (ours(sampler, "Karras", 8) - expected).norm() > 0.01 * expected.norm()


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [
        ("Euler", "Uniform"),
        ("Euler", "Karras"),
        ("Euler a", "Uniform"),
        ("Heun", "Karras"),
        ("LMS", "Uniform"),
        ("DPM++ 2M", "Karras"),
        ("DPM++ 2M", "SGM Uniform"),
        ("DPM++ 2M SDE", "Exponential"),
        ("DDPM", "DDIM"),
        ("DDIM", "DDIM"),
        ("UniPC", "KL Optimal"),
        ("LCM", "Automatic"),
    ],
)
def test_final_latents_are_diffusers(sampler: str, schedule: str, prediction: str) -> None:
    levels = sigmas(schedule, LEVELS, 8, sampler)
    expected = of_diffusers(sampler, levels, prediction)
    assert_near(ours(sampler, schedule, 8), expected)


def test_plms_is_diffusers() -> None:
    """For ε only: for v, diffusers extrapolates v instead of ε."""
    assert_near(ours("PLMS", "DDIM", 8), of_diffusers("PLMS", sigmas("DDIM", LEVELS, 8)))


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_ddim_with_eta_is_diffusers(eta: float) -> None:
    expected = of_diffusers("DDIM", sigmas("DDIM", LEVELS, 8), eta=eta)
    assert_near(ours("DDIM", "DDIM", 8, eta=eta), expected)


@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("final", [True, False])
def test_unipc_variants_are_diffusers(variant: str, order: int, *, final: bool) -> None:
    config = {"solver_type": variant, "solver_order": order, "lower_order_final": final}
    expected = of_diffusers("UniPC", sigmas("KL Optimal", LEVELS, 8), config=config)
    found = ours(
        "UniPC",
        "KL Optimal",
        8,
        unipc_variant=variant,
        unipc_order=order,
        unipc_lower_order_final=final,
    )
    assert_near(found, expected)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_tcd_is_diffusers(eta: float) -> None:
    """diffusers' last step ends at the lowest level of the table, ours at 0 otherwise."""
    levels = torch.cat([sigmas("Automatic", LEVELS, 5, "TCD")[:-1], LEVELS.sigmas[:1]])
    expected = of_diffusers("TCD", levels, eta=eta)
    stream, x = start("TCD", levels)
    run = partial(SOLVERS.get("TCD").run, levels=LEVELS, eta=eta)
    found = solve(run, denoise, x, levels, stream)
    assert_near(found, expected)


def test_deis_in_log_sigma_is_diffusers() -> None:
    levels = sigmas("KL Optimal", LEVELS, 8)
    stream, x = start("DEIS", levels)
    run = partial(multistep.deis, clock=math.log)
    # diffusers lowers the order towards the end of short runs
    expected = of_diffusers("DEIS", levels, config={"lower_order_final": False})
    found = solve(run, denoise, x, levels, stream)
    assert_near(found, expected)


@pytest.mark.parametrize("sampler", SAMPLERS.names())
@pytest.mark.parametrize("steps", [1, 2])
def test_every_sampler_manages_few_steps(sampler: str, steps: int) -> None:
    assert ours(sampler, "Automatic", steps).isfinite().all()


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_every_sampler_draws_the_tiny_model(prediction: str) -> None:
    model, loop = UnetDenoiser(tiny_unet(), prediction), StepLoop()
    outcomes = {sampler: Outcome() for sampler in SAMPLERS.names()}
    for sampler, outcome in outcomes.items():
        loop.add(image_run(model, outcome, sampler=sampler, steps=5, scale=SCALE))
    finish(loop)
    for sampler, outcome in outcomes.items():
        assert outcome.latents.isfinite().all(), sampler


def test_the_unet_denoiser_is_k_diffusions() -> None:
    k = references.kdiffusion.load()
    x = NoiseStream(SEED, SHAPE)()[None] * 3
    alphas, sigma = 1 / (1 + LEVELS.sigmas**2), torch.tensor([2.0])
    cond = prompt(1).embeddings[None]

    def network(x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        return tiny_unet()(x, t, cond, return_dict=False)[0]

    of_eps = k.external.DiscreteEpsDDPMDenoiser(network, alphas, quantize=False)
    of_v = k.external.DiscreteVDDPMDenoiser(network, alphas, quantize=False)
    of_v.get_v = network
    for reference, prediction in ((of_eps, "epsilon"), (of_v, "v_prediction")):
        found = UnetDenoiser(tiny_unet(), prediction)(x, sigma, cond)
        assert_near(found, reference(x, sigma, cond=cond))
