"""What one user may ask for, how long a refusal lasts, and what the queue counts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import MODEL, Keeper, draw, make_queue, resolve
from webui.core.errors import ErrorInfo, InvalidRequest, TooMany
from webui.core.measure import Measure, Picture
from webui.core.models import ModelRef
from webui.core.requests import Img2Img, Request, Series
from webui.core.results import LOCAL_CALLER, Caller, JobProgress
from webui.jobs import ExecutorStatus, Job, JobQueue, Journal, WorkerLost
from webui.jobs.estimate import TYPICAL, seconds_left, seconds_until, typical_seconds
from webui.jobs.limits import Limiter, pixels
from webui.jobs.once import Once
from webui.jobs.tally import BOUNDS
from webui.settings.sections import Limits

ANN = Caller("ann", is_admin=False)
BOB = Caller("bob", is_admin=False)
OFF = Limits(waiting_jobs=0, waiting_megapixels=0, per_minute=0)


def waiting(ident: str, **fields: Any) -> Job:
    return Job(
        id=ident, request=draw(**fields), model=MODEL, owner="ann", created=1.0, order=int(ident)
    )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


# ---- the limiter


@pytest.mark.parametrize(
    ("limits", "caller", "count", "refused"),
    [
        (Limits(waiting_jobs=2), ANN, 1, False),
        (Limits(waiting_jobs=2), ANN, 2, True),
        (Limits(waiting_jobs=0), ANN, 99, False),
        (Limits(waiting_jobs=2), LOCAL_CALLER, 99, False),
        (Limits(waiting_jobs=2, administrators=True), LOCAL_CALLER, 2, True),
    ],
)
def test_how_many_jobs_may_wait(limits: Limits, caller: Caller, count: int, refused: bool) -> None:
    jobs = [waiting(str(i)) for i in range(count)]
    limiter = Limiter(limits)
    if not refused:
        limiter.check(caller, [draw()], jobs, lambda _: 0.0)
        return
    with pytest.raises(TooMany, match=r"You have 2 jobs waiting and may have 2; .*cancel some"):
        limiter.check(caller, [draw()], jobs, lambda _: 0.0)


def test_megapixels_are_pictures_times_size_and_candidates() -> None:
    assert pixels(draw(width=64, height=32)) == 2048
    assert pixels(draw(width=64, height=32, batch_count=3, batch_size=2)) == 6 * 2048
    assert pixels(draw(width=64, height=32, best_of=4)) == 4 * 2048
    series = Series(
        base=draw(width=64, height=64), cells=((), (("width", 128),), (("best_of", 3),))
    )
    assert pixels(series) == 64 * 64 * (1 + 2 + 3)
    assert pixels(Measure(prompt="x", pictures=(Picture("1", "AAAA"),) * 2)) == 0


def test_megapixels_are_the_start_pictures_where_only_its_masked_part_is_drawn() -> None:
    sizes = {"large": (4000, 3000), "small": (32, 32)}

    def size(name: str) -> tuple[int, int]:
        return sizes[name]

    part = Img2Img(width=64, height=64, init_image="large", mask="m", inpaint_area="Only masked")
    assert pixels(part, size) == 12_000_000
    assert pixels(replace(part, batch_count=3, best_of=2), size) == 6 * 12_000_000
    for whole in ({"mask": ""}, {"inpaint_area": "Whole picture"}, {"init_image": "small"}):
        assert pixels(replace(part, **whole), size) == 64 * 64
    cells = ((), (("inpaint_area", "Whole picture"),), (("init_image", "small"), ("best_of", 2)))
    assert pixels(Series(base=part, cells=cells), size) == 12_000_000 + 3 * 64 * 64
    limiter = Limiter(Limits(waiting_megapixels=20), start_size=size)
    limiter.check(ANN, [part], [], lambda _: 0.0)
    with pytest.raises(InvalidRequest, match=r"24\.0 megapixels \(.*the start picture's where"):
        limiter.check(ANN, [part, part], [], lambda _: 0.0)


def test_the_refusal_for_megapixels_says_when_there_is_room() -> None:
    limiter = Limiter(Limits(waiting_megapixels=4))
    jobs = [waiting(str(i), width=1000, height=1000) for i in range(4)]
    starts = {"0": 11.0, "1": 22.0, "2": 33.0, "3": 44.0}
    with pytest.raises(TooMany, match=r"6\.0 megapixels .* may have 4") as refused:
        limiter.check(ANN, [draw(width=1000, height=2000)], jobs, starts.__getitem__)
    assert refused.value.retry_after == 22
    limiter.check(ANN, [draw(width=1000, height=2000)], jobs[2:], starts.__getitem__)
    with pytest.raises(
        InvalidRequest, match=r"4\.2 megapixels .* may have 4 waiting; ask for fewer"
    ):
        limiter.check(ANN, [draw(width=2048, height=2048)], [], starts.__getitem__)


def test_submissions_are_a_token_bucket_by_user_and_address() -> None:
    clock = Clock()
    limiter = Limiter(Limits(per_minute=3), clock=clock)
    guests = [Caller("guest", is_admin=False, address=f"10.0.0.{i}") for i in range(2)]
    for caller in (ANN, *guests):
        for _ in range(3):
            limiter.spend(caller)
        with pytest.raises(TooMany, match="3 times a minute") as refused:
            limiter.spend(caller)
        assert refused.value.retry_after == 20
    clock.now += 20
    limiter.spend(ANN)
    with pytest.raises(TooMany):
        limiter.spend(ANN)
    clock.now += 3600
    for _ in range(3):
        limiter.spend(ANN)
    for _ in range(50):
        limiter.spend(LOCAL_CALLER)


# ---- estimates


def test_how_long_until_a_place() -> None:
    assert seconds_until(0, [], 1, 5.0) == 0.0
    assert seconds_until(0, [4.0], 1, 5.0) == 4.0
    assert seconds_until(2, [4.0], 1, 5.0) == 14.0
    assert seconds_until(2, [4.0, 1.0], 2, 5.0) == 6.0
    assert seconds_until(1, [4.0, 9.0], 1, 5.0) == 14.0  # a waiting parent keeps its place


def test_what_a_job_takes_is_what_jobs_took() -> None:
    ended = [
        replace(waiting(str(i)), state="done", started=10.0, finished=10.0 + took)
        for i, took in enumerate((2.0, 4.0, 300.0))
    ]
    failed = replace(ended[0], state="failed", finished=10.0)
    assert typical_seconds([*ended, failed]) == 4.0
    assert typical_seconds([]) == TYPICAL
    running = replace(waiting("1"), state="running", started=10.0)
    assert seconds_left(running, 4.0, now=11.0) == 3.0
    assert seconds_left(running, 4.0, now=99.0) == 0.0
    told = replace(running, progress=JobProgress(seconds_left=7.5))
    assert seconds_left(told, 4.0, now=99.0) == 7.5


# ---- in the queue


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., tuple[JobQueue, FakeExecutor]]]:
    queues: list[JobQueue] = []

    def build(**options: Any) -> tuple[JobQueue, FakeExecutor]:
        executor = FakeExecutor()
        queues.append(make_queue(tmp_path, executor, **options))
        return queues[-1], executor

    yield build
    for queue in queues:
        queue.close()


def test_one_owners_limit_is_not_anothers(make: Callable[..., Any]) -> None:
    queue, _ = make(limits=Limits(waiting_jobs=2))
    queue.submit(draw(), caller=BOB)
    queue.settle()
    anns = [queue.submit(draw(), caller=ANN) for _ in range(2)]
    with pytest.raises(TooMany) as refused:
        queue.submit(draw(), caller=ANN)
    # bob's goes on for the usual time, then the first of ann's begins
    assert refused.value.retry_after == pytest.approx(TYPICAL, abs=1)
    queue.submit(draw(), caller=BOB)
    child = queue.submit(draw(), caller=ANN, parent=anns[0].id)
    assert child.parent == anns[0].id
    queue.cancel(anns[1].id)
    queue.submit(draw(), caller=ANN)
    queue.limits = OFF
    for _ in range(5):
        queue.submit(draw(), caller=ANN)


def test_a_repeated_request_is_not_counted_again(make: Callable[..., Any]) -> None:
    queue, _ = make(limits=Limits(waiting_jobs=1, per_minute=2))
    once = Once.of("key-1", {"prompt": "red"})
    first = queue.submit(draw(), caller=ANN, once=once)
    queue.submit(draw(), caller=ANN)
    for _ in range(5):
        assert queue.submit(draw(), caller=ANN, once=once).id == first.id
    with pytest.raises(TooMany):
        queue.submit(draw(), caller=ANN)


def test_several_at_once_are_refused_as_a_whole(make: Callable[..., Any]) -> None:
    queue, _ = make(limits=Limits(waiting_jobs=3, waiting_megapixels=2))
    queue.submit(draw(), caller=BOB)
    queue.settle()
    queue.submit(draw(), caller=ANN)
    with pytest.raises(TooMany, match="You have 1 jobs waiting and may have 3") as refused:
        queue.submit_all([draw()] * 3, caller=ANN)
    assert refused.value.retry_after == pytest.approx(TYPICAL, abs=1)
    with pytest.raises(InvalidRequest, match="4 jobs and you may have 3 waiting; submit fewer"):
        queue.submit_all([draw()] * 4, caller=ANN)  # waiting for room would not help
    with pytest.raises(InvalidRequest, match=r"2\.1 megapixels"):
        queue.submit_all([draw(width=1024, height=1024)] * 2, caller=ANN)
    assert len(queue.jobs(ANN)) == 1
    assert len(queue.submit_all([draw()] * 2, caller=ANN)) == 2


def test_a_place_is_free_again_however_a_job_leaves_the_queue(make: Callable[..., Any]) -> None:
    queue, worker = make(limits=Limits(waiting_jobs=2, per_minute=0))
    queue.submit(draw(), caller=BOB)
    queue.settle()

    def fill() -> list[str]:
        ids = [queue.submit(draw(), caller=ANN).id for _ in range(2 - waiting_for(ANN))]
        with pytest.raises(TooMany):
            queue.submit(draw(), caller=ANN)
        return ids

    def waiting_for(caller: Caller) -> int:
        return len(queue.jobs(caller, ["queued"]))

    one, _ = fill()
    queue.cancel(one)
    fill()
    for error in (None, ErrorInfo("model", "No.")):
        worker.finish(next(iter(worker.running)), error)
        queue.settle()
        fill()
    worker.lose()  # its job waits again, and runs again at once
    queue.settle()
    assert waiting_for(ANN) == 2
    worker.lose()  # and is given up
    queue.settle()
    fill()


def all_at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What ``act`` gives, or raises, in so many threads that begin together."""
    together = threading.Barrier(count)

    def one(number: int) -> Any:
        together.wait(30)
        try:
            return act(number)
        except TooMany as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_many_threads_at_the_limit_do_not_pass_it(make: Callable[..., Any]) -> None:
    queue, _ = make(limits=Limits(waiting_jobs=5, per_minute=20))
    queue._desk.limiter._clock = Clock()  # stands still
    queue.submit(draw(), caller=BOB)
    queue.settle()
    given = all_at_once(40, lambda _: queue.submit(draw(), caller=ANN))
    assert len(queue.jobs(ANN)) == sum(not isinstance(g, TooMany) for g in given) == 5
    told = [str(g) for g in given if isinstance(g, TooMany)]
    assert sum("a minute" in text for text in told) == 20


