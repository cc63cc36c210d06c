"""Any sequence of events: capacity is kept, order is kept, nothing is lost or run twice at once."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.fakes.executor import FakeExecutor
from tests.fakes.jobs import Keeper, draw, make_queue
from webui.core.errors import ErrorInfo
from webui.core.results import LOCAL_CALLER, Caller
from webui.jobs.policy import queue_order


class QueueMachine(RuleBasedStateMachine):
    """Plays people and worker at once, in any order."""

    @initialize(capacity=st.integers(1, 3))
    def begin(self, capacity: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.capacity = capacity
        self.submitted: list[str] = []
        self.open()

    def open(self) -> None:
        self.worker = FakeExecutor()
        self.queue = make_queue(
            Path(self.folder.name), self.worker, Keeper(), capacity=self.capacity
        )
        self.queue.start()
        self.settle()

    def settle(self) -> None:
        assert self.queue.settle(), "the queue did not come to rest"

    def one_of(self, ids: list[str], pick: int) -> str:
        return ids[pick % len(ids)]

    def unfinished(self) -> list[str]:
        return [j.id for j in self.queue.jobs(states=("queued", "running"))]

    @rule(priority=st.integers(-1, 1), user=st.sampled_from(["ann", "bob", "local"]))
    def submit(self, priority: int, user: str) -> None:
        caller = Caller(user, is_admin=True)
        job = self.queue.submit(draw(), caller=caller, priority=priority)
        self.submitted.append(job.id)
        self.settle()

    @precondition(lambda self: self.unfinished())
    @rule(pick=st.integers(0, 99))
    def submit_child(self, pick: int) -> None:
        parent = self.one_of(self.unfinished(), pick)
        job = self.queue.submit(draw(), caller=LOCAL_CALLER, parent=parent)
        self.submitted.append(job.id)
        self.settle()

    @precondition(lambda self: self.worker.running)
    @rule(pick=st.integers(0, 99), how=st.sampled_from(["done", "failed", "stopped", "picture"]))
    def work(self, pick: int, how: str) -> None:
        job_id = self.one_of(list(self.worker.running), pick)
        self.worker.image(job_id)
        if how != "picture":
            error = ErrorInfo("error", "No.") if how == "failed" else None
            self.worker.finish(job_id, error, stopped=how == "stopped")
        self.settle()

    @rule()
    def lose_worker(self) -> None:
        self.worker.lose()
        self.settle()

    @precondition(lambda self: self.submitted)
    @rule(pick=st.integers(0, 99))
    def cancel(self, pick: int) -> None:
        self.queue.cancel(self.one_of(self.submitted, pick))
        self.settle()

    @precondition(lambda self: self.queue.jobs(states=("queued",)))
    @rule(pick=st.integers(0, 99), position=st.integers(0, 6))
    def move(self, pick: int, position: int) -> None:
        queued = [j.id for j in self.queue.jobs(states=("queued",))]
        moved = self.queue.move(self.one_of(queued, pick), position)
        above = [j for j in self.queue.jobs(states=("queued",)) if j.priority > moved.priority]
        lost_or_below = [
            j for j in self.queue.jobs(states=("queued",)) if j.losses or j.parent is not None
        ]
        if not (above or lost_or_below):
            assert moved.position == min(position, len(queued) - 1)
        self.settle()

    @rule()
    def restart_server(self) -> None:
        before = {j.id: j for j in self.queue.jobs()}
        self.queue.close()
        self.open()
        for job in self.queue.jobs():
            old = before[job.id]
            assert job.images == old.images
            assert job.request == old.request
            assert job.ended or job.state in ("queued", "running")
            assert not old.ended or job.state == old.state

    @invariant()
    def nothing_is_lost(self) -> None:
        assert [j.id for j in self.queue.jobs()] == self.submitted

    @invariant()
    def queue_and_worker_agree(self) -> None:
        running = {j.id for j in self.queue.jobs(states=("running",))}
        assert running == set(self.worker.running)

    @invariant()
    def no_more_than_capacity_draw(self) -> None:
        jobs = self.queue.jobs(states=("queued", "running"))
        parents = {j.parent for j in jobs}
        drawing = [j for j in jobs if j.state == "running" and j.id not in parents]
        # A job that ends without waiting for its child leaves it in a place its own parent takes.
        live = {None, *(j.id for j in jobs)}
        left = [j for j in jobs if j.state == "running" and j.parent not in live]
        assert len(drawing) <= self.capacity + len(left)

    @invariant()
    def the_worker_is_never_idle_while_jobs_wait(self) -> None:
        jobs = self.queue.jobs(states=("queued", "running"))
        parents = {j.parent for j in jobs}
        drawing = [j for j in jobs if j.state == "running" and j.id not in parents]
        assert drawing or not jobs

    @invariant()
    def positions_are_the_order(self) -> None:
        queued = self.queue.jobs(states=("queued",))
        assert sorted(j.position or 0 for j in queued) == list(range(len(queued)))
        live = self.queue.jobs(states=("queued", "running"))
        served = self.queue._desk.book.served
        assert [j.position for j in queue_order(live, served)] == list(range(len(queued)))

    @invariant()
    def events_tell_the_same_story(self) -> None:
        last: dict[str, str] = {}
        for event in self.queue.events(0):
            if event.kind in ("queued", "started", "done", "failed", "cancelled"):
                last[event.job_id] = {"started": "running"}.get(event.kind, event.kind)
        states = {j.id: j.state for j in self.queue.jobs()}
        assert {i: states[i] for i in last} == last

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
            self.folder.cleanup()


QueueMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestQueue = QueueMachine.TestCase


@pytest.mark.long
@pytest.mark.timeout(1800)
class TestQueueLong(QueueMachine.TestCase):
    """The same, for longer."""

    settings = settings(max_examples=1000, stateful_step_count=60, deadline=None)
