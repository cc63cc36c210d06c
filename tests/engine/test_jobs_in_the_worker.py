"""The worker, driven in this process: batches, joining, stopping, failing, remembering."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.fakes import tiny
from tests.fakes.drawing import Drawer, pixels_of
from webui.core.messages import JobImage, JobPhase, JobPreview, JobStarted, JobStep, StopJob
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img

ONE = Txt2Img(prompt="a red circle", seed=1, steps=6, width=64, height=64)


@pytest.fixture
def drawer() -> Drawer:
    return Drawer("shared")


def after_step(drawer: Drawer, job_id: str, step: int) -> Callable[[], bool]:
    return lambda: any(e.step >= step for e in drawer.of(JobStep, job_id))


def test_an_image_of_a_batch_is_what_it_is_alone(drawer: Drawer, folder_model: ModelRef) -> None:
    together = drawer.images(replace(ONE, batch_count=2, batch_size=2), folder_model)
    assert [(image.index, image.seed) for image in together] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    (alone,) = drawer.images(replace(ONE, seed=4), folder_model)
    assert np.abs(pixels_of(together[3]) - pixels_of(alone)).max() <= 2
    assert np.abs(pixels_of(together[3]) - pixels_of(together[0])).max() > 10


def test_events_tell_the_whole_story_in_order(drawer: Drawer, folder_model: ModelRef) -> None:
    job_id = drawer.submit(replace(ONE, steps=40), folder_model, preview_every=2)
    drawer.run()
    kinds = [type(event).__name__ for event in drawer.events]
    assert kinds[:3] == ["WorkerReady", "JobStarted", "JobPhase"]
    assert kinds[-3:] == ["JobImage", "JobFinished", "WorkerStats"]
    steps = [event.step for event in drawer.of(JobStep, job_id)]
    assert steps[0] == 0
    assert steps[-1] == 40
    assert steps == sorted(set(steps))
    assert drawer.of(JobPreview, job_id)[0].jpeg.startswith(b"\xff\xd8")
    assert drawer.finished(job_id).forwards == drawer.stats.forwards == 40


def test_a_known_prompt_loads_no_text_encoder(folder_model: ModelRef) -> None:
    drawer = Drawer(model_bytes=15_400_000)  # all but the text encoder
    drawer.images(ONE, folder_model)
    without_text_encoder = drawer.stats.cached_bytes
    drawer.images(replace(ONE, seed=2), folder_model)
    phases = [phase.text for phase in drawer.of(JobPhase)]
    assert phases == ["Loading text encoder", "Loading checkpoint"]
    assert drawer.stats.cached_bytes == without_text_encoder < 15_400_000


def test_a_prompt_of_any_length_draws_and_what_it_says_matters(folder_model: ModelRef) -> None:
    drawer = Drawer()
    prompts = {
        "plain": {"prompt": "a red circle"},
        "weighted": {"prompt": "a (red:1.2) circle"},
        "clip skip": {"clip_skip": 2},
        "empty": {"prompt": ""},
        "two chunks": {"prompt": "red circle " * 10},
        "two chunks unwanted": {"negative_prompt": "blue star, " * 10},
        "twenty thousand characters": {"prompt": "((circle [red:1.1, " * 1052},
    }
    drawn = {
        name: drawer.images(replace(ONE, **options), folder_model)[0].pixels.data
        for name, options in prompts.items()
    }
    assert len(set(drawn.values())) == len(prompts)


@pytest.mark.parametrize("sampler", ["Euler a", "DPM++ 2M SDE"])
def test_a_stochastic_image_of_a_batch_in_bfloat16_is_nearly_what_it_is_alone(
    sampler: str, folder_model: ModelRef
) -> None:
    drawer = Drawer(dtype="bf16")
    request = replace(ONE, sampler=sampler, batch_size=3)
    together = drawer.images(request, folder_model)
    for index, image in enumerate(together):
        (alone,) = drawer.images(replace(request, batch_size=1, seed=1 + index), folder_model)
        assert np.abs(pixels_of(image) - pixels_of(alone)).mean() < 1


def test_jobs_that_run_together_share_forward_passes(
    drawer: Drawer, folder_model: ModelRef
) -> None:
    first = drawer.submit(replace(ONE, sampler="Euler a", steps=12), folder_model)
    drawer.run(until=after_step(drawer, first, 2))
    other = replace(ONE, prompt="a star", sampler="DPM++ 2M", steps=8, cfg_scale=3.0)
    second = drawer.submit(other, folder_model)
    drawer.run()
    assert drawer.finished(first).forwards + drawer.finished(second).forwards == 20
    assert drawer.stats.forwards == 12


def test_exact_jobs_never_mix(folder_model: ModelRef) -> None:
    drawer = Drawer("exact")
    jobs = [drawer.submit(replace(ONE, seed=seed), folder_model) for seed in (1, 2)]
    drawer.run()
    pictures = [drawer.of(JobImage, job)[0] for job in jobs]
    assert drawer.stats.forwards == 12
    for seed, picture in zip((1, 2), pictures, strict=True):
        (alone,) = drawer.images(replace(ONE, seed=seed), folder_model)
        assert picture.pixels == alone.pixels


def test_an_interrupted_job_keeps_its_finished_pictures(
    drawer: Drawer, folder_model: ModelRef
) -> None:
    job_id = drawer.submit(replace(ONE, batch_count=3), folder_model)
    drawer.run(until=lambda: bool(drawer.of(JobImage, job_id)))
    drawer.worker.handle(StopJob(job_id))
    assert drawer.finished(job_id).stopped
    assert not drawer.worker.busy
    assert len(drawer.of(JobImage, job_id)) == 1


def test_a_job_can_be_interrupted_before_it_begins(drawer: Drawer, folder_model: ModelRef) -> None:
    job_id = drawer.submit(ONE, folder_model)
    drawer.worker.handle(StopJob(job_id))
    assert drawer.of(JobStarted, job_id)
    assert drawer.finished(job_id).stopped


def test_skip_ends_only_the_batch_being_drawn(drawer: Drawer, folder_model: ModelRef) -> None:
    job_id = drawer.submit(replace(ONE, batch_count=2, steps=30), folder_model)
    drawer.run(until=after_step(drawer, job_id, 1))
    drawer.worker.handle(StopJob(job_id, "skip"))
    drawer.run()
    assert [image.index for image in drawer.of(JobImage, job_id)] == [1]
    assert not drawer.finished(job_id).stopped


def test_a_stopped_job_leaves_the_others_alone(drawer: Drawer, folder_model: ModelRef) -> None:
    doomed = drawer.submit(replace(ONE, steps=30), folder_model)
    other = drawer.submit(ONE, folder_model)
    drawer.run(until=after_step(drawer, other, 2))
    drawer.worker.handle(StopJob(doomed))
    drawer.run()
    assert not drawer.of(JobImage, doomed)
    assert len(drawer.of(JobImage, other)) == 1


def test_a_job_waits_for_memory_that_another_leases(
    folder_model: ModelRef, v_model: ModelRef
) -> None:
    drawer = Drawer("shared", model_bytes=16_000_000)  # one of the two checkpoints
    first = drawer.submit(ONE, folder_model)
    second = drawer.submit(ONE, v_model)
    drawer.run()
    assert [drawer.finished(job).error for job in (first, second)] == [None, None]
    names = [type(e).__name__ for e in drawer.events if getattr(e, "job_id", "") == first]
    ended = drawer.events.index(drawer.finished(first))
    assert names[-1] == "JobFinished"
    assert all(drawer.events.index(step) > ended for step in drawer.of(JobStep, second))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x04\x95" + bytes(1000))


def zipped_pickle(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(1000))


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def vanish(path: Path) -> None:
    path.unlink()


def without(prefix: str) -> Callable[[Path], None]:
    def drop(path: Path) -> None:
        tensors = load_file(path)
        save_file({k: v.clone() for k, v in tensors.items() if not k.startswith(prefix)}, path)

    return drop


def reshaped(path: Path) -> None:
    tensors = {k: v.clone() for k, v in load_file(path).items()}
    name = "model.diffusion_model.middle_block.0.in_layers.2.weight"
    tensors[name] = tensors[name][:, :-1].contiguous()
    save_file(tensors, path)


def renamed_to_xl(path: Path) -> None:
    tensors = {k: v.clone() for k, v in load_file(path).items()}
    save_file(
        {k.replace("cond_stage_model.", "conditioner.embedders.0."): v for k, v in tensors.items()},
        path,
    )


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (truncate, "model", "shorter"),
        (pickle, "unsafe_file", "pickle"),
        (zipped_pickle, "unsafe_file", "pickle"),
        (nothing, "model", "cannot be read"),
        (huge_header, "model", "cannot be read"),
        (vanish, "model", "no such file"),
        (without("first_stage_model."), "model", "no VAE"),
        (without("cond_stage_model."), "model", "no text encoder"),
        (without("model.diffusion_model."), "model", "no UNet"),
        (without("model.diffusion_model.middle_block"), "model", "missing"),
        (reshaped, "model", "wrong shape"),
        (renamed_to_xl, "model", "XL"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_file_is_a_failed_job_with_one_sentence(
    damage, code, words, drawer: Drawer, folder_model: ModelRef, weights_folder: Path
) -> None:
    ref = tiny.write_file(weights_folder / "bad.safetensors")
    damage(Path(ref.path))
    job_id = drawer.submit(ONE, replace(ref, digest=damage.__name__ + words))
    drawer.run()
    error = drawer.finished(job_id).error
    assert error is not None
    assert error.code == code
    assert words in error.message
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert drawer.worker.busy is False


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("model_index.json", '{"unet": ["evil", "Backdoor"]}', "Backdoor"),
        ("model_index.json", "[]", "not a JSON object"),
        ("unet/config.json", "{", "cannot be read"),
        ("unet/config.json", '{"down_block_types": ["Backdoor"]}', "UNet"),
        ("unet/diffusion_pytorch_model.safetensors", None, "no file unet"),
        ("tokenizer/vocab.json", None, "no file tokenizer"),
        ("tokenizer/vocab.json", "{}", "vocabulary"),
        ("text_encoder/config.json", '{"hidden_size": 32}', "do not belong together"),
        ("scheduler/scheduler_config.json", '{"beta_schedule": "odd"}', "odd"),
    ],
)
def test_a_bad_folder_is_a_failed_job_with_one_sentence(
    part, content, words, drawer: Drawer, tmp_path: Path, folder_model: ModelRef
) -> None:
    ref = tiny.write_folder(tmp_path / "bad")
    (tmp_path / "bad" / part).unlink()
    if content is not None:
        (tmp_path / "bad" / part).write_text(content)
    job_id = drawer.submit(ONE, ref)
    drawer.run()
    error = drawer.finished(job_id).error
    assert error is not None
    assert error.code in ("model", "unsafe_file")
    assert words in error.message
    assert len(drawer.images(ONE, folder_model)) == 1  # and the worker goes on
