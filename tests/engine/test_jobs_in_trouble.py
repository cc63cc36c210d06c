"""The worker when something goes wrong around it: files, memory, pipes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.fakes import tiny
from tests.fakes.drawing import Drawer
from webui.core.messages import JobImage, JobSpec, RunJob, StopJob, WorkerEvent
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.engine.conditioning import EmbeddingCache, PromptEncoder
from webui.engine.denoise import ImageRun, StepLoop
from webui.engine.devices import Machine
from webui.engine.models.manager import ModelManager
from webui.engine.pipelines.stages import Studio
from webui.engine.pipelines.txt2img import Txt2ImgDrawing
from webui.engine.preview import Previewer

ONE = Txt2Img(prompt="a red circle", seed=1, steps=4, width=64, height=64)


@pytest.mark.parametrize("layout", ["folder", "file"])
def test_a_file_may_be_overwritten_while_its_model_is_loaded(layout: str, tmp_path: Path) -> None:
    """Weights in the precision they are computed in are the ones that could stay mapped."""
    kind = tiny.Tiny(dtype=torch.float32)
    if layout == "folder":
        ref = tiny.write_folder(tmp_path / "model", kind)
    else:
        ref = tiny.write_file(tmp_path / "model.safetensors", kind)
    drawer = Drawer()
    (before,) = drawer.images(ONE, ref)
    for path in tmp_path.rglob("*.safetensors"):
        size = path.stat().st_size
        with path.open("r+b") as file:  # the same file, as cp and most programs write it
            file.seek(size // 3)
            file.write(bytes(size - size // 3))
    (after,) = drawer.images(ONE, ref)
    assert after.pixels == before.pixels


def test_swapping_checkpoints_keeps_no_file_mapped(tmp_path: Path) -> None:
    kinds = [tiny.Tiny(seed=seed, dtype=torch.float32) for seed in (1, 2)]
    refs = [tiny.write_folder(tmp_path / f"model-{kind.seed}", kind) for kind in kinds]
    drawer = Drawer(model_bytes=16_000_000)
    for turn in range(4):
        drawer.images(replace(ONE, seed=turn, steps=1), refs[turn % 2])
        assert drawer.stats.cached_bytes <= 16_000_000
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(tmp_path) not in maps.read_text()


def test_a_request_that_cannot_be_begun_ends_its_job_and_not_the_worker(
    folder_model: ModelRef,
) -> None:
    request = replace(ONE, hires=True)
    object.__setattr__(request, "hires_cfg_scale", 0.5)  # as an older version let it through
    drawer = Drawer()
    drawer.worker.handle(RunJob(JobSpec("bad", 1, request, folder_model)))
    error = drawer.finished("bad").error
    assert error is not None
    assert "CFG" in error.message
    assert len(drawer.images(ONE, folder_model)) == 1


class FullLoop(StepLoop):
    """A step loop that takes one image and then has no memory."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def add(self, run: ImageRun) -> None:
        if self.taken:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.taken += 1
        super().add(run)


def test_a_script_that_fails_leaves_no_image_in_the_step_loop(folder_model: ModelRef) -> None:
    machine, events, loop = Machine.choose("cpu"), list[WorkerEvent](), FullLoop()
    manager, prompts = ModelManager(machine), PromptEncoder(EmbeddingCache())
    studio = Studio(machine, manager, prompts, loop, Previewer(), events.append)
    spec = JobSpec("job", 1, replace(ONE, batch_size=2), folder_model)
    script = Txt2ImgDrawing(spec, studio).script()
    with pytest.raises(torch.OutOfMemoryError):
        list(script)
    assert loop.taken == 1
    assert loop.idle
    assert manager.release_unused()
    assert manager.held_bytes == 0


def test_the_same_job_twice_and_an_unknown_one_are_no_matter(folder_model: ModelRef) -> None:
    drawer = Drawer("shared")
    for how in ("interrupt", "skip"):
        drawer.worker.handle(StopJob("unknown", how))
    job = drawer.submit(ONE, folder_model)
    drawer.worker.tick()
    drawer.worker.handle(RunJob(JobSpec(job, 1, ONE, folder_model)))
    drawer.run()
    assert drawer.finished(job).error is None
    assert len(drawer.of(JobImage, job)) == 1


def test_fifty_jobs_at_once_are_drawn_together(folder_model: ModelRef) -> None:
    drawer = Drawer("shared")
    jobs = [drawer.submit(replace(ONE, seed=i, steps=2), folder_model) for i in range(50)]
    drawer.run()
    assert all(drawer.finished(job).error is None for job in jobs)
    assert len({drawer.of(JobImage, job)[0].pixels.data for job in jobs}) == 50
    assert drawer.stats.forwards == 2 * 2 * 50 / 8


@pytest.mark.parametrize("ticks", range(12))
@pytest.mark.parametrize("how", ["interrupt", "skip"])
def test_a_job_can_be_stopped_at_any_moment(how, ticks, folder_model: ModelRef) -> None:
    drawer = Drawer()
    request = replace(ONE, steps=2, batch_count=2, batch_size=2)
    job = drawer.submit(request, folder_model)
    for _ in range(ticks):
        if drawer.worker.busy:
            drawer.worker.tick()
    before = {image.index for image in drawer.of(JobImage, job)}
    running = drawer.worker.busy
    drawer.worker.handle(StopJob(job, how))
    drawer.run()
    assert drawer.finished(job).error is None
    assert drawer.finished(job).stopped == (running and how == "interrupt")
    drawn = {image.index for image in drawer.of(JobImage, job)}
    assert before <= drawn
    assert drawn in [{"skip": {2, 3}, "interrupt": set()}[how], {0, 1}, {0, 1, 2, 3}]


@pytest.mark.parametrize("frame", [b"\x03" + bytes(7) + b"abc", b"\xff" * 8 + b"abc"])
def test_a_worker_that_cannot_read_its_server_leaves(frame: bytes) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "webui.engine.worker", "--device=cpu"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    try:
        process.stdin.write(frame)
        process.stdin.flush()
        assert process.wait(timeout=20) == 1
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
