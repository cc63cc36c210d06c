"""The queue, with a worker that the test plays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import Keeper, draw, eventually, make_queue, resolve
from webui.core.errors import (
    Conflict,
    ErrorInfo,
    InvalidRequest,
    ModelError,
    NotFound,
    StorageError,
    TooMany,
    Unavailable,
)
from webui.core.messages import JobFinished, JobStep, RunJob, StopJob
from webui.core.results import LOCAL_CALLER, Caller, JobEvent, SavedImage
from webui.jobs import Job, JobQueue, Journal

ANN = Caller("ann", is_admin=False)
BOB = Caller("bob", is_admin=False)


class Bench:
    """A queue, its fake worker and its keeper."""

    def __init__(self, data: Path, **options: Any) -> None:
        self.data = data
        self.worker = FakeExecutor()
        self.keep = options.pop("keep", None) or Keeper()
        self.queue = make_queue(data, self.worker, self.keep, **options)

    def submit(self, prompt: str = "red", **options: Any) -> str:
        """Submit a request and return the job's id once the queue has come to rest."""
        caller = options.pop("caller", LOCAL_CALLER)
        order = {k: options.pop(k) for k in ("parent", "priority") if k in options}
        job = self.queue.submit(draw(prompt, **options), caller=caller, **order)
        assert self.queue.settle()
        return job.id

    def say(self, tell: Callable[..., None], *args: Any, **options: Any) -> None:
        """Let the worker say something and wait until the queue has dealt with it."""
        tell(*args, **options)
        assert self.queue.settle()

    def state(self, job_id: str) -> str:
        return self.queue.get(job_id).state

    def waiting(self) -> list[str]:
        jobs = [j for j in self.queue.jobs() if j.state == "queued"]
        return [j.id for j in sorted(jobs, key=lambda j: j.position or 0)]

    def kinds(self, job_id: str) -> list[str]:
        return [e.kind for e in self.queue.events(0, job_id=job_id)]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def build(data: Path = tmp_path, **options: Any) -> Bench:
        benches.append(Bench(data, **options))
        return benches[-1]

    yield build
    for bench in benches:
        bench.queue.close()


def test_a_job_from_submission_to_its_pictures(make: Callable[..., Bench]) -> None:
    b = make(preview_every=2)
    job_id = b.submit("a red circle", seed=-1, batch_count=2)
    spec = b.worker.running[job_id]
    assert (spec.attempt, spec.preview_every, spec.model.name) == (1, 2, "fake")
    assert spec.request == resolve(draw("a red circle", seed=-1, batch_count=2))[0]
    b.say(b.worker.phase, job_id, "Loading checkpoint")
    b.say(b.worker.step, job_id, 1, 3)
    b.say(b.worker.preview, job_id, b"frame one")
    b.say(b.worker.preview, job_id, b"frame two")
    assert b.queue.preview(job_id) == (2, b"frame two")
    progress = b.queue.get(job_id).progress
    assert (progress.phase, progress.step, progress.steps) == ("Loading checkpoint", 1, 3)
    assert progress.fraction == pytest.approx(1 / 6)
    b.say(b.worker.image, job_id, 0)
    b.say(b.worker.image, job_id, 1)
    b.say(b.worker.finish, job_id)
    job = b.queue.wait(job_id, 1)
    assert (job.state, job.progress.fraction, job.error) == ("done", 1.0, None)
    assert [(i.index, i.seed) for i in job.images] == [(0, 1234), (1, 1235)]
    assert b.queue.preview(job_id) is None
    assert b.kinds(job_id) == [
        "queued", "started", "progress", "progress", "preview", "preview", "image", "image", "done",
    ]  # fmt: skip
    events = b.queue.events(0, job_id=job_id)
    assert events[0].position == 0
    assert events[6].image == job.images[0]
    assert [e.seq for e in events] == list(range(events[0].seq, events[0].seq + 9))


