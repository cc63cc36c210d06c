"""Upscaling jobs in the worker: pictures in, pictures out, and what happens in between."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.fakes import upscalers as fakes
from tests.fakes.drawing import Drawer, pixels_of
from webui.catalog import Catalog
from webui.core.messages import JobImage, JobPhase, JobSpec, JobStep, RunJob, StopJob
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img, Upscale
from webui.core.upscalers import built_in
from webui.evaluation.measure import measure

ROOT = Path(__file__).resolve().parents[2]


def png(size: tuple[int, int] = (12, 10), seed: int = 0, mode: str = "RGB") -> bytes:
    values = np.random.default_rng(seed).integers(0, 200, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).convert(mode).save(out, "PNG")
    return out.getvalue()


def array(data: bytes) -> NDArray[np.float32]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float32)


def start(drawer: Drawer, pictures: list[bytes], *refs: ModelRef, **fields: Any) -> str:
    """Hand a job over as the queue would."""
    ids = tuple(f"{number}" for number in range(len(pictures)))
    none = built_in("None")
    assert none is not None
    models = (*refs, none)[:2]
    request = Upscale(
        images=ids,
        models=models,
        upscaler=models[0].name,
        upscaler_2=models[1].name,
        **fields,
    )
    job_id = f"job-{len(drawer.events)}"
    kept = tuple(zip(ids, pictures, strict=True))
    drawer.worker.handle(RunJob(JobSpec(job_id, 1, request, models[0], pictures=kept)))
    return job_id


def made(drawer: Drawer, job_id: str) -> list[NDArray[np.float32]]:
    drawer.run()
    assert drawer.finished(job_id).error is None
    return [pixels_of(image) for image in drawer.of(JobImage, job_id)]


def repeated(picture: NDArray[np.float32], times: int) -> NDArray[np.float32]:
    return picture.repeat(times, 0).repeat(times, 1)


def test_pictures_are_enlarged_by_a_model_one_after_another(tmp_path: Path) -> None:
    drawer = Drawer()
    ref = fakes.write_nearest(tmp_path / "4x.safetensors", 4, brighter=0.2)
    pictures = [png((16, 8)), png((40, 24), seed=1, mode="RGBA")]
    job_id = start(drawer, pictures, ref, scale=4, tile=20, overlap=4)
    small, large = made(drawer, job_id)
    assert np.array_equal(small, repeated(array(pictures[0]) + 51, 4))
    assert np.array_equal(large, repeated(array(pictures[1]) + 51, 4)), "seams and all"
    assert [phase.text for phase in drawer.of(JobPhase, job_id)] == ["Loading upscaler"]
    steps = drawer.of(JobStep, job_id)
    assert {(s.image, s.steps, s.images) for s in steps} == {(0, 1, 2), (1, 6, 2)}
    assert steps[-1].step == 6
    drawer.worker.close()
    assert drawer.worker._studio.manager.held_bytes == 0


def test_two_upscalers_are_blended_and_the_middle_is_cut_out(tmp_path: Path) -> None:
    drawer = Drawer()
    plain = fakes.write_nearest(tmp_path / "plain.safetensors", 2)
    bright = fakes.write_nearest(tmp_path / "bright.safetensors", 2, brighter=0.2)
    picture = png((16, 8))
    job_id = start(drawer, [picture], plain, bright, visibility=0.5, width=16, height=16)
    (found,) = made(drawer, job_id)
    middle = repeated(array(picture), 2)[:, 8:24]
    assert np.abs(found - (middle + 25.5)).max() <= 0.5
    steps = [(s.step, s.steps) for s in drawer.of(JobStep, job_id)]
    assert steps == [(1, 2), (2, 2)]


def test_built_in_methods_and_none(tmp_path: Path) -> None:
    drawer = Drawer()
    picture = png((16, 8))
    nearest, none = built_in("Nearest"), built_in("None")
    assert nearest is not None
    assert none is not None
    (large,) = made(drawer, start(drawer, [picture], nearest, scale=2))
    assert np.array_equal(large, repeated(array(picture), 2))
    (same,) = made(drawer, start(drawer, [picture], none, scale=2))
    assert np.array_equal(same, array(picture))


def test_an_interrupted_job_ends_between_two_tiles_and_gives_the_model_back(
    tmp_path: Path,
) -> None:
    drawer = Drawer()
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    job_id = start(drawer, [png((400, 400))] * 2, ref, scale=2, tile=32)
    drawer.run(until=lambda: bool(drawer.of(JobStep, job_id)))
    drawer.worker.handle(StopJob(job_id))
    assert drawer.finished(job_id).stopped
    assert drawer.of(JobImage, job_id) == []
    assert drawer.worker._studio.manager.release_unused()
    assert drawer.worker._studio.manager.held_bytes == 0


def test_a_skipped_picture_is_left_out(tmp_path: Path) -> None:
    drawer = Drawer()
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    job_id = start(drawer, [png((400, 400)), png((16, 8))], ref, scale=2, tile=32)
    drawer.run(until=lambda: bool(drawer.of(JobStep, job_id)))
    drawer.worker.handle(StopJob(job_id, "skip"))
    drawer.run()
    assert not drawer.finished(job_id).stopped
    assert [image.index for image in drawer.of(JobImage, job_id)] == [1]


def test_a_job_that_cannot_be_done_says_why(tmp_path: Path) -> None:
    drawer = Drawer()
    ref = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    damaged = start(drawer, [png()[:-40]], ref)
    gone = start(drawer, [png()], replace(ref, path=f"{ref.path}x", digest="other"))
    drawer.run()
    for job_id, words in ((damaged, "Picture 1 is damaged"), (gone, "not there any more")):
        error = drawer.finished(job_id).error
        assert error is not None
        assert words in error.message


def test_what_is_in_a_picture_of_the_starter_stays_when_it_is_enlarged(tmp_path: Path) -> None:
    drawer = Drawer()
    starter = Catalog(ROOT / "models").resolve("easel-starter")
    prompt = "a large red circle on a white background"
    request = Txt2Img(prompt=prompt, seed=1, steps=12, sampler="Euler", width=64, height=64)
    (drawn,) = drawer.images(request, starter)
    out = io.BytesIO()
    Image.frombytes("RGB", (64, 64), drawn.pixels.data).save(out, "PNG")
    model = fakes.write_nearest(tmp_path / "2x.safetensors", 2)
    (large,) = made(drawer, start(drawer, [out.getvalue()], model, scale=4, tile=48))
    assert large.shape == (256, 256, 3)
    for picture in (pixels_of(drawn), large):
        found = measure(picture.astype(np.uint8))
        assert (found.shape, found.colour, found.count) == ("circle", "red", 1)
        assert found.background_colour == "white"
