"""What every executor promises, and what only a worker process of its own can."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.fakes.jobs import MODEL, Keeper, draw, eventually, make_queue
from tests.fakes.worker import colour_of
from webui.core.messages import (
    JobFinished,
    JobImage,
    JobPhase,
    JobPreview,
    JobSpec,
    JobStarted,
    JobStep,
    RunJob,
    StopJob,
    WorkerReady,
    WorkerStats,
)
from webui.core.results import LOCAL_CALLER
from webui.jobs import Executor, ExecutorEvent, InlineExecutor, LocalExecutor, WorkerLost
from webui.jobs.executor import OnEvent

FAKE = "tests.fakes.worker"
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


class Make(Protocol):
    """What makes an executor of one kind over the fake worker, with these arguments."""

    def __call__(self, *argv: str, module: str = FAKE, **options: Any) -> Executor: ...


class Listener:
    """Collects an executor's events and waits for them."""

    def __init__(self, executor: Executor, hear: OnEvent | None = None) -> None:
        self.executor = executor
        self.events: list[ExecutorEvent] = []
        executor.start(hear or self.hear)

    def hear(self, event: ExecutorEvent) -> None:
        self.events.append(event)

    def run(self, job_id: str, prompt: str = "red", attempt: int = 1, **fields: Any) -> None:
        spec = JobSpec(job_id, attempt, draw(prompt, **fields), MODEL, preview_every=2)
        self.executor.send(RunJob(spec))

    def of(self, job_id: str, *kinds: type) -> list[Any]:
        mine = [e for e in self.events if getattr(e, "job_id", None) == job_id]
        return [e for e in mine if not kinds or isinstance(e, kinds)]

    def ended(self, job_id: str) -> JobFinished:
        assert eventually(lambda: bool(self.of(job_id, JobFinished))), self.events
        return self.of(job_id, JobFinished)[0]

    def lost(self) -> list[WorkerLost]:
        return [e for e in self.events if isinstance(e, WorkerLost)]


def local(*argv: str, module: str = FAKE, **options: Any) -> LocalExecutor:
    return LocalExecutor(argv, module=module, **{"backoff": (0.0, 0.05), **options})


def inline(*argv: str, module: str = FAKE, **options: Any) -> InlineExecutor:
    return InlineExecutor(argv, module=module)


