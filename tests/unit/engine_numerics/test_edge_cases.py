"""Every sampler with every schedule and few steps, and requests at the ends of what is allowed."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics.toys import LEVELS, GaussianDenoiser, Outcome, finish, prompt
from webui.core.requests import Txt2Img
from webui.core.samplers import SAMPLERS, SCHEDULES
from webui.engine.denoise import StepLoop
from webui.engine.evaluation import Prompts
from webui.engine.pipelines.stages import Watch, image_run
from webui.engine.samplers.plan import visited

PROMPTS = Prompts(((prompt(1), 1.0),), prompt(2))
FEW, SHAPE = (1, 2, 3), (4, 2, 2)
ENDS = {"DPM fast", "DPM adaptive"}
"""These take the schedule's ends only."""


def drawn(**fields: Any) -> tuple[Tensor, list[tuple[int, int]]]:
    """Final latents and the progress told, of an image as the pipeline makes it."""
    outcome, ended = Outcome(), []
    watch = Watch(outcome.note, ended.append, ended.append)
    model, device = GaussianDenoiser(), torch.device("cpu")
    loop = StepLoop()
    loop.add(image_run(Txt2Img(seed=3, **fields), 0, "job", model, PROMPTS, SHAPE, device, watch))
    finish(loop)
    (end,) = ended
    assert isinstance(end, Tensor), end
    return end, outcome.progress


def assert_drawn(**fields: Any) -> None:
    levels = visited(Txt2Img(**fields), LEVELS)
    assert len(levels) == fields["steps"] + 1
    assert (levels.diff() < 0).all(), levels
    assert levels[-1] >= 0
    latents, progress = drawn(**fields)
    told = [step for step, _ in progress]
    assert latents.isfinite().all()
    assert told == sorted(set(told))
    assert told[-1] == fields["steps"]


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_few_steps_of_every_schedule(sampler: str) -> None:
    schedules = ["Karras"] if sampler in ENDS else SCHEDULES.names()
    for schedule, steps in product(schedules, FEW):
        assert_drawn(sampler=sampler, scheduler=schedule, steps=steps, cfg_scale=1.0)


EXTREMES: list[tuple[str, dict[str, Any]]] = [
    ("Karras", {"rho": 0.01}),
    ("Karras", {"rho": 0.01, "sigma_max": 10_000.0}),
    ("Karras", {"rho": 1e-9}),
    ("Karras", {"rho": 100.0}),
    ("Karras", {"sigma_min": 1e-300, "sigma_max": 10_000.0}),
    ("Karras", {"sigma_min": 0.25}),
    ("Exponential", {"sigma_min": 1e-40}),
    ("Polyexponential", {"sigma_min": 1e-12, "rho": 100.0}),
    ("KL Optimal", {"sigma_min": 999.0, "sigma_max": 10_000.0}),
    ("Normal", {"sigma_min": 999.0, "sigma_max": 10_000.0}),
    ("Beta", {"sigma_min": 1.0, "sigma_max": 1.0000001}),
    ("Beta", {"beta_alpha": 10.0, "beta_beta": 0.05}),
    ("Automatic", {"noise_schedule": "Zero Terminal SNR"}),
    ("Automatic", {"eta": 0.0, "discard_penultimate": True}),
    ("Automatic", {"eta": 1.0, "s_churn": 100.0, "s_tmin": 10.0, "s_noise": 0.0}),
]


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_the_ends_of_what_a_request_may_say(sampler: str) -> None:
    for schedule, fields in EXTREMES:
        for steps in (2,) if sampler in ENDS else (2, 9):
            given = {"sampler": sampler, "scheduler": schedule, "steps": steps} | fields
            assert_drawn(**given, cfg_scale=1.0)


GUIDANCE: list[dict[str, Any]] = [
    {"cfg_scale": 1.0, "guidance_start": 0.5},
    {"cfg_scale": 30.0, "dynamic_threshold": 0.9, "cfg_rescale": 1.0},
    {"cfg_scale": 30.0, "ngms": 15.0, "guidance_end": 0.5, "skip_early_cfg": 0.1},
    {"cfg_scale": 1.0, "dynamic_threshold": 0.95, "cfg_rescale": 0.5},
]


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_every_sampler_under_guidance(sampler: str) -> None:
    for fields in GUIDANCE:
        assert_drawn(sampler=sampler, steps=4, **fields)


@pytest.mark.parametrize("sampler", ["LCM", "TCD", "UniPC", "Euler"])
def test_the_next_to_last_level_can_be_left_out_of_every_ladder(sampler: str) -> None:
    fields: dict[str, Any] = {"sampler": sampler}
    longer = visited(Txt2Img(steps=7, **fields), LEVELS)
    found = visited(Txt2Img(steps=6, discard_penultimate=True, **fields), LEVELS)
    torch.testing.assert_close(found, torch.cat([longer[:-2], longer[-1:]]))
