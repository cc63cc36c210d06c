"""Which job A1111's progress is about, and how it counts batches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.fakes.jobs import MODEL, draw
from webui.api.a1111.info import timestamp
from webui.api.a1111.progress import Batches, Progress
from webui.api.a1111.tasks import Tasks
from webui.core.results import Caller, JobProgress
from webui.jobs import Job

ANN = Caller("ann", is_admin=True)


def job(job_id: str, owner: str = "ann", **fields: Any) -> Job:
    own = {"request": draw(), "model": MODEL, "created": 1.0, "order": 1, "state": "running"}
    return Job(id=job_id, owner=owner, **{**own, **fields})


def chosen(jobs: list[Job], tasks: Tasks) -> str | None:
    """The job that ``progress``, ``interrupt`` and ``skip`` are about."""
    queue = SimpleNamespace(jobs=lambda _, states: [j for j in jobs if j.state in states])
    progress = Progress(cast("Any", SimpleNamespace(queue=queue)), tasks)
    found = progress._running(ANN)  # pyright: ignore[reportPrivateUsage]
    return found.id if found else None


def test_the_newest_of_this_api_goes_before_the_pages() -> None:
    tasks = Tasks()
    jobs = [job("old"), job("api"), job("page"), job("bobs", "bob"), job("next", state="queued")]
    assert chosen(jobs, tasks) == "page"
    for known in ("old", "api", "bobs", "next"):
        tasks.add(known, "bob" if known == "bobs" else "ann")
    assert chosen(jobs, tasks) == "api"
    assert chosen([job("bobs", "bob")], tasks) is None


@pytest.mark.parametrize(
    ("count", "size", "image", "expected"),
    [(1, 1, 0, (1, 0)), (3, 2, 0, (3, 0)), (3, 2, 4, (3, 2)), (2, 4, 8, (2, 1))],
)
def test_batches_are_counted_as_a1111_counts(
    count: int, size: int, image: int, expected: tuple[int, int]
) -> None:
    request = draw(batch_count=count, batch_size=size)
    progress = JobProgress(image=image, images=count * size, step=1, steps=4)
    found = Batches.of(job("a", request=request, progress=progress))
    assert (found.count, found.number) == expected
    assert (found.step, found.steps) == (1, 4)


def test_tasks_are_their_owners_and_bounded() -> None:
    tasks = Tasks(most=2)
    tasks.add("a", "ann", "mine")
    tasks.add("b", "bob", "mine")
    assert (tasks.find("ann", "mine"), tasks.find("bob", "mine")) == ("a", "b")
    assert tasks.find("ann", "b") is None
    tasks.add("c", "ann", "mine")
    assert tasks.find("ann", "mine") == "c", "the newest of a name"
    assert "a" not in tasks
    assert (tasks.name("c"), tasks.name("a")) == ("mine", "a")
    tasks.skip("c", 1)
    assert tasks.is_skipped("c", 1)
    assert not tasks.is_skipped("c", 0)


def test_no_time_is_a1111s_zero() -> None:
    assert timestamp(None) == "0"