@pytest.fixture(params=[local, inline], ids=["local", "inline"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    yield from _maker(request.param)


@pytest.fixture
def make_local() -> Iterator[Callable[..., LocalExecutor]]:
    yield from _maker(local)


def _maker(kind: Callable[..., Any]) -> Iterator[Any]:
    made: list[Executor] = []

    def build(*argv: str, **options: Any) -> Any:
        made.append(kind(*argv, **options))
        return made[-1]

    yield build
    for executor in made:
        executor.close()


# ---- every executor


def test_a_job_is_reported_from_start_to_finish_in_order(make: Make) -> None:
    listener = Listener(make())
    listener.run("a", "red", batch_count=2, steps=3)
    finished = listener.ended("a")
    assert (finished.attempt, finished.error, finished.stopped, finished.forwards) == (
        1, None, False, 6,
    )  # fmt: skip
    kinds = [type(e) for e in listener.of("a")]
    batch = [JobStep, JobStep, JobPreview, JobStep, JobImage]
    assert kinds == [JobStarted, JobPhase, *batch, *batch, JobFinished]
    images = listener.of("a", JobImage)
    assert [(i.index, i.seed) for i in images] == [(0, 7), (1, 8)]
    assert images[0].pixels.data[:3] == bytes(colour_of("red", 7))
    assert listener.of("a", JobPreview)[0].jpeg.startswith(b"\xff\xd8")


def test_the_worker_introduces_itself_and_the_status_says_so(make: Make) -> None:
    executor = make()
    assert executor.status.state == "idle"
    listener = Listener(executor)
    listener.run("a")
    listener.ended("a")
    assert eventually(lambda: executor.status.stats is not None)
    assert isinstance(listener.events[0], WorkerReady)
    assert isinstance(listener.events[-1], WorkerStats)
    status = executor.status
    assert (status.state, status.restarts, status.problem) == ("ready", 0, None)
    assert status.ready is not None
    assert status.ready.device == "Fake device"
    executor.close()
    assert executor.status.state == "closed"


def test_jobs_run_one_after_the_other_and_a_failed_one_harms_nobody(make: Make) -> None:
    listener = Listener(make())
    for job_id, prompt in (("a", "red"), ("b", "!fail"), ("c", "blue")):
        listener.run(job_id, prompt)
    assert listener.ended("c").error is None
    assert listener.ended("a").error is None
    error = listener.ended("b").error
    assert error is not None
    assert error.code == "invalid_request"


@pytest.mark.parametrize("stop_from", ["thread", "callback"])
def test_a_running_job_is_interrupted_from_outside_and_from_a_callback(
    make: Make, stop_from: str
) -> None:
    executor = make("--step-seconds", "0.01")

    def stop_early(event: ExecutorEvent) -> None:
        listener.events.append(event)
        if isinstance(event, JobStep) and event.step == 2:
            if stop_from == "callback":
                executor.send(StopJob(event.job_id))
            else:
                threading.Thread(target=executor.send, args=(StopJob(event.job_id),)).start()

    listener = Listener(executor, stop_early)
    listener.run("a", steps=150)
    finished = listener.ended("a")
    assert (finished.stopped, finished.error) == (True, None)
    assert finished.forwards < 20


def test_skip_goes_on_with_the_next_batch(make: Make) -> None:
    executor = make("--step-seconds", "0.002")
    events: list[ExecutorEvent] = []

    def skip_first(event: ExecutorEvent) -> None:
        events.append(event)
        if isinstance(event, JobStep) and event.image == 0 and event.step == 2:
            executor.send(StopJob("a", "skip"))

    executor.start(skip_first)
    executor.send(RunJob(JobSpec("a", 1, draw(batch_count=2, steps=20), MODEL)))
    assert eventually(lambda: any(isinstance(e, JobFinished) for e in events))
    assert [e.index for e in events if isinstance(e, JobImage)] == [1]
    assert not any(e.stopped for e in events if isinstance(e, JobFinished))


def test_a_stop_for_an_unknown_job_is_harmless(make: Make) -> None:
    listener = Listener(make())
    listener.executor.send(StopJob("nobody"))
    listener.run("a")
    assert listener.ended("a").error is None


def test_code_that_raises_is_a_lost_worker_and_the_next_job_is_drawn(make: Make) -> None:
    listener = Listener(make())
    listener.run("a", "!raise")
    assert eventually(lambda: bool(listener.lost()))
    (lost,) = listener.lost()
    assert lost.jobs == ("a",)
    assert "told to raise" in lost.reason
    assert lost.ready
    assert listener.executor.status.restarts == 1
    listener.run("b", "blue")
    assert listener.ended("b").error is None
    assert listener.of("a", JobFinished) == []


def test_a_worker_that_cannot_start_is_lost_with_the_reason(make: Make) -> None:
    listener = Listener(make(module="tests.fakes.there_is_no_such_worker"))
    listener.run("a")
    assert eventually(lambda: any("a" in lost.jobs for lost in listener.lost()))
    assert "there_is_no_such_worker" in listener.lost()[-1].reason
    assert not listener.lost()[-1].ready


def test_nothing_is_heard_after_closing_and_sending_is_harmless(make: Make) -> None:
    listener = Listener(make())
    listener.run("a")
    listener.ended("a")
    listener.executor.close()
    heard = len(listener.events)
    listener.run("b")
    listener.executor.send(StopJob("a"))
    listener.executor.close()
    assert len(listener.events) == heard


def test_the_queue_draws_with_it(make: Make, tmp_path: Path) -> None:
    keep = Keeper()
    queue = make_queue(tmp_path, make(), keep, preview_every=1)
    jobs = [queue.submit(draw(p, batch_count=2), caller=LOCAL_CALLER) for p in ("red", "blue")]
    bad = queue.submit(draw("!fail"), caller=LOCAL_CALLER)
    poison = queue.submit(draw("!raise"), caller=LOCAL_CALLER)
    last = queue.submit(draw("green"), caller=LOCAL_CALLER)
    assert queue.wait(last.id, 10).state == "done"
    assert [queue.get(j.id).state for j in (*jobs, bad, poison)] == [
        "done", "done", "failed", "failed",
    ]  # fmt: skip
    assert queue.get(poison.id).attempts == 2
    assert [len(queue.get(j.id).images) for j in jobs] == [2, 2]
    assert len(keep.kept) == 5
    began = time.monotonic()
    queue.close()
    assert time.monotonic() - began < 2


def test_a_running_job_is_interrupted_through_the_queue(make: Make, tmp_path: Path) -> None:
    queue = make_queue(tmp_path, make("--step-seconds", "0.005"))
    job = queue.submit(draw(steps=150, batch_count=4), caller=LOCAL_CALLER)
    assert eventually(lambda: queue.get(job.id).progress.step > 2)
    queue.interrupt(job.id)
    assert queue.wait(job.id, 5).state == "cancelled"
    after = queue.submit(draw("green"), caller=LOCAL_CALLER)
    assert queue.wait(after.id, 5).state == "done"
    queue.close()


def test_closing_in_the_middle_of_a_job_is_quick(make: Make, tmp_path: Path) -> None:
    queue = make_queue(tmp_path, make("--step-seconds", "0.01"))
    job = queue.submit(draw(steps=150), caller=LOCAL_CALLER)
    assert eventually(lambda: queue.get(job.id).progress.step > 1)
    began = time.monotonic()
    queue.close()
    assert time.monotonic() - began < 2
    again = make_queue(tmp_path, make())
    assert again.get(job.id).state == "queued"
    again.start()
    assert again.wait(job.id, 5).state == "done"
    again.close()


# ---- a process of its own


def test_start_returns_before_the_process_is_there(
    make_local: Callable[..., LocalExecutor],
) -> None:
    executor = make_local()
    began = time.monotonic()
    listener = Listener(executor)
    listener.run("a")
    assert time.monotonic() - began < 0.1
    assert listener.ended("a").error is None


@posix
def test_a_worker_killed_in_the_middle_of_a_step_is_replaced_and_its_job_runs_once_more(
    make_local: Callable[..., LocalExecutor], tmp_path: Path
) -> None:
    executor, keep = make_local("--step-seconds", "0.005"), Keeper()
    queue = make_queue(tmp_path, executor, keep, capacity=1)
    job = queue.submit(draw("a flat thing", steps=40, batch_count=2), caller=LOCAL_CALLER)
    other = queue.submit(draw("green"), caller=LOCAL_CALLER)
    assert eventually(lambda: len(queue.get(job.id).images) == 1)
    first, pid = dict(keep.kept), executor.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    done = queue.wait(job.id, 10)
    assert (done.state, done.attempts, len(done.images)) == ("done", 2, 2)
    assert keep.kept[job.id, 0].pixels == first[job.id, 0].pixels
    assert keep.calls >= 3
    other = queue.wait(other.id, 5)
    assert (other.state, other.attempts) == ("done", 1)
    kinds = [e.kind for e in queue.events(0, job_id=other.id)]
    assert kinds.count("started") == 1
    assert executor.pid != pid
    assert not _alive(pid)
    assert queue.status.problem is not None
    assert "memory" in queue.status.problem
    queue.close()


def test_a_poisonous_job_fails_and_those_beside_it_do_not(
    make_local: Callable[..., LocalExecutor], tmp_path: Path
) -> None:
    queue = make_queue(tmp_path, make_local("--step-seconds", "0.002"), capacity=4)
    prompts = ("red", "!die", "blue", "green")
    jobs = [queue.submit(draw(p, steps=20), caller=LOCAL_CALLER) for p in prompts]
    ended = [queue.wait(j.id, 10) for j in jobs]
    assert [j.state for j in ended] == ["done", "failed", "done", "done"]
    assert ended[1].error is not None
    assert "told to die" in ended[1].error.message
    assert ended[1].attempts == 2
    queue.close()


def test_a_job_that_dies_once_is_done_the_second_time(
    make_local: Callable[..., LocalExecutor], tmp_path: Path
) -> None:
    queue = make_queue(tmp_path, make_local())
    job = queue.submit(draw("!die-once red"), caller=LOCAL_CALLER)
    done = queue.wait(job.id, 10)
    assert (done.state, done.attempts, done.losses) == ("done", 2, 1)
    queue.close()


def test_a_worker_that_hangs_is_ended_when_a_stop_goes_unheard(
    make_local: Callable[..., LocalExecutor], tmp_path: Path
) -> None:
    queue = make_queue(tmp_path, make_local(), stop_patience=0.2)
    stuck = queue.submit(draw("!hang"), caller=LOCAL_CALLER)
    after = queue.submit(draw("green"), caller=LOCAL_CALLER)
    assert eventually(lambda: queue.get(stuck.id).progress.step == 1)
    queue.interrupt(stuck.id)
    assert queue.wait(stuck.id, 5).state == "cancelled"
    assert queue.wait(after.id, 5).state == "done"
    queue.close()


def test_closing_ends_a_worker_that_hangs(make_local: Callable[..., LocalExecutor]) -> None:
    executor = make_local()
    listener = Listener(executor)
    listener.run("a", "!hang")
    assert eventually(lambda: bool(listener.of("a", JobStep)))
    pid = executor.pid
    assert pid is not None
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < 2
    assert not _alive(pid)


def test_nonsense_from_the_worker_is_a_lost_worker(
    make_local: Callable[..., LocalExecutor],
) -> None:
    listener = Listener(make_local())
    listener.run("a", "!garbage")
    assert eventually(lambda: bool(listener.lost()))
    assert listener.lost()[0].jobs == ("a",)
    assert "cannot be read" in listener.lost()[0].reason
    listener.run("b")
    assert listener.ended("b").error is None


def test_what_the_worker_writes_to_stderr_is_logged(
    make_local: Callable[..., LocalExecutor], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="webui.worker"):
        listener = Listener(make_local())
        listener.run("a", "!die")
        assert eventually(lambda: bool(listener.lost()))
    assert ("webui.worker", logging.INFO, "told to die") in caplog.record_tuples
    assert listener.lost()[0].reason.endswith("exit code 7. Its last words: told to die")


def test_an_interpreter_that_is_not_there_is_a_lost_worker(
    make_local: Callable[..., LocalExecutor], tmp_path: Path
) -> None:
    listener = Listener(make_local(python=str(tmp_path / "no-python")))
    listener.run("a")
    assert eventually(lambda: any("a" in lost.jobs for lost in listener.lost()))
    assert "could not be started" in listener.lost()[0].reason


@posix
def test_restarts_leave_no_zombie_no_descriptor_and_no_thread(
    make_local: Callable[..., LocalExecutor],
) -> None:
    fds = Path("/proc/self/fd")
    before = len(list(fds.iterdir())) if fds.exists() else 0
    threads = threading.active_count()
    executor = make_local()
    listener = Listener(executor)
    pids: list[int] = []
    for turn in range(3):
        assert eventually(lambda: executor.status.state == "ready")
        pid = executor.pid
        assert pid is not None
        pids.append(pid)
        listener.run(f"j{turn}", "!die")
        assert eventually(lambda: len(listener.lost()) == turn + 1)  # noqa: B023
    executor.close()
    assert len(set(pids)) == 3
    assert not any(_alive(pid) for pid in pids)
    assert eventually(lambda: threading.active_count() <= threads)
    if fds.exists():
        assert len(list(fds.iterdir())) == before


def _alive(pid: int) -> bool:
    """Whether a process of this id exists, as a zombie too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