def test_what_cannot_be_resolved_is_told_to_the_caller_and_not_journalled(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    b = make()
    with pytest.raises(ModelError, match="broken"):
        b.submit(checkpoint="broken")
    with pytest.raises(InvalidRequest):
        b.submit(steps=0)
    with pytest.raises(NotFound):
        b.submit(parent="nobody")
    assert b.queue.jobs() == []
    assert b.queue.events(0) == []


def test_capacity_and_order(make: Callable[..., Bench]) -> None:
    b = make(capacity=2)
    a, c, d, e = (b.submit(p) for p in "acde")
    urgent = b.submit("u", priority=5)
    assert set(b.worker.running) == {a, c}
    assert b.waiting() == [urgent, d, e]
    assert b.queue.get(e).position == 2
    b.say(b.worker.finish, c)
    assert set(b.worker.running) == {a, urgent}
    b.say(b.worker.finish, a)
    assert set(b.worker.running) == {urgent, d}
    assert b.waiting() == [e]


def test_positions_are_announced_when_they_change(make: Callable[..., Bench]) -> None:
    b = make()
    first, second, third = (b.submit(p) for p in "abc")
    b.say(b.worker.finish, first)
    told = [e.position for e in b.queue.events(0, job_id=third) if e.kind == "queued"]
    assert told == [1, 0]
    assert b.kinds(second)[-1] == "started"


def test_moving_and_priority_change_who_is_next(make: Callable[..., Bench]) -> None:
    b = make()
    busy, *rest = (b.submit(p) for p in "xabc")
    a, c, d = rest
    assert b.queue.move(d, 0).position == 0
    assert b.waiting() == [d, a, c]
    assert b.queue.move(d, 99).position == 2
    assert b.queue.prioritize(c, 7).position == 0
    assert b.queue.move(a, 0).position == 0
    assert b.waiting() == [a, c, d]
    with pytest.raises(Conflict):
        b.queue.move(busy, 0)
    with pytest.raises(NotFound):
        b.queue.move("nobody", 0)
    b.say(b.worker.finish, busy)
    assert list(b.worker.running) == [a]


def test_a_queued_job_is_cancelled_at_once(make: Callable[..., Bench]) -> None:
    b = make()
    running, waiting = b.submit(), b.submit()
    assert b.queue.cancel(waiting).state == "cancelled"
    assert b.kinds(waiting)[-1] == "cancelled"
    assert b.worker.stops == []
    assert b.queue.cancel(waiting).state == "cancelled"
    b.say(b.worker.finish, running)
    assert b.worker.running == {}
    with pytest.raises(NotFound):
        b.queue.cancel("nobody")


def test_an_interrupted_job_keeps_its_finished_pictures(make: Callable[..., Bench]) -> None:
    b = make()
    job_id = b.submit(batch_count=3)
    b.say(b.worker.image, job_id, 0)
    job = b.queue.interrupt(job_id)
    assert (job.state, job.stopping) == ("running", True)
    assert b.worker.stops == [StopJob(job_id, "interrupt")]
    b.say(b.worker.finish, job_id, stopped=True)
    job = b.queue.get(job_id)
    assert (job.state, len(job.images), job.error) == ("cancelled", 1, None)


def test_skip_reaches_the_worker_only_while_the_job_runs(make: Callable[..., Bench]) -> None:
    b = make()
    running, waiting = b.submit(), b.submit()
    assert b.queue.skip(running).state == "running"
    assert b.queue.skip(waiting).state == "queued"
    assert b.worker.stops == [StopJob(running, "skip")]


def test_a_failed_job_has_its_sentence_and_the_next_one_runs(make: Callable[..., Bench]) -> None:
    b = make()
    bad, good = b.submit(), b.submit()
    error = ErrorInfo("out_of_memory", "There is not enough memory for this.")
    b.say(b.worker.finish, bad, error)
    assert (b.state(bad), b.queue.get(bad).error) == ("failed", error)
    assert b.queue.events(0, job_id=bad)[-1].error == error
    assert list(b.worker.running) == [good]


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (StorageError("The output folder is full."), "The output folder is full."),
        (KeyError("surprise"), "Unexpected KeyError"),
    ],
)
def test_a_picture_that_cannot_be_kept_fails_its_job_and_not_the_queue(
    make: Callable[..., Bench], trouble: Exception, sentence: str
) -> None:
    b = make()
    bad, good = b.submit(batch_count=2), b.submit()
    b.keep.trouble = trouble
    b.say(b.worker.image, bad, 0)
    assert b.worker.stops == [StopJob(bad, "interrupt")]
    b.say(b.worker.image, bad, 1)
    assert b.keep.calls == 1
    b.say(b.worker.finish, bad, stopped=True)
    error = b.queue.get(bad).error
    assert (b.state(bad), sentence in (error.message if error else "")) == ("failed", True)
    b.keep.trouble = None
    b.say(b.worker.image, good)
    b.say(b.worker.finish, good)
    assert b.state(good) == "done"


