from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics.toys import (
    GaussianDenoiser,
    MixtureDenoiser,
    Outcome,
    UnetDenoiser,
    draw,
    finish,
    image_run,
    prompt,
    tiny_unet,
)
from webui.core.errors import EaselError, OutOfMemory
from webui.core.samplers import SAMPLERS
from webui.engine.denoise import StepLoop, is_out_of_memory
from webui.engine.evaluation import Conditioning, Evaluation

JOB_A: dict[str, Any] = {"job": "a", "sampler": "Euler a", "steps": 12, "seed": 3, "scale": 7.0}
JOB_B: dict[str, Any] = {
    "job": "b",
    "sampler": "DPM++ 2M",
    "steps": 9,
    "seed": 44,
    "scale": 4.0,
    "positive": prompt(7),
    "negative": prompt(8),
}


def near(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).norm() <= 1e-5 * expected.norm())


@pytest.mark.parametrize("batching", ["exact", "shared"])
def test_a_job_that_joins_five_steps_later_is_drawn_as_alone(batching: Any) -> None:
    model = UnetDenoiser(tiny_unet(), "epsilon")
    alone_a, alone_b = draw(model, **JOB_A), draw(model, **JOB_B)
    a, b, loop = Outcome(), Outcome(), StepLoop(batching)
    loop.add(image_run(model, a, **JOB_A))
    for _ in range(5):
        loop.tick()
    loop.add(image_run(model, b, **JOB_B))
    finish(loop)
    assert near(a.latents, alone_a.latents)
    assert near(b.latents, alone_b.latents)
    assert loop.forwards == {"exact": 12 + 9, "shared": 5 + 9}[batching]
    assert (loop.forwards_of("a"), loop.forwards_of("b")) == (12, 9)


def test_exact_never_mixes_jobs_and_shared_pads() -> None:
    for batching, expected in (("exact", {2}), ("shared", {8})):
        seen: list[tuple[int, frozenset[str]]] = []
        loop = StepLoop(batching, on_forward=lambda *told, seen=seen: seen.append(told))  # type: ignore[arg-type]
        model = GaussianDenoiser()
        for job in "abc":
            loop.add(image_run(model, Outcome(), job=job, steps=4))
        finish(loop)
        assert {rows for rows, _ in seen} == set(model.rows) == expected
        assert {len(jobs) for _, jobs in seen} == {1 if batching == "exact" else 3}


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_an_image_of_a_batch_is_drawn_as_alone(sampler: str) -> None:
    """DPM adaptive with a denoiser that rounds alike in any batch: rounding may tip a stride."""
    adaptive = sampler == "DPM adaptive"
    model = MixtureDenoiser() if adaptive else UnetDenoiser(tiny_unet(), "v_prediction")
    outcomes = [Outcome() for _ in range(3)]
    loop = StepLoop()
    for i, outcome in enumerate(outcomes):
        loop.add(image_run(model, outcome, sampler=sampler, steps=5, seed=10 + i, index=i))
    finish(loop)
    most = 0
    for i, outcome in enumerate(outcomes):
        alone, by_itself = Outcome(), StepLoop()
        by_itself.add(image_run(model, alone, sampler=sampler, steps=5, seed=10 + i))
        finish(by_itself)
        assert near(outcome.latents, alone.latents)
        most = max(most, by_itself.forwards)
    assert loop.forwards == most  # as many as the image that takes longest (DPM adaptive)


def test_guidance_of_one_evaluates_the_positive_prompt_only() -> None:
    model = GaussianDenoiser()
    draw(model, scale=1.0, steps=3)
    assert model.rows == [1, 1, 1]
    draw(model, scale=2.0, steps=3)
    assert model.rows[3:] == [2, 2, 2]


@pytest.mark.parametrize("scale", [1.0, 1.5, 7.0])
def test_guidance_moves_away_from_the_negative_prompt(scale: float) -> None:
    """A Gaussian at m⁺ guided against one at m⁻ ends around m⁻ + scale · (m⁺ − m⁻)."""
    positive, negative = Conditioning(torch.full((5, 8), 2.0)), Conditioning(torch.ones(5, 8))
    outcome = draw(GaussianDenoiser(), steps=60, scale=scale, positive=positive, negative=negative)
    assert outcome.latents.mean().item() == pytest.approx(1 + scale, rel=0.1)


def test_prompts_of_unequal_length_are_evaluated_apart() -> None:
    model = UnetDenoiser(tiny_unet(), "epsilon")
    long = prompt(2, tokens=10)
    outcome, seen = Outcome(), []
    loop = StepLoop("shared", on_forward=lambda rows, _: seen.append(rows))
    loop.add(image_run(model, outcome, negative=long, steps=4))
    finish(loop)
    assert seen == [1] * 8
    assert torch.isfinite(outcome.latents).all()


