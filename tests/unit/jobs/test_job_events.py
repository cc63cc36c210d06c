"""The event log: numbering, waiting, following; and the mailbox before it."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakes.jobs import eventually
from webui.core.messages import JobFinished, JobImage, JobPreview, JobStep
from webui.core.results import JobEvent, Pixels
from webui.jobs.events import EventLog
from webui.jobs.mailbox import Mailbox


def test_events_are_numbered_without_gaps_and_read_after_any_number() -> None:
    log = EventLog(first=1)
    for job in "abab":
        log.publish(job, "queued", position=0)
    assert [e.seq for e in log.read(0)] == [1, 2, 3, 4]
    assert [e.seq for e in log.read(2)] == [3, 4]
    assert [e.seq for e in log.read(0, job_id="b")] == [2, 4]
    assert log.read(4) == []
    assert log.read(9999) == []
    assert log.last == 4


def test_only_the_last_ones_are_kept() -> None:
    log = EventLog(3, first=1)
    for _ in range(10):
        log.publish("a", "progress")
    assert [e.seq for e in log.read(0)] == [8, 9, 10]
    assert [e.seq for e in log.read(8)] == [9, 10]


def test_a_new_log_goes_on_above_an_older_one() -> None:
    older = EventLog()
    older.publish("a", "queued")
    time.sleep(0.003)
    newer = EventLog()
    newer.publish("a", "queued")
    assert [e.seq for e in newer.read(older.last)] == [newer.last]
    assert newer.last < 2**53


def test_a_long_poll_wakes_for_its_job_and_on_close() -> None:
    log = EventLog(first=1)
    found: list[list[JobEvent]] = []
    threads = [
        threading.Thread(target=lambda: found.append(log.read(0, 5, job_id="b"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    log.publish("a", "queued")
    began = time.monotonic()
    log.publish("b", "done")
    for thread in threads:
        thread.join(2)
    assert time.monotonic() - began < 1
    assert [[e.kind for e in batch] for batch in found] == [["done"]] * 3
    late = threading.Thread(target=lambda: found.append(log.read(99, 5)))
    late.start()
    log.close()
    late.join(1)
    assert found[3] == []


def test_a_timeout_returns_nothing() -> None:
    began = time.monotonic()
    assert EventLog().read(0, 0.05) == []
    assert 0.04 < time.monotonic() - began < 1


def test_slow_and_raising_followers_hold_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    log = EventLog(size=50, first=1)
    release = threading.Event()
    slow: list[int] = []
    quick: list[int] = []
    raised: list[int] = []

    def stall(event: JobEvent) -> None:
        release.wait(5)
        slow.append(event.seq)

    def fail(event: JobEvent) -> None:
        raised.append(event.seq)
        raise RuntimeError("a follower's own fault")

    for follower in (stall, fail, lambda e: quick.append(e.seq)):
        log.subscribe(follower)
    began = time.monotonic()
    for _ in range(200):
        log.publish("a", "progress")
    assert time.monotonic() - began < 1
    assert eventually(lambda: bool(quick and raised) and quick[-1] == raised[-1] == 200)
    assert slow == []
    assert "a follower's own fault" in caplog.text
    release.set()
    assert eventually(lambda: bool(slow) and slow[-1] == 200)
    assert slow == sorted(set(slow))
    log.close()


def test_unsubscribing_ends_the_calls_and_the_thread() -> None:
    log = EventLog()
    seen: list[JobEvent] = []
    before = threading.active_count()
    end = log.subscribe(seen.append)
    log.publish("a", "queued")
    assert eventually(lambda: len(seen) == 1)
    end()
    end()
    assert eventually(lambda: threading.active_count() <= before)
    log.publish("a", "done")
    assert len(seen) == 1


def test_a_follower_hears_only_what_comes_after_it() -> None:
    log = EventLog()
    log.publish("a", "queued")
    seen: list[str] = []
    log.subscribe(lambda e: seen.append(e.kind))
    log.publish("a", "started")
    assert eventually(lambda: bool(seen))
    assert seen == ["started"]
    log.close()


def test_the_mailbox_keeps_order_and_only_the_latest_step_and_preview() -> None:
    mail = Mailbox()
    picture = JobImage("a", 0, 7, Pixels(1, 1, b"abc"), 0.1)
    for step in range(1, 6):
        mail.put(JobStep("a", step, 5, 0, 1))
        mail.put(JobPreview("a", 0, b"%d" % step))
        mail.put(JobStep("b", step, 9, 0, 1))
    mail.put(picture)
    mail.put(JobStep("a", 1, 5, 1, 2))
    mail.put(JobFinished("a", 1))
    taken = [mail.take() for _ in range(len(mail))]
    assert taken == [
        JobStep("a", 5, 5, 0, 1),
        JobPreview("a", 0, b"5"),
        JobStep("b", 5, 9, 0, 1),
        picture,
        JobStep("a", 1, 5, 1, 2),
        JobFinished("a", 1),
    ]
    for _ in range(8):
        assert not mail.full
        mail.put(picture)
    assert mail.full
    mail.take()
    assert not mail.full