def test_what_is_made_of_a_jobs_pictures_is_kept_before_it_ends(make: Callable[..., Bench]) -> None:
    seen: list[int] = []

    def round_off(job: Job) -> list[SavedImage]:
        seen.append(len(job.images))
        if job.request.prompt == "trouble":
            raise KeyError("surprise")
        return [replace(job.images[0], id="grid", index=2)]

    b = make(round_off=round_off)
    whole, stopped, bad, trouble = (b.submit(p, batch_count=2) for p in ("a", "b", "c", "trouble"))
    error = ErrorInfo("model", "No.")
    for job_id, said in ((whole, None), (stopped, None), (bad, error), (trouble, None)):
        b.say(b.worker.image, job_id)
        b.say(b.worker.finish, job_id, said, stopped=job_id == stopped)
    assert [b.state(i) for i in (whole, stopped, bad, trouble)] == [
        "done", "cancelled", "failed", "done",
    ]  # fmt: skip
    assert seen == [1, 1, 1]  # a failed job is not asked for
    assert [len(b.queue.get(i).images) for i in (whole, stopped, bad, trouble)] == [2, 2, 1, 1]
    assert b.kinds(whole)[-3:] == ["image", "image", "done"]


def test_a_lost_worker_runs_its_job_once_more_from_the_same_seed(
    make: Callable[..., Bench],
) -> None:
    b = make()
    job_id, other = b.submit(seed=-1, batch_count=2), b.submit()
    first = b.worker.running[job_id]
    b.say(b.worker.image, job_id, 0)
    b.say(b.worker.lose)
    again = b.worker.running[job_id]
    assert again == replace(first, attempt=2)
    assert b.state(other) == "queued"
    assert b.kinds(other) == ["queued"]
    b.say(b.worker.image, job_id, 0)
    b.say(b.worker.image, job_id, 1)
    b.say(b.worker.finish, job_id)
    assert [i.index for i in b.queue.get(job_id).images] == [0, 1]
    assert len(b.keep.kept) == 2
    assert list(b.worker.running) == [other]


def test_a_job_that_ends_two_workers_fails_and_the_next_one_runs(
    make: Callable[..., Bench],
) -> None:
    b = make()
    poison, other = b.submit(), b.submit()
    b.say(b.worker.lose)
    b.say(b.worker.lose, "The drawing process was ended by signal SIGSEGV.")
    error = b.queue.get(poison).error
    assert error is not None
    assert error.code == "worker_died"
    assert "SIGSEGV" in error.message
    assert list(b.worker.running) == [other]
    assert b.queue.get(other).attempts == 1


