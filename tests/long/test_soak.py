"""Hours in minutes: many jobs through the real worker, and nothing grows or is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.fakes.jobs import eventually
from webui.app import open_services
from webui.core.requests import Txt2Img
from webui.core.results import LOCAL_CALLER
from webui.jobs import Job
from webui.services import Services
from webui.settings import load_settings

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
ROOT = Path(__file__).resolve().parents[2]
STARTER = Path("checkpoints", "easel-starter")
SAMPLERS = ("Euler", "Euler a", "Heun", "LMS", "DPM++ 2M", "DPM++ 2M SDE", "DDIM")


@pytest.fixture(params=["exact", "shared"])
def services(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Services]:
    """Services with the real worker process and two copies of the starter."""
    for name in ("one", "two"):
        shutil.copytree(ROOT / "models" / STARTER, tmp_path / "models" / "checkpoints" / name)
    settings = load_settings(
        {
            "paths.models": tmp_path / "models",
            "paths.outputs": tmp_path / "outputs",
            "paths.data": tmp_path / "data",
            "jobs.batching": request.param,
            "jobs.preview_every": 2,
        },
        environ={},
    )
    with open_services(settings) as services:
        yield services


def submit(services: Services, index: int) -> Job:
    """A job that differs from its neighbours in everything."""
    request = Txt2Img(
        prompt=f"a red star number {index} on a blue background",
        checkpoint=("one", "two")[index // 10 % 2],
        sampler=SAMPLERS[index % len(SAMPLERS)],
        steps=2 + index % 5,
        width=64 + 8 * (index % 3),
        height=64,
        batch_size=1 + index % 3,
        cfg_scale=1.0 + index % 7,
        seed=index,
    )
    return services.queue.submit(request, caller=LOCAL_CALLER)


def worker_mb(services: Services) -> float:
    """Resident memory of the worker process in MB."""
    ready = services.queue.status.ready
    assert ready is not None
    return psutil.Process(ready.pid).memory_info().rss / 2**20


def run(services: Services, first: int, count: int) -> None:
    """Submit that many jobs, stop every seventh early, and wait for all."""
    jobs = [submit(services, index) for index in range(first, first + count)]
    for job in jobs[::7]:
        services.queue.interrupt(job.id)
    for job in jobs:
        ended = services.queue.wait(job.id, timeout=600)
        assert ended.state in ("done", "cancelled"), ended.error
        if ended.state == "done":
            assert len(ended.images) == ended.request.count
            assert all(Path(image.path).exists() for image in ended.images)


def test_three_hundred_jobs_lose_nothing_and_do_not_grow(services: Services) -> None:
    run(services, 0, 100)
    before = worker_mb(services)
    own = psutil.Process().memory_info().rss / 2**20
    run(services, 100, 200)
    assert services.queue.status.restarts == 0
    assert worker_mb(services) < before * 1.15 + 30
    assert psutil.Process().memory_info().rss / 2**20 < own * 1.15 + 60


def kill_worker(services: Services, killed: set[int]) -> None:
    """Kill the worker while it draws jobs that no worker was lost with before.

    A job that was there twice is given up: that is another test's business.
    """

    def ready() -> bool:
        running = services.queue.jobs(None, ["running"])
        pid = getattr(services.queue.status.ready, "pid", None)
        innocent = bool(running) and all(job.losses == 0 for job in running)
        return innocent and pid is not None and pid not in killed

    assert eventually(ready, timeout=120)
    worker = services.queue.status.ready
    assert worker is not None
    killed.add(worker.pid)
    psutil.Process(worker.pid).kill()


def test_a_worker_killed_again_and_again_loses_no_job(services: Services) -> None:
    jobs = [submit(services, index) for index in range(90)]
    killed: set[int] = set()
    for _ in range(3):
        kill_worker(services, killed)
    states = [services.queue.wait(job.id, timeout=600).state for job in jobs]
    assert len(killed) == 3
    assert set(states) == {"done"}
