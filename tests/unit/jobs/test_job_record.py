"""The state machine, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.jobs import MODEL, draw
from webui.core.errors import ErrorInfo
from webui.core.results import JobProgress, SavedImage
from webui.jobs.record import (
    MAX_ATTEMPTS,
    Begin,
    Change,
    ChangeError,
    End,
    Fault,
    Job,
    Kept,
    Lost,
    Place,
    Progressed,
    Recovered,
    Released,
    Stop,
    advance,
)

ERROR = ErrorInfo("storage", "The disk is full.")
QUEUED = Job(id="a", request=draw(), model=MODEL, owner="ann", created=1.0, order=1)
RUNNING = advance(QUEUED, Begin(2.0))
STOPPING = advance(RUNNING, Stop(3.0))
FAULTY = advance(RUNNING, Fault(ERROR))
DONE = advance(RUNNING, End(4.0))
STRAY = replace(RUNNING, losses=1)
TIRED = replace(RUNNING, attempts=MAX_ATTEMPTS)


def image(index: int, ident: str = "x") -> SavedImage:
    return SavedImage(ident, "/p", index, 7, 16, 16, "", 1.0)


@pytest.mark.parametrize(
    ("job", "change", "state"),
    [
        (QUEUED, Begin(2.0), "running"),
        (QUEUED, Stop(2.0), "cancelled"),
        (QUEUED, Place(9, 3), "queued"),
        (RUNNING, Stop(3.0), "running"),
        (RUNNING, Progressed(JobProgress(0.5)), "running"),
        (RUNNING, Kept(image(0)), "running"),
        (RUNNING, Fault(ERROR), "running"),
        (RUNNING, End(4.0), "done"),
        (RUNNING, End(4.0, stopped=True), "cancelled"),
        (RUNNING, End(4.0, error=ERROR), "failed"),
        (RUNNING, End(4.0, error=ERROR, stopped=True), "failed"),
        (RUNNING, Lost(4.0, "it was killed"), "queued"),
        (RUNNING, Lost(4.0, "it was killed", alone=False), "queued"),
        (RUNNING, Recovered(4.0), "queued"),
        (RUNNING, Released(4.0), "queued"),
        (STRAY, Lost(4.0, "it was killed"), "failed"),
        (STRAY, Lost(4.0, "it was killed", alone=False), "queued"),
        (STRAY, Lost(4.0, "ended on purpose", blamed=False), "queued"),
        (STRAY, Recovered(4.0), "queued"),
        (TIRED, Recovered(4.0), "failed"),
        (TIRED, Lost(4.0, "it was killed", alone=False), "failed"),
        (TIRED, Released(4.0), "queued"),
        (STOPPING, Stop(4.0), "running"),
        (STOPPING, End(4.0), "done"),
        (STOPPING, End(4.0, stopped=True), "cancelled"),
        (STOPPING, Lost(4.0, "it was killed"), "cancelled"),
        (STOPPING, Recovered(4.0), "cancelled"),
        (STOPPING, Released(4.0), "cancelled"),
        (FAULTY, End(4.0, stopped=True), "failed"),
        (FAULTY, Lost(4.0, "it was killed"), "failed"),
    ],
)
def test_each_legal_change_leads_to_its_state(job: Job, change: Change, state: str) -> None:
    after = advance(job, change)
    assert after.state == state
    assert after.ended == (state in ("done", "failed", "cancelled"))
    assert (after.finished is not None) == after.ended
    if after.ended:
        assert (after.error is not None) == (state == "failed")
        assert not after.stopping


@pytest.mark.parametrize(
    ("job", "change"),
    [
        (QUEUED, Progressed(JobProgress())),
        (QUEUED, Kept(image(0))),
        (QUEUED, Fault(ERROR)),
        (QUEUED, End(1.0)),
        (QUEUED, Lost(1.0, "r")),
        (QUEUED, Recovered(1.0)),
        (QUEUED, Released(1.0)),
        (RUNNING, Begin(1.0)),
        (RUNNING, Place(1, 1)),
        *[
            (DONE, change)
            for change in (
                Begin(1.0),
                Stop(1.0),
                Place(1, 1),
                Progressed(JobProgress()),
                Kept(image(0)),
                Fault(ERROR),
                End(1.0),
                Lost(1.0, "r"),
                Recovered(1.0),
                Released(1.0),
            )
        ],
    ],
)
def test_every_other_change_is_refused(job: Job, change: Change) -> None:
    with pytest.raises(ChangeError, match=job.state):
        advance(job, change)


def test_attempts_count_starts_except_those_a_closing_server_takes_back() -> None:
    again = advance(advance(RUNNING, Lost(3.0, "r")), Begin(4.0))
    assert (RUNNING.attempts, again.attempts, again.losses) == (1, 2, 1)
    assert advance(RUNNING, Released(3.0)).attempts == 0
    assert advance(RUNNING, Recovered(3.0)).attempts == 1


def test_a_second_attempt_draws_the_same_request_and_replaces_its_pictures() -> None:
    job = advance(advance(RUNNING, Kept(image(1, "one"))), Kept(image(0, "zero")))
    job = advance(advance(job, Lost(3.0, "r")), Begin(4.0))
    job = advance(job, Kept(image(1, "again")))
    assert [i.id for i in job.images] == ["zero", "again"]
    assert job.request == QUEUED.request
    assert job.progress.fraction == 0.0


def test_the_sentence_of_a_job_that_ends_workers_names_the_reason() -> None:
    failed = advance(STRAY, Lost(4.0, "The drawing process was killed."))
    assert failed.error is not None
    assert failed.error.code == "worker_died"
    assert "twice" in failed.error.message
    assert "The drawing process was killed." in failed.error.message


def test_the_first_fault_is_the_one_that_is_told() -> None:
    later = ErrorInfo("error", "Something later.")
    ended = advance(advance(FAULTY, Fault(later)), End(4.0, error=later))
    assert ended.error == ERROR
    assert not ended.stopping


def test_a_worker_that_never_got_ready_is_said_to_be_that() -> None:
    failed = advance(STRAY, Lost(4.0, "There is no device 'x'.", ready=False))
    assert failed.error is not None
    assert failed.error.message == "The drawing process could not start. There is no device 'x'."