def test_of_several_in_a_lost_worker_only_the_guilty_one_fails(make: Callable[..., Bench]) -> None:
    b = make(capacity=4)
    one, guilty, three, four = (b.submit(p) for p in "abcd")
    fifth = b.submit("e")
    b.say(b.worker.lose)
    assert list(b.worker.running) == [one]
    b.say(b.worker.finish, one)
    assert list(b.worker.running) == [guilty]
    b.say(b.worker.lose)
    assert b.state(guilty) == "failed"
    assert list(b.worker.running) == [three]
    b.say(b.worker.finish, three)
    b.say(b.worker.finish, four)
    assert [b.state(j) for j in (one, three, four)] == ["done"] * 3
    assert list(b.worker.running) == [fifth]


def test_a_job_being_stopped_is_not_run_again(make: Callable[..., Bench]) -> None:
    b = make()
    job_id = b.submit()
    b.queue.interrupt(job_id)
    b.say(b.worker.lose)
    assert b.state(job_id) == "cancelled"


def test_words_about_an_earlier_attempt_are_ignored(make: Callable[..., Bench]) -> None:
    b = make()
    job_id = b.submit()
    b.say(b.worker.lose)
    b.say(b.worker.emit, JobFinished(job_id, attempt=1))
    b.say(b.worker.emit, JobStep("nobody", 1, 2, 0, 1))
    assert b.state(job_id) == "running"


def test_a_worker_that_does_not_stop_is_restarted_without_blame(make: Callable[..., Bench]) -> None:
    b = make(capacity=2, stop_patience=0.05)
    stuck, other = b.submit(), b.submit()
    b.queue.interrupt(stuck)
    assert eventually(lambda: b.state(stuck) == "cancelled")
    assert len(b.worker.restarts) == 1
    assert b.queue.settle()
    job = b.queue.get(other)
    assert (job.state, job.attempts, job.losses) == ("running", 2, 0)


def test_a_stop_from_before_the_worker_knew_the_job_is_repeated(
    make: Callable[..., Bench],
) -> None:
    b = make()
    job_ids: list[str] = []
    send = b.worker.send

    def stop_first(command: Any) -> None:
        if isinstance(command, RunJob):
            job_ids.append(command.spec.job_id)
            b.queue.interrupt(command.spec.job_id)
        send(command)

    b.worker.send = stop_first
    b.submit()
    kinds = [type(c).__name__ for c in b.worker.commands]
    assert kinds == ["StopJob", "RunJob", "StopJob"]


# ---- parents and children


def test_a_child_runs_while_its_parent_waits_at_capacity_one(make: Callable[..., Bench]) -> None:
    b = make(capacity=1)
    parent, stranger = b.submit("p"), b.submit("s")
    child = b.submit("c", parent=parent)
    grandchild = b.submit("g", parent=child)
    assert list(b.worker.running) == [parent, child, grandchild]
    b.say(b.worker.finish, grandchild)
    b.say(b.worker.finish, child)
    assert list(b.worker.running) == [parent]
    b.say(b.worker.finish, parent)
    assert list(b.worker.running) == [stranger]
    with pytest.raises(Conflict):
        b.submit(parent=parent)


def test_a_thread_may_draw_inside_its_own_draw(make: Callable[..., Bench]) -> None:
    b = make(capacity=1)
    parent = b.submit("p")
    found: list[str] = []

    def script() -> None:
        child = b.queue.submit(draw("c"), caller=LOCAL_CALLER, parent=parent)
        found.append(b.queue.wait(child.id, 5).state)

    thread = threading.Thread(target=script)
    thread.start()
    assert eventually(lambda: len(b.worker.running) == 2)
    b.say(b.worker.finish, list(b.worker.running)[1])
    thread.join(2)
    assert found == ["done"]


def test_ending_a_parent_ends_its_children(make: Callable[..., Bench]) -> None:
    b = make()
    parent = b.submit("p")
    first = b.submit("a", parent=parent)
    second = b.submit("b", parent=parent)
    b.queue.cancel(parent)
    assert b.state(second) == "cancelled"
    assert b.worker.stops == [StopJob(parent), StopJob(first)]