def test_one_key_in_many_threads_is_one_job_and_one_submission(tmp_path: Path) -> None:
    together = threading.Barrier(50)  # nobody's request is complete before all have asked

    def slow(request: Request) -> tuple[Request, ModelRef]:
        if not together.broken:
            together.wait(30)
        return resolve(request)

    queue = JobQueue(
        Journal(tmp_path),
        FakeExecutor(),
        resolve=slow,
        keep=Keeper(),
        limits=Limits(per_minute=60),
    )
    queue._desk.limiter._clock = Clock()  # stands still
    once = Once.of("key-1", {"prompt": "red"})
    given = all_at_once(50, lambda _: queue.submit(draw(), caller=ANN, once=once))
    together.abort()
    other = queue.submit(draw(), caller=BOB, once=once)  # the key is each user's own
    assert {job.id for job in given} == {job.id for job in queue.jobs(ANN)}
    assert len(queue.jobs()) == 2
    assert other.owner == "bob"
    for _ in range(59):
        queue._desk.limiter.spend(ANN)
    with pytest.raises(TooMany):
        queue._desk.limiter.spend(ANN)
    queue.close()


def test_the_key_of_a_forgotten_job_is_free(make: Callable[..., Any]) -> None:
    queue, worker = make(keep_jobs=1)
    once = Once.of("key-1", {"prompt": "red"})
    first = queue.submit(draw(), caller=ANN, once=once)
    for _ in range(2):
        queue.submit(draw(), caller=ANN)
    for _ in range(3):
        queue.settle()
        worker.finish(next(iter(worker.running)))
    queue.settle()
    assert queue.submit(draw(), caller=ANN, once=once).id != first.id