def test_different_weights_shapes_and_extras_are_never_in_one_pass() -> None:
    one, other = GaussianDenoiser("one"), GaussianDenoiser("other")
    outcomes = [Outcome() for _ in range(4)]
    loop = StepLoop("shared")

    def marked(x: Tensor, sigma: float) -> Any:
        (cond,) = yield [Evaluation(x, sigma, prompt(1), one, extra="control")]
        return type("Guided", (), {"denoised": cond})()

    loop.add(image_run(one, outcomes[0], steps=3))
    loop.add(image_run(other, outcomes[1], steps=3))
    loop.add(image_run(one, outcomes[2], steps=3, shape=(4, 16, 8)))
    loop.add(image_run(one, outcomes[3], steps=3, guide=marked))
    finish(loop)
    assert sorted(one.rows) == [1, 1, 1, 2, 2, 2, 2, 2, 2]
    assert other.rows == [2, 2, 2]
    assert all(outcome.x is not None for outcome in outcomes)


def test_a_small_job_is_not_starved_by_a_large_one() -> None:
    model, small = GaussianDenoiser(), Outcome()
    loop = StepLoop("shared")
    for i in range(16):
        loop.add(image_run(model, Outcome(), job="large", index=i, steps=50))
    for _ in range(3):
        loop.tick()
    loop.add(image_run(GaussianDenoiser("other"), small, job="small", steps=5))
    ticks = 0
    while small.x is None:
        loop.tick()
        ticks += 1
    assert ticks <= 5 * 5  # the large job's four batches and its own


@pytest.mark.parametrize(
    ("sampler", "steps"), [("Euler", 4), ("Heun", 4), ("DPM++ 2M SDE", 3), ("LMS", 1)]
)
def test_progress_is_monotone_and_ends_at_steps(sampler: str, steps: int) -> None:
    outcome = draw(GaussianDenoiser(), sampler=sampler, steps=steps)
    assert outcome.progress == [(step, steps) for step in range(1, steps + 1)]


def test_previews_are_the_denoised_latents() -> None:
    outcome = draw(GaussianDenoiser(), sampler="Euler", steps=30)
    distances = [(preview - outcome.latents).norm().item() for preview in outcome.previews]
    assert distances[0] > distances[10] > distances[-1] == pytest.approx(0, abs=1e-4)


def test_prompt_schedules_are_told_the_step() -> None:
    asked: list[tuple[int, int]] = []

    class Schedule:
        def at(self, step: int, steps: int) -> Conditioning:
            asked.append((step, steps))
            return Conditioning(torch.zeros(5, 8) if step < 2 else torch.full((5, 8), 9.0))

    outcome = draw(GaussianDenoiser(), steps=4, scale=1.0, positive=Schedule())
    assert asked == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert outcome.latents.mean().item() > 4  # between both prompts, nearer to the later


def test_out_of_memory_halves_the_batch_and_draws_the_same() -> None:
    expected = [draw(GaussianDenoiser(), seed=i, steps=4).latents for i in range(5)]
    model, outcomes, loop = GaussianDenoiser(fits=3), [Outcome() for _ in range(5)], StepLoop()
    for i, outcome in enumerate(outcomes):
        loop.add(image_run(model, outcome, seed=i, index=i, steps=4))
    finish(loop)
    assert model.tried[:3] == [10, 5, 2]
    assert set(model.rows) == {2}
    assert model.tried.count(10) == model.tried.count(5) == 1  # what was learnt is remembered
    assert loop.forwards == len(model.rows) == 4 * 5
    for outcome, latents in zip(outcomes, expected, strict=True):
        assert near(outcome.latents, latents)


def test_out_of_memory_first_frees_what_can_be_freed() -> None:
    model, calls = GaussianDenoiser(fits=1), []

    def free() -> bool:
        calls.append(len(model.tried))
        model.fits = None
        return True

    outcome, loop = Outcome(), StepLoop(free_memory=free)
    loop.add(image_run(model, outcome, steps=3))
    finish(loop)
    assert calls == [1]
    assert model.tried == [2, 2, 2, 2]
    assert outcome.x is not None