def test_a_child_that_ends_workers_takes_its_parent_with_it_only_so_often(
    make: Callable[..., Bench],
) -> None:
    b = make()
    parent = b.submit("p")
    child = b.submit("c", parent=parent)
    b.say(b.worker.lose)
    assert list(b.worker.running) == [child]
    b.say(b.worker.lose)
    assert b.state(child) == "failed"
    assert list(b.worker.running) == [parent]
    assert b.queue.get(parent).losses == 0


# ---- people, limits, closing


def test_people_see_their_own_jobs_and_admins_all(make: Callable[..., Bench]) -> None:
    b = make()
    anns, bobs = b.submit(caller=ANN), b.submit(caller=BOB)
    assert [j.id for j in b.queue.jobs(ANN)] == [anns]
    assert [j.id for j in b.queue.jobs(LOCAL_CALLER)] == [anns, bobs]
    assert [j.id for j in b.queue.jobs(states=("queued",))] == [bobs]
    assert b.queue.get(anns).owner == "ann"


def test_a_full_queue_refuses_with_a_sentence(make: Callable[..., Bench]) -> None:
    b = make(max_queued=2)
    for _ in range(3):
        b.submit()
    with pytest.raises(TooMany, match="2 of 2 places in the queue are taken") as refused:
        b.submit()
    assert 1 <= refused.value.retry_after <= 600
    assert len(b.queue.jobs()) == 3


def test_ended_jobs_are_forgotten_after_so_many(make: Callable[..., Bench]) -> None:
    b = make(keep_jobs=2)
    jobs = [b.submit() for _ in range(4)]
    for job_id in jobs[:3]:
        b.say(b.worker.finish, job_id)
    assert [j.id for j in b.queue.jobs()] == jobs[1:]
    with pytest.raises(NotFound):
        b.queue.get(jobs[0])


