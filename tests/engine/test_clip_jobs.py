"""Measuring and best-of jobs in the worker."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes.drawing import Drawer, pixels_of
from tests.fakes.tiny_clip import write_clip
from webui.core.measure import Measure, Picture
from webui.core.messages import JobImage, JobScores, JobStep, StopJob
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.engine.pipelines.candidates import plain_text, rounds

ONE = Txt2Img(prompt="a (red:1.2) circle", seed=5, steps=4, width=64, height=64)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return write_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def model(folder_model: ModelRef, judge: ModelRef) -> ModelRef:
    return replace(folder_model, judge=judge)


def png(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    out = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def scores_of(drawer: Drawer, request: Measure, judge: ModelRef) -> JobScores:
    job_id = drawer.submit(request, judge)
    drawer.run()
    assert drawer.finished(job_id).error is None
    (scores,) = drawer.of(JobScores, job_id)
    return scores


# ---- measuring


def test_pictures_are_ranked_and_labels_found_by_the_same_numbers(judge: ModelRef) -> None:
    drawer = Drawer()
    pictures = tuple(Picture.of(f"p{i}", png(i)) for i in range(20))
    ranked = scores_of(drawer, Measure(prompt="a picture of cat", pictures=pictures), judge)
    values = [s.cosine for s in ranked.scores]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.02
    assert sorted(s.name for s in ranked.scores) == sorted(p.name for p in pictures)
    best = ranked.scores[0]
    request = Measure(task="labels", labels=("dog", "cat"), pictures=(pictures[best.index],))
    found = scores_of(drawer, request, judge)
    assert {s.name: s.cosine for s in found.scores}["cat"] == pytest.approx(best.cosine, abs=1e-5)
    assert sum(s.probability for s in found.scores) == pytest.approx(1.0)


def test_a_damaged_picture_fails_its_job_with_a_sentence(judge: ModelRef) -> None:
    drawer = Drawer()
    broken = Picture.of("third", png(1)[:-40])
    job_id = drawer.submit(Measure(prompt="x", pictures=(broken,)), judge)
    drawer.run()
    error = drawer.finished(job_id).error
    assert error is not None
    assert error.message == "Picture third is damaged."


def test_measuring_ends_when_it_is_interrupted_and_gives_the_model_back(judge: ModelRef) -> None:
    drawer = Drawer()
    pictures = tuple(Picture.of(str(i), png(i)) for i in range(30))
    job_id = drawer.submit(Measure(prompt="x", pictures=pictures), judge)
    drawer.run(until=lambda: bool(drawer.of(JobStep, job_id)))
    drawer.worker.handle(StopJob(job_id))
    drawer.run()
    assert drawer.finished(job_id).stopped
    assert not drawer.of(JobScores, job_id)
    drawer.worker.close()
    assert drawer.worker._studio.manager.held_bytes == 0


# ---- best of


@pytest.mark.parametrize(
    ("pictures", "best_of", "expected"),
    [
        (range(4), 1, [range(4)]),
        (range(2, 4), 1, [range(2, 4)]),
        (range(1), 3, [range(3)]),
        (range(2, 3), 3, [range(6, 9)]),
        (range(2), 10, [range(8), range(8, 16), range(16, 20)]),
        (range(10), 2, [range(10), range(10, 20)]),
    ],
)
def test_rounds(pictures: range, best_of: int, expected: list[range]) -> None:
    assert rounds(pictures, best_of) == expected


def test_clip_reads_the_prompt_without_emphasis() -> None:
    assert plain_text("a ((red:1.2) circle),\n[dull] \\(so\\)") == "a red circle, dull (so)"


def test_the_best_candidate_is_kept_with_its_own_seed(model: ModelRef) -> None:
    drawer = Drawer()
    alone = drawer.images(replace(ONE, batch_count=10, clip_score=True), model)
    scores = [image.clip_score or 0.0 for image in alone]
    assert max(scores) - min(scores) > 0.01
    (best,) = drawer.images(replace(ONE, best_of=10), model)
    winner = int(np.argmax(scores))
    assert (best.index, best.drawn, best.seed) == (0, winner, 5 + winner)
    assert best.clip_score == pytest.approx(scores[winner], abs=0.01)
    (again,) = drawer.images(replace(ONE, seed=best.seed), model)
    assert again.clip_score is None
    assert np.abs(pixels_of(again) - pixels_of(best)).max() <= 2


def test_each_picture_of_a_batch_has_candidates_of_its_own(model: ModelRef) -> None:
    drawer = Drawer()
    images = drawer.images(replace(ONE, batch_size=2, batch_count=2, best_of=3), model)
    assert [image.index for image in images] == [0, 1, 2, 3]
    for image in images:
        assert image.drawn in range(3 * image.index, 3 * image.index + 3)
        assert image.seed == 5 + image.drawn


def test_progress_counts_all_rounds(model: ModelRef) -> None:
    drawer = Drawer()
    job_id = drawer.submit(replace(ONE, best_of=20), model)
    drawer.run()
    steps = [(e.step, e.steps, e.image) for e in drawer.of(JobStep, job_id)]
    assert steps[0] == (0, 12, 0)
    assert steps[-1] == (12, 12, 0)
    assert [s for s, _, _ in steps] == sorted(s for s, _, _ in steps)


def second_round(drawer: Drawer, job_id: str) -> Callable[[], bool]:
    return lambda: any(e.step == 5 for e in drawer.of(JobStep, job_id))


def test_an_interrupted_job_sends_the_best_it_has(model: ModelRef) -> None:
    drawer = Drawer()
    job_id = drawer.submit(replace(ONE, batch_count=2, best_of=16), model)
    drawer.run(until=second_round(drawer, job_id))
    drawer.worker.handle(StopJob(job_id))
    drawer.run()
    assert drawer.finished(job_id).stopped
    (image,) = drawer.of(JobImage, job_id)
    assert image.index == 0
    assert image.drawn in range(8)


def test_skipping_goes_on_with_the_next_picture(model: ModelRef) -> None:
    drawer = Drawer()
    job_id = drawer.submit(replace(ONE, batch_count=2, best_of=16), model)
    drawer.run(until=second_round(drawer, job_id))
    drawer.worker.handle(StopJob(job_id, "skip"))
    drawer.run()
    assert not drawer.finished(job_id).stopped
    first, second = drawer.of(JobImage, job_id)
    assert first.drawn in range(8)
    assert second.drawn in range(16, 32)


def test_without_a_clip_model_it_fails_with_a_sentence(folder_model: ModelRef) -> None:
    drawer = Drawer()
    job_id = drawer.submit(replace(ONE, best_of=2), folder_model)
    drawer.run()
    error = drawer.finished(job_id).error
    assert error is not None
    assert error.message == "There is no CLIP model to judge with."
    assert not drawer.of(JobImage, job_id)


def test_the_clip_model_counts_towards_the_budget(model: ModelRef, tmp_path: Path) -> None:
    drawer = Drawer()
    drawer.images(replace(ONE, best_of=2), model)
    with_judge = drawer.stats.cached_bytes
    plain = Drawer()
    plain.images(ONE, model)
    assert with_judge > plain.stats.cached_bytes
    assert "tiny" in drawer.stats.loaded
