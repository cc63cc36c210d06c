"""Checkpoints that are loaded and dropped without a job."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.drawing import Drawer
from webui.core.messages import LoadModel, UnloadModels, WorkerStats
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img


def test_a_checkpoint_is_loaded_before_its_job_and_dropped_after_it(
    folder_model: ModelRef,
) -> None:
    drawer = Drawer()
    drawer.worker.handle(LoadModel(folder_model))
    assert drawer.stats.loaded == (folder_model.name,)
    held = drawer.stats.cached_bytes
    assert held > 0
    drawer.images(Txt2Img(prompt="red", seed=1, steps=2, width=64, height=64), folder_model)
    drawer.worker.handle(UnloadModels())
    assert drawer.stats.loaded == ()
    assert drawer.stats.cached_bytes == 0


def test_what_a_job_is_drawn_with_stays(folder_model: ModelRef) -> None:
    drawer = Drawer()
    request = Txt2Img(prompt="red", seed=1, steps=4, width=64, height=64)
    job_id = drawer.submit(request, folder_model)
    drawer.run(until=lambda: drawer.worker._studio.loop.forwards >= 2)
    drawer.worker.handle(UnloadModels())
    assert drawer.stats.loaded == (folder_model.name,)
    drawer.run()
    assert drawer.finished(job_id).error is None


def test_one_that_cannot_be_loaded_is_seen_from_the_stats(folder_model: ModelRef) -> None:
    drawer = Drawer()
    gone = replace(folder_model, name="gone", path="/nowhere", digest="gone")
    drawer.worker.handle(LoadModel(gone))
    assert drawer.of(WorkerStats)[-1].loaded == ()
