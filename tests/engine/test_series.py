"""A series in the worker: parts share passes and encoded texts, and are what they are alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.fakes.drawing import Drawer, pixels_of
from webui.core.messages import JobImage, JobPhase, JobPreview, JobStep, StopJob
from webui.core.models import ModelRef
from webui.core.requests import Series, Txt2Img
from webui.core.sweep import plan
from webui.engine.conditioning import EmbeddingCache, PromptEncoder

BASE = Txt2Img(prompt="a red circle", negative_prompt="blue", seed=1, steps=4, width=32, height=32)


class CountedText:
    """A text encoder that notes how many texts it was given."""

    def __init__(self, encoder: Any, counts: list[int]) -> None:
        self._encoder = encoder
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, tokens: Sequence[tuple[int, ...]], clip_skip: int) -> Tensor:
        self._counts.append(len(tokens))
        return self._encoder.encode(tokens, clip_skip)


class CountingPrompts(PromptEncoder):
    """The real thing around a counted encoder."""

    def __init__(self) -> None:
        super().__init__(EmbeddingCache())
        self.counts: list[int] = []

    def encode(
        self, texts: Sequence[str], encoder: str, clip_skip: int, lease: Any, *how: Any
    ) -> list[Tensor]:
        @contextmanager
        def counted() -> Iterator[Any]:
            with lease() as text_encoder:
                yield CountedText(text_encoder, self.counts)

        return super().encode(texts, encoder, clip_skip, counted, *how)


def series_of(
    model: ModelRef, *, at_once: int = 4, base: Txt2Img = BASE, **axes: tuple[str, str]
) -> Series:
    given = {place: {"axis": name, "values": values} for place, (name, values) in axes.items()}
    made = plan(replace(base, checkpoint=model.name), {"script": "xyz", **given})
    return replace(made, models=(model,), at_once=at_once)


def counting(drawer: Drawer) -> CountingPrompts:
    prompts = CountingPrompts()
    drawer.worker._studio = replace(drawer.worker._studio, prompts=prompts)
    return prompts


def test_fifty_pictures_of_cfg_and_seed_encode_two_texts(folder_model: ModelRef) -> None:
    drawer = Drawer()
    prompts = counting(drawer)
    base = replace(BASE, steps=1, width=16, height=16)
    series = series_of(folder_model, base=base, x=("cfg_scale", "2-11"), y=("seed", "1-5"))
    job_id = drawer.submit(series, folder_model)
    drawer.run()
    assert drawer.finished(job_id).error is None
    assert sorted(image.index for image in drawer.of(JobImage, job_id)) == list(range(50))
    assert sum(prompts.counts) == 2
    assert len(prompts.counts) == 1
    # The same once more comes from the cache.
    drawer.submit(series, folder_model)
    drawer.run()
    assert sum(prompts.counts) == 2


def test_texts_that_differ_are_encoded_once_each(folder_model: ModelRef) -> None:
    drawer = Drawer()
    prompts = counting(drawer)
    base = replace(BASE, negative_prompt="", steps=1)
    x, y = ("prompt_sr", "red, green, blue"), ("seed", "1-3")
    drawer.submit(series_of(folder_model, base=base, x=x, y=y), folder_model)
    drawer.run()
    assert sum(prompts.counts) == 4  # three prompts and the empty one


def test_parts_share_passes_as_the_pictures_of_a_batch_do(folder_model: ModelRef) -> None:
    drawer = Drawer("exact")
    base = replace(BASE, sampler="Euler")
    series = series_of(folder_model, base=base, x=("seed", "1-2"))
    job_id = drawer.submit(series, folder_model)
    drawer.run()
    # Two pictures of four steps, prompt and negative prompt all in one pass.
    assert drawer.finished(job_id).forwards == drawer.stats.forwards == 4
    batch = drawer.images(replace(base, batch_size=2), folder_model)
    images = sorted(drawer.of(JobImage, job_id), key=lambda image: image.index)
    for image, same in zip(images, batch, strict=True):
        assert (image.index, image.seed) == (same.index, same.seed)
        assert np.abs(pixels_of(image) - pixels_of(same)).max() <= 2


def test_one_at_a_time_a_part_is_what_it_is_alone(folder_model: ModelRef) -> None:
    drawer = Drawer()
    series = series_of(folder_model, at_once=1, x=("sampler", "Euler, DPM++ 2M"))
    job_id = drawer.submit(series, folder_model)
    drawer.run()
    for image in drawer.of(JobImage, job_id):
        (alone,) = drawer.images(series.picture(image.index), folder_model)
        assert np.abs(pixels_of(image) - pixels_of(alone)).max() <= 2


def test_progress_counts_the_whole_and_only_rises(folder_model: ModelRef) -> None:
    drawer = Drawer()
    series = series_of(folder_model, at_once=2, x=("steps", "2, 4, 3"))
    job_id = drawer.submit(series, folder_model, preview_every=1)
    drawer.run()
    steps = drawer.of(JobStep, job_id)
    assert {step.images for step in steps} == {3}
    shares = [(s.image + s.batch * s.step / s.steps) / s.images for s in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {p.image for p in drawer.of(JobPreview, job_id)} <= {0, 2}
    assert {p.job_id for p in drawer.of(JobPhase)} == {job_id}


def test_an_interrupt_ends_what_is_left(folder_model: ModelRef) -> None:
    drawer = Drawer()
    series = series_of(folder_model, at_once=2, x=("seed", "1-6"))
    job_id = drawer.submit(series, folder_model)
    drawer.run(until=lambda: any(s.image == 2 and s.step >= 1 for s in drawer.of(JobStep, job_id)))
    drawer.worker.handle(StopJob(job_id))
    drawer.run()
    assert drawer.finished(job_id).stopped
    assert sorted(i.index for i in drawer.of(JobImage, job_id)) == [0, 1]
    assert drawer.worker._studio.loop.idle


def test_a_skip_leaves_out_what_is_being_drawn(folder_model: ModelRef) -> None:
    drawer = Drawer()
    series = series_of(folder_model, at_once=2, x=("seed", "1-6"))
    job_id = drawer.submit(series, folder_model)
    drawer.run(until=lambda: any(s.image == 2 and s.step >= 1 for s in drawer.of(JobStep, job_id)))
    drawer.worker.handle(StopJob(job_id, "skip"))
    drawer.run()
    end = drawer.finished(job_id)
    assert (end.error, end.stopped) == (None, False)
    assert sorted(i.index for i in drawer.of(JobImage, job_id)) == [0, 1, 4, 5]


def test_each_checkpoint_draws_its_own(folder_model: ModelRef, v_model: ModelRef) -> None:
    drawer = Drawer()
    names = f"{folder_model.name}, {v_model.name}"
    series = series_of(folder_model, at_once=1, x=("checkpoint", names), y=("seed", "1-2"))
    series = replace(series, models=(folder_model, v_model), order=(0, 2, 1, 3))
    job_id = drawer.submit(series, folder_model)
    drawer.run()
    images = drawer.of(JobImage, job_id)
    assert [image.index for image in images] == [0, 2, 1, 3]
    for image, model in zip(images, (folder_model, folder_model, v_model, v_model), strict=True):
        (alone,) = drawer.images(series.picture(image.index), model)
        assert np.abs(pixels_of(image) - pixels_of(alone)).max() <= 2


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_part_that_fails_fails_the_job(folder_model: ModelRef, at_once: int) -> None:
    drawer = Drawer()
    series = series_of(folder_model, at_once=at_once, x=("seed", "1-3"))
    broken = replace(folder_model, path="/nowhere", digest="nothing")
    job_id = drawer.submit(replace(series, models=(broken,)), broken)
    drawer.run()
    assert drawer.finished(job_id).error is not None
    assert drawer.worker._studio.loop.idle