def test_where_nothing_fits_only_that_image_fails() -> None:
    hopeless, fine, other = GaussianDenoiser("huge", fits=0), Outcome(), Outcome()
    loop = StepLoop("shared", free_memory=lambda: True)  # frees something, but never enough
    loop.add(image_run(hopeless, other, job="a", steps=3))
    loop.add(image_run(GaussianDenoiser(), fine, job="b", steps=3))
    finish(loop)
    assert isinstance(other.error, OutOfMemory)
    assert other.x is None
    assert fine.x is not None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_recognised(error: Exception, *, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_not_a_number_is_a_sentence() -> None:
    outcome = draw(GaussianDenoiser(broken=True))
    assert outcome.x is None
    assert isinstance(outcome.error, EaselError)
    assert "NaN" in outcome.error.message


def test_a_sampler_that_raises_ends_its_image_only() -> None:
    def faulty(x: Tensor, sigma: float) -> Any:
        yield [Evaluation(x, sigma, prompt(1), model)]
        raise ZeroDivisionError("no")

    model, bad, good = GaussianDenoiser(), Outcome(), Outcome()
    loop = StepLoop("shared")
    loop.add(image_run(model, bad, job="a", guide=faulty))
    loop.add(image_run(model, good, job="b"))
    finish(loop)
    assert isinstance(bad.error, ZeroDivisionError)
    assert good.x is not None


@pytest.mark.parametrize("where", ["on_progress", "on_done"])
def test_a_callback_that_raises_ends_its_image_only(where: str) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model, bad, good = GaussianDenoiser(), Outcome(), Outcome()
    loop = StepLoop("shared")
    callbacks: dict[str, Any] = {where: fail}
    loop.add(image_run(model, bad, job="a", **callbacks))
    loop.add(image_run(model, good, job="b"))
    finish(loop)
    assert isinstance(bad.error, OutOfMemory)
    assert good.x is not None


def test_a_model_that_raises_fails_those_it_was_evaluated_for() -> None:
    class Faulty(GaussianDenoiser):
        def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    bad, good, loop = Outcome(), Outcome(), StepLoop()
    loop.add(image_run(Faulty("faulty"), bad, job="a"))
    loop.add(image_run(GaussianDenoiser(), good, job="b"))
    finish(loop)
    assert isinstance(bad.error, RuntimeError)
    assert good.x is not None
    assert loop.forwards_of("a") == 0


def test_stop_ends_a_job_or_some_of_its_images() -> None:
    model, outcomes, other = GaussianDenoiser(), [Outcome() for _ in range(3)], Outcome()
    loop = StepLoop("shared")
    for i, outcome in enumerate(outcomes):
        loop.add(image_run(model, outcome, job="a", index=i))
    loop.add(image_run(model, other, job="b"))
    for _ in range(3):
        loop.tick()
    told = [len(outcome.progress) for outcome in outcomes]
    newest = loop.stop("a", [1])
    assert list(newest) == [1]
    assert newest[1] is outcomes[1].previews[-1]
    assert set(loop.stop("a")) == {0, 2}
    assert loop.stop("a") == loop.stop("unknown") == {}
    finish(loop)
    assert [len(outcome.progress) for outcome in outcomes] == told
    assert all(outcome.x is None and outcome.error is None for outcome in outcomes)
    assert other.x is not None


def test_a_callback_may_stop_its_own_job_and_add_another() -> None:
    model, outcome, second, loop = GaussianDenoiser(), Outcome(), Outcome(), StepLoop()

    def interrupt(step: int, steps: int, denoised: Tensor) -> None:
        if step == 2:
            loop.stop("a")
            loop.add(image_run(model, second, job="b", steps=3))

    loop.add(image_run(model, outcome, job="a", on_progress=interrupt))
    finish(loop)
    assert (outcome.x, outcome.error) == (None, None)
    assert len(model.rows) == 2 + 3
    assert second.x is not None


def test_a_job_stopped_by_its_first_error_is_told_once() -> None:
    errors: list[int] = []
    loop = StepLoop()

    def failed(index: int) -> None:
        errors.append(index)
        loop.stop("a")

    for i in range(3):
        run = image_run(
            GaussianDenoiser(fits=0), Outcome(), job="a", index=i, on_error=lambda _, i=i: failed(i)
        )
        loop.add(run)
    finish(loop)
    assert errors == [0]


def test_an_image_stopped_before_its_first_step_has_no_preview() -> None:
    loop = StepLoop()
    loop.add(image_run(GaussianDenoiser(), Outcome(), job="a"))
    assert loop.stop("a") == {0: None}
    assert loop.idle
    assert loop.tick() is False


def test_counts_are_forgotten_when_asked() -> None:
    loop = StepLoop()
    loop.add(image_run(GaussianDenoiser(), Outcome(), job="a", steps=3))
    finish(loop)
    assert loop.forget("a") == 3
    assert loop.forwards_of("a") == 0
    assert loop.forwards == 3


def test_results_need_no_gradients() -> None:
    assert not draw(GaussianDenoiser()).latents.requires_grad