def test_the_worker_starts_with_the_first_job_or_when_told(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    b = make()
    assert not b.worker.started
    b.submit()
    assert b.worker.started
    told = make(tmp_path / "other")
    told.queue.start()
    told.queue.start()
    assert told.worker.started
    assert told.queue.status.state == "ready"


def test_nobody_waits_on_a_slow_disk_but_the_pictures(make: Callable[..., Bench]) -> None:
    b = make(capacity=2)
    slow, quick = b.submit(), b.submit()
    b.keep.hold.clear()
    b.worker.image(slow)
    assert eventually(lambda: b.keep.calls == 1)
    began = time.monotonic()
    waiting = b.queue.submit(draw(), caller=ANN).id
    b.queue.get(quick)
    b.queue.interrupt(slow)
    b.queue.cancel(waiting)
    assert b.queue.jobs(ANN)[0].state == "cancelled"
    assert time.monotonic() - began < 0.5
    assert StopJob(slow, "interrupt") in b.worker.stops
    b.keep.hold.set()


def test_progress_is_not_published_faster_than_anyone_reads(make: Callable[..., Bench]) -> None:
    b = make(progress_interval=60.0)
    job_id = b.submit(steps=100)
    for step in range(1, 101):
        b.say(b.worker.step, job_id, step, 100)
        assert b.queue.get(job_id).progress.step == step
    steps = [e.progress.step for e in b.queue.events(0, job_id=job_id)
             if e.kind == "progress" and e.progress]  # fmt: skip
    assert steps == [1, 100]


def test_the_queue_thread_refuses_to_wait_for_itself(make: Callable[..., Bench]) -> None:
    seen: list[str] = []

    class Waiting(Keeper):
        def __call__(self, job: Job, image: Any) -> Any:
            try:
                b.queue.wait(job.id, 5)
            except RuntimeError as error:
                seen.append(str(error))
            return super().__call__(job, image)

    b = make(keep=Waiting())
    job_id = b.submit()
    b.say(b.worker.image, job_id)
    assert seen


def test_wait_returns_what_is_known_after_the_timeout(make: Callable[..., Bench]) -> None:
    b = make()
    job_id = b.submit()
    assert b.queue.wait(job_id, 0.01).state == "running"
    with pytest.raises(NotFound):
        b.queue.wait("nobody", 0.01)


def test_a_subscriber_may_use_the_queue(make: Callable[..., Bench]) -> None:
    b = make()
    followed: list[str] = []

    def follow(event: JobEvent) -> None:
        if event.kind == "done" and not followed:
            followed.append(b.queue.submit(draw("next"), caller=ANN).id)

    end = b.queue.subscribe(follow)
    job_id = b.submit()
    b.say(b.worker.finish, job_id)
    assert eventually(lambda: bool(followed))
    end()


def test_closing_leaves_queued_jobs_queued_and_running_ones_to_run_again(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    b = make()
    running, *waiting = (b.submit(p) for p in "abcd")
    b.queue.move(waiting[2], 0)
    b.say(b.worker.image, running, 0)
    polls: list[Any] = []
    threads = [
        threading.Thread(target=lambda: polls.append(b.queue.wait(running, 30))),
        threading.Thread(target=lambda: polls.append(b.queue.events(b.queue.last_seq, 30))),
    ]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    b.queue.close()
    b.queue.close()
    for thread in threads:
        thread.join(1)
    assert time.monotonic() - began < 1
    assert len(polls) == 2
    assert b.worker.closed
    with pytest.raises(Unavailable, match="closing"):
        b.queue.submit(draw(), caller=ANN)
    again = make(tmp_path)
    assert again.waiting() == [running, waiting[2], waiting[0], waiting[1]]
    assert len(again.queue.get(running).images) == 1
    again.queue.start()
    assert again.queue.settle()
    assert again.worker.running[running].attempt == 1


def test_jobs_survive_a_server_that_never_said_goodbye(
    make: Callable[..., Bench], tmp_path: Path
) -> None:
    b = make()
    parent, waiting = b.submit("p", seed=-1), b.submit("w")
    child = b.submit("c", parent=parent)
    spec = b.worker.running[parent]
    stopping = b.submit("s", parent=child)
    b.queue.interrupt(stopping)
    copy = tmp_path / "after"
    copy.mkdir()
    for file in tmp_path.glob("jobs.sqlite*"):
        (copy / file.name).write_bytes(file.read_bytes())
    again = make(copy)
    assert again.waiting() == [parent, waiting]
    assert [again.state(j) for j in (child, stopping)] == ["cancelled"] * 2
    again.queue.start()
    assert again.queue.settle()
    assert again.worker.running[parent] == replace(spec, attempt=2)


def test_a_job_whose_attempt_cannot_be_written_fails_and_is_not_started(tmp_path: Path) -> None:
    class FullDisk(Journal):
        full = False

        def put(self, *jobs: Job) -> None:
            if self.full:
                raise StorageError("The job journal could not be written: the disk is full.")
            super().put(*jobs)

    journal, worker = FullDisk(tmp_path), FakeExecutor()
    queue = JobQueue(journal, worker, resolve=resolve, keep=Keeper())
    first = queue.submit(draw(), caller=ANN)
    second = queue.submit(draw(), caller=ANN)
    assert queue.settle()
    journal.full = True
    with pytest.raises(StorageError):
        queue.submit(draw(), caller=ANN)
    worker.finish(first.id)
    assert queue.settle()
    assert queue.get(first.id).state == "done"
    error = queue.get(second.id).error
    assert error is not None
    assert error.code == "storage"
    assert worker.running == {}
    journal.full = False
    third = queue.submit(draw(), caller=ANN)
    assert queue.settle()
    assert list(worker.running) == [third.id]
    queue.close()
