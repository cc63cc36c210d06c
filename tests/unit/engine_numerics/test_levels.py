from __future__ import annotations

import pytest
import torch

from tests.unit.engine_numerics import kdiffusion
from tests.unit.engine_numerics.toys import LEVELS
from webui.core.errors import ModelError
from webui.engine.levels import NoiseLevels


def reference() -> object:
    alphas = 1 / (1 + LEVELS.sigmas**2)
    return kdiffusion.load().external.DiscreteEpsDDPMDenoiser(None, alphas, quantize=False)


def test_stable_diffusion_levels_are_the_known_ones() -> None:
    assert len(LEVELS) == 1000
    assert LEVELS.sigma_min == pytest.approx(0.029167, abs=1e-6)
    assert LEVELS.sigma_max == pytest.approx(14.614642, abs=1e-5)


def test_sigma_to_t_is_k_diffusions() -> None:
    sigma = torch.cat([torch.linspace(0.001, 20, 5000), LEVELS.sigmas])
    expected = reference().sigma_to_t(sigma)  # type: ignore[attr-defined]
    torch.testing.assert_close(LEVELS.sigma_to_t(sigma), expected, rtol=0, atol=1e-2)
    nearest = reference().sigma_to_t(sigma, quantize=True)  # type: ignore[attr-defined]
    difference = (LEVELS.sigma_to_t(sigma, quantize=True) - nearest).abs()
    assert difference.max() <= 1  # halfway cases may round either way
    assert (difference > 0).float().mean() < 0.001


def test_t_to_sigma_is_k_diffusions_and_inverts_sigma_to_t() -> None:
    t = torch.linspace(0, 999, 777)
    expected = reference().t_to_sigma(t)  # type: ignore[attr-defined]
    torch.testing.assert_close(LEVELS.t_to_sigma(t), expected)
    torch.testing.assert_close(LEVELS.sigma_to_t(LEVELS.t_to_sigma(t)), t, rtol=0, atol=2e-2)


def test_levels_outside_the_table_are_clamped() -> None:
    assert LEVELS.sigma_to_t(torch.tensor([1e-6, 100.0])).tolist() == [0, 999]


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_configs_mean_what_they_mean_to_diffusers(schedule: str, *, zero_snr: bool) -> None:
    from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

    config = {
        "beta_schedule": schedule,
        "beta_start": 0.0009,
        "beta_end": 0.011,
        "num_train_timesteps": 500,
        "rescale_betas_zero_snr": zero_snr,
    }
    alphas = EulerDiscreteScheduler(**config).alphas_cumprod
    expected = ((1 - alphas) / alphas).sqrt()
    torch.testing.assert_close(
        NoiseLevels.from_config(config).sigmas, expected, rtol=2e-3, atol=1e-5
    )


def test_trained_betas_are_taken() -> None:
    levels = NoiseLevels.from_config({"trained_betas": [0.1, 0.2]})
    expected = torch.tensor([0.1 / 0.9, 0.28 / 0.72]).sqrt()
    torch.testing.assert_close(levels.sigmas, expected)


def test_unknown_schedule_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="'sigmoid'; known are linear"):
        NoiseLevels.from_config({"beta_schedule": "sigmoid"})