def test_a_batch_is_in_the_journal_whole_whenever_the_server_is_killed(tmp_path: Path) -> None:
    copies: list[Path] = []

    class Killed(Journal):
        def put(self, *jobs: Job) -> None:
            super().put(*jobs)
            copies.append(tmp_path / f"copy{len(copies)}")
            copies[-1].mkdir()
            for file in tmp_path.glob("jobs.sqlite*"):
                (copies[-1] / file.name).write_bytes(file.read_bytes())

    once = Once.of("key-1", ["batch"])
    queue = JobQueue(Killed(tmp_path), FakeExecutor(), resolve=resolve, keep=Keeper())
    jobs = queue.submit_all([draw(), draw(), draw()], caller=ANN, once=once)
    queue.settle()
    queue.close()
    for copy in copies:
        again = make_queue(copy, FakeExecutor())
        found = again.submit_all([draw()] * 3, caller=ANN, once=once)
        assert [job.id for job in found] == [job.id for job in jobs]
        again.close()


@pytest.mark.parametrize("drift", [0.0, -1.0])
def test_turns_hold_when_the_clock_stands_still_or_is_set_back(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, drift: float
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr("webui.jobs.desk.time.time", lambda: 1e9 + drift * 60 * next(ticks))
    queue, worker = make(limits=OFF)
    for caller in (ANN, ANN, ANN, ANN, BOB, BOB, BOB):
        queue.submit(draw(), caller=caller)
    order: list[str] = []
    for _ in range(7):
        queue.settle()
        [running] = worker.running
        order.append(queue.get(running).owner)
        worker.finish(running)
    assert order == ["ann", "bob"] * 3 + ["ann"]


def test_owners_take_turns_in_the_queue_also_after_a_restart(make: Callable[..., Any]) -> None:
    queue, worker = make()
    names = {}
    for name, caller in (("a1", ANN), ("a2", ANN), ("a3", ANN), ("b1", BOB), ("b2", BOB)):
        names[queue.submit(draw(name), caller=caller).id] = name
    queue.settle()

    def row(of: JobQueue) -> str:
        jobs = of.jobs(states=("queued",))
        return " ".join(names[j.id] for j in sorted(jobs, key=lambda j: j.position or 0))

    assert row(queue) == "b1 a2 b2 a3"
    worker.finish(next(iter(worker.running)))
    queue.settle()
    assert [names[i] for i in worker.running] == ["b1"]
    assert row(queue) == "a2 b2 a3"
    queue.close()
    again, worker = make()
    assert row(again) == "b1 a2 b2 a3"  # what was interrupted goes first


def test_the_queue_counts_what_it_does(make: Callable[..., Any]) -> None:
    queue, worker = make()
    one = queue.submit(draw(batch_count=2), caller=ANN)
    two = queue.submit(draw(), caller=ANN)
    queue.settle()
    for image in range(2):
        for step in (1, 2, 3):
            worker.step(one.id, step, 3, image)
        worker.image(one.id, image)
    worker.finish(one.id)
    queue.cancel(two.id)
    queue.settle()
    worker.finish(two.id, stopped=True) if two.id in worker.running else None
    queue.settle()
    figures = queue.tally.figures()
    assert figures.finished == {"done": 1, "failed": 0, "cancelled": 1}
    assert (figures.steps, figures.pictures) == (6, 2)
    counts = {name: sum(s.counts) for name, s in figures.stages.items()}
    assert counts["saving"] == 2
    assert counts["running"] >= 1
    assert counts["waiting"] >= 1
    assert all(len(s.counts) == len(BOUNDS) + 1 for s in figures.stages.values())


# ---- how the worker is


def test_availability_and_its_error() -> None:
    status = ExecutorStatus()
    assert (status.availability, status.unavailable()) == ("starting", None)
    assert replace(status, state="starting").unavailable() is None
    assert replace(status, state="ready").availability == "ready"
    lost = status.after(WorkerLost("It was killed.", ready=True))
    assert lost.availability == "lost"
    assert replace(lost, state="starting").availability == "lost"
    error = lost.unavailable()
    assert error is not None
    assert "jobs are kept" in error.message
    assert error.retry_after >= 1
    failed = status.after(WorkerLost("No torch.", ready=False))
    assert failed.availability == "failed"
    error = failed.unavailable()
    assert error is not None
    assert "No torch." in error.message
    assert replace(failed, state="starting").availability == "lost"
