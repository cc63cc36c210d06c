"""The queue over the real worker: in this process, in its own, and killed in the middle."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import tiny
from tests.fakes.jobs import Keeper, eventually
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.jobs import Executor, InlineExecutor, JobQueue, Journal, LocalExecutor

REQUEST = Txt2Img(
    prompt="a red circle", sampler="Euler a", steps=6, seed=1, width=64, height=64, batch_size=2
)
ARGUMENTS = ("--device=cpu", "--dtype=float32", "--batching=exact")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return tiny.write_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def inline_pictures(model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Keeper:
    """The request's pictures as drawn in this process."""
    keep = Keeper()
    queue = queue_over(InlineExecutor(ARGUMENTS), model, tmp_path_factory.mktemp("data"), keep)
    job = queue.submit(REQUEST, caller=LOCAL_CALLER)
    assert queue.wait(job.id, 60).error is None
    queue.close()
    return keep


@pytest.fixture
def local() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(ARGUMENTS)
    yield executor
    executor.close()


def queue_over(executor: Executor, model: ModelRef, data: Path, keep: Keeper) -> JobQueue:
    return JobQueue(
        Journal(data), executor, resolve=lambda r: (r, model), keep=keep, preview_every=3
    )


def pictures(keep: Keeper) -> list[bytes]:
    return [keep.kept[key].pixels.data for key in sorted(keep.kept, key=lambda k: k[1])]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_worker_killed_in_the_middle_of_a_step_draws_the_same_pictures_again(
    local: LocalExecutor, model: ModelRef, inline_pictures: Keeper, tmp_path: Path
) -> None:
    keep = Keeper()
    queue = queue_over(local, model, tmp_path, keep)
    long = queue.submit(replace(REQUEST, steps=150, batch_count=4), caller=LOCAL_CALLER)
    job = queue.submit(REQUEST, caller=LOCAL_CALLER)
    assert eventually(lambda: queue.get(long.id).progress.step > 2, 60)
    assert queue.status.state == "ready"
    pid = local.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: queue.get(long.id).attempts == 2, 60)
    assert eventually(lambda: queue.get(long.id).progress.step > 2, 60)
    queue.interrupt(long.id)
    assert queue.wait(long.id, 60).state == "cancelled"
    keep.kept.clear()
    done = queue.wait(job.id, 60)
    assert (done.state, done.attempts) == ("done", 1)
    assert pictures(keep) == pictures(inline_pictures)
    assert local.pid != pid
    kinds = {e.kind for e in queue.events(0, job_id=job.id)}
    assert {"queued", "started", "progress", "image", "done"} <= kinds
    queue.close()


def test_a_checkpoint_deleted_after_submission_fails_its_job_with_a_sentence(
    model: ModelRef, tmp_path: Path
) -> None:
    gone = replace(model, name="gone", path=str(tmp_path / "gone"), digest="gone")
    queue = queue_over(InlineExecutor(ARGUMENTS), gone, tmp_path, Keeper())
    job = queue.wait(queue.submit(REQUEST, caller=LOCAL_CALLER).id, 60)
    assert job.error is not None
    assert (job.state, job.error.code) == ("failed", "model")
    assert "gone is not there any more" in job.error.message
    queue.close()


def test_a_worker_that_cannot_be_set_up_fails_its_job_with_the_reason(
    model: ModelRef, tmp_path: Path
) -> None:
    executor = InlineExecutor(("--device=nonsense",))
    queue = queue_over(executor, model, tmp_path, Keeper())
    job = queue.wait(queue.submit(REQUEST, caller=LOCAL_CALLER).id, 60)
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.message.startswith("The drawing process could not start. There is no device")
    queue.close()
