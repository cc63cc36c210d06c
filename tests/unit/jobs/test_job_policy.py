"""Who goes next, who has to wait, and how far a job is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.jobs import MODEL, draw
from webui.core.messages import JobStep
from webui.core.results import SavedImage
from webui.jobs.policy import descendants, moved, next_jobs, progress_at, queue_order, surplus
from webui.jobs.record import Begin, Job, Place, advance


def queued(ident: str, order: int, **fields: Any) -> Job:
    return Job(
        id=ident, request=draw(), model=MODEL, owner="ann", created=1.0, order=order, **fields
    )


def running(ident: str, order: int = 0, **fields: Any) -> Job:
    return advance(queued(ident, order, **fields), Begin(2.0))


def ids(jobs: list[Job]) -> str:
    return " ".join(j.id for j in jobs)


def test_order_is_lost_ones_then_children_then_priority_then_turn() -> None:
    jobs = [
        queued("late", 5),
        queued("early", 1),
        queued("urgent", 9, priority=1),
        running("parent"),
        queued("child", 8, parent="parent"),
        queued("lost", 7, losses=1),
    ]
    assert ids(queue_order(jobs)) == "lost child urgent early late"


@pytest.mark.parametrize(
    ("jobs", "capacity", "expected"),
    [
        ([queued("a", 1), queued("b", 2), queued("c", 3)], 1, "a"),
        ([queued("a", 1), queued("b", 2), queued("c", 3)], 2, "a b"),
        ([running("r"), queued("a", 1), queued("b", 2)], 2, "a"),
        ([running("r"), queued("a", 1)], 1, ""),
        # a child takes its waiting parent's place, before everybody else
        ([running("p"), queued("a", 1), queued("c", 2, parent="p")], 1, "c"),
        ([running("p"), running("c", parent="p"), queued("a", 1)], 1, ""),
        ([running("p"), running("c", parent="p"), queued("d", 1, parent="c")], 1, "d"),
        # one place per waiting parent: the others of its children wait their turn
        ([running("p"), queued("c", 1, parent="p"), queued("d", 2, parent="p")], 1, "c"),
        ([running("p"), queued("c", 1, parent="p"), queued("d", 2, parent="p")], 2, "c d"),
        # a place whose parent waits is kept for its child, not given to a stranger
        ([running("p"), running("q"), running("c", parent="p"), queued("d", 1, parent="p"),
          queued("e", 2, parent="q")], 2, "e"),
        # a queued parent waits for its child
        ([queued("p", 1), queued("c", 2, parent="p"), queued("a", 3)], 2, "c a"),
        # what runs is waited for by a queued child, whose own child comes first
        ([running("p"), queued("c", 1, parent="p"), queued("d", 2, parent="c"), queued("a", 0)],
         1, "d"),
        # one that was in a lost worker runs alone, and is not overtaken
        ([queued("x", 1, losses=1), queued("a", 2)], 4, "x"),
        ([queued("x", 1, losses=1), queued("y", 2, losses=1)], 4, "x"),
        ([running("x", losses=1), queued("a", 2)], 4, ""),
        ([running("r"), queued("x", 1, losses=1), queued("a", 2)], 4, ""),
        # except by a child of what runs, which it would wait for for ever
        ([running("r"), queued("x", 1, losses=1), queued("c", 2, parent="r")], 4, "c"),
        ([running("x", losses=1), queued("c", 2, parent="x"), queued("a", 1)], 4, "c"),
    ],
)  # fmt: skip
def test_what_starts_now(jobs: list[Job], capacity: int, expected: str) -> None:
    assert ids(next_jobs(jobs, capacity)) == expected


def test_descendants_are_the_unfinished_ones_of_all_generations() -> None:
    jobs = [
        running("p"),
        running("c", parent="p"),
        queued("d", 1, parent="c"),
        replace(running("e", parent="p"), state="done"),
        queued("a", 2),
    ]
    assert ids(descendants("p", jobs)) == "c d"
    assert descendants("a", jobs) == []


@pytest.mark.parametrize("position", [-3, 0, 1, 2, 3, 99])
@pytest.mark.parametrize("who", ["a", "b", "c", "d"])
def test_a_moved_job_is_where_it_was_moved_to(who: str, position: int) -> None:
    queue = queue_order(
        [queued("a", 3, priority=5), queued("b", 9), queued("c", 11), queued("d", 12, priority=-1)]
    )
    places = moved(queue, who, position)
    after = [advance(j, places[j.id]) if j.id in places else j for j in queue]
    expected = [j.id for j in queue if j.id != who]
    expected.insert(max(0, min(position, 3)), who)
    assert ids(queue_order(after)) == " ".join(expected)


def test_moving_touches_only_the_jobs_between() -> None:
    queue = [queued(c, i) for i, c in enumerate("abcde")]
    assert moved(queue, "b", 1) == {}
    assert moved(queue, "d", 2) == {"d": Place(2, 0), "c": Place(3, 0)}


def test_surplus_takes_the_oldest_by_jobs_and_by_pictures() -> None:
    picture = SavedImage("x", "/p", 0, 1, 8, 8, "", 1.0)
    row = [replace(queued(c, i), images=(picture,) * 4) for i, c in enumerate("abcde")]
    assert ids(surplus(row, 3, 100)) == "a b"
    assert ids(surplus(row, 100, 9)) == "a b c"
    assert surplus(row, 5, 20) == []
    assert surplus(row[:1], 5, 2) == []


def test_progress_counts_batches_and_says_how_long_it_takes() -> None:
    job = replace(running("a"), request=draw(batch_count=3, batch_size=2), started=100.0)
    timed = progress_at(job, JobStep("a", 10, 20, 2, 6, 0.5), now=110.0)
    assert timed.fraction == pytest.approx((2 + 2 * 0.5) / 6)
    assert timed.seconds_left == pytest.approx((10 + 20) * 0.5)
    untimed = progress_at(job, JobStep("a", 10, 20, 2, 6), now=110.0)
    assert untimed.seconds_left == pytest.approx(10.0)
    last = progress_at(job, JobStep("a", 20, 20, 4, 6, 0.5), now=110.0)
    assert (last.fraction, last.seconds_left) == (1.0, 0.0)
