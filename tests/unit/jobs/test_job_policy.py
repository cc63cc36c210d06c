"""Who goes next, who has to wait, and how far a job is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


TURNS = [
    # name, jobs as owner + number (in the order they came), who was served when, expected order
    ("one owner: first come, first served", "a1 a2 a3", {}, "a1 a2 a3"),
    ("turns, each owner's oldest first", "a1 a2 a3 b1 c1 b2", {}, "a1 b1 c1 a2 b2 a3"),
    ("who was never served is next", "a1 a2 b1", {"a": 5.0}, "b1 a1 a2"),
    ("then who was served longest ago", "a1 b1 c1 a2", {"a": 3.0, "b": 2.0, "c": 1.0},
     "c1 b1 a1 a2"),
    ("owners without jobs do not count", "a1 a2", {"b": 9.0, "a": 1.0}, "a1 a2"),
]  # fmt: skip


def owned(names: str, **fields: Any) -> list[Job]:
    """Queued jobs from names such as "a1 b1": the first letter is the owner."""
    row = enumerate(names.split())
    return [replace(queued(name, i, **fields), owner=name[0]) for i, name in row]


@pytest.mark.parametrize(("what", "names", "served", "expected"), TURNS)
def test_owners_take_turns(what: str, names: str, served: dict[str, float], expected: str) -> None:
    assert ids(queue_order(owned(names), served)) == expected, what


def test_priority_goes_before_turns_and_counts_as_served() -> None:
    jobs = [*owned("a1 b1"), *owned("a9", priority=3)]
    assert ids(queue_order(jobs)) == "a9 b1 a1"


def test_a_start_changes_nothing_in_the_order_of_the_rest() -> None:
    jobs = owned("a1 a2 b1 a3 c1 b2 c2 a4")
    served = {"c": 3.0, "a": 1.0}
    order = queue_order(jobs, served)
    for clock in range(10, 10 + len(jobs)):
        first = order[0]
        served[first.owner] = float(clock)
        assert queue_order(order[1:], served) == order[1:]
        order = order[1:]


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3)), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from("abcde"), st.floats(0, 9)),
)
def test_nobody_starves(arrivals: list[tuple[str, int]], served: dict[str, float]) -> None:
    """A job waits for at most as many others as there are owners, times its place among its own.

    Before each arrival some of those that wait are started.
    """
    waiting: list[Job] = []
    started: list[str] = []
    came: dict[str, tuple[int, int]] = {}  # started before it came, its place among its owner's
    for number, (owner, starts) in enumerate([*arrivals, ("", len(arrivals))]):
        for clock in range(min(starts, len(waiting))):
            first = queue_order(waiting, served)[0]
            served[first.owner] = 10.0 + number * 100 + clock
            waiting.remove(first)
            started.append(first.id)
        if owner:
            job = replace(queued(str(number), number), owner=owner)
            place = 1 + sum(j.owner == owner for j in waiting)
            waiting.append(job)
            came[job.id] = (len(started), place)
    owners = len({owner for owner, _ in arrivals})
    assert sorted(started, key=int) == [str(i) for i in range(len(arrivals))]
    for index, ident in enumerate(started):
        before, place = came[ident]
        assert index - before < owners * place


@pytest.mark.parametrize("position", [0, 1, 3, 4])
@pytest.mark.parametrize("who", ["a1", "a4", "b1"])
def test_a_move_holds_against_turns_and_newcomers(who: str, position: int) -> None:
    queue = queue_order(owned("a1 a2 a3 a4 b1 b2"))
    places = moved(queue, who, position)
    if queue[position].id == who:
        assert places == {}
        return
    after = [advance(j, places[j.id]) if j.id in places else j for j in queue]
    late = replace(queued("z1", 99), owner="z")
    row = queue_order([late, *after])
    assert row[position].id == who
    assert {j.id for j in row[:position]} == {
        j.id for j in [j for j in queue if j.id != who][:position]
    }
    assert row.index(late) > position


def after_move(queue: list[Job], who: str, position: int) -> list[Job]:
    places = moved(queue, who, position)
    return [advance(j, places[j.id]) if j.id in places else j for j in queue]


def test_what_is_put_last_waits_for_those_before_it_and_keeps_nobody_else_waiting() -> None:
    after = after_move(queue_order(owned("a1 a2 a3 b1")), "b1", 99)
    assert ids(queue_order(after)) == "a1 a2 a3 b1"
    late = [replace(queued(name, 99 + i), owner=name[0]) for i, name in enumerate(("z1", "z2"))]
    served = {"a": 5.0}
    row = queue_order([*after, *late], served)
    assert ids(row) == "z1 a1 z2 a2 a3 b1"  # z waits for nobody's hundred, b1 not for ever
    while row:
        served[row[0].owner] = 100.0 - len(row)
        row = row[1:]
        assert queue_order(row, served) == row
    twice = queue_order(after_move(queue_order(after), "a1", 3))
    assert ids(twice) == "a2 a3 b1 a1"
    assert ids(queue_order(after_move(twice, "b1", 0))) == "b1 a2 a3 a1"


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-1, 1), st.integers(0, 1)), max_size=20),
    st.permutations(range(20)),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 9)),
)
def test_a_start_changes_nothing_however_jobs_were_placed(
    given: list[tuple[str, int, int]], orders: list[int], served: dict[str, float]
) -> None:
    row = queue_order(
        [
            replace(queued(str(i), orders[i], placed=placed, priority=priority), owner=owner)
            for i, (owner, placed, priority) in enumerate(given)
        ],
        served,
    )
    assert len(row) == len(given)
    for clock, first in enumerate(list(row), 10):
        served[first.owner] = float(clock)
        row = row[1:]
        assert queue_order(row, served) == row


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
        # where an orphan draws beside its capacity, both may still go on through their children
        ([running("p"), running("o", parent="gone"), queued("c", 1, parent="p"),
          queued("d", 2, parent="o"), queued("a", 0)], 1, "c d"),
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


def test_moving_touches_only_the_jobs_before_and_between() -> None:
    queue = [queued(c, i) for i, c in enumerate("abcde")]
    assert moved(queue, "b", 1) == {}
    assert moved(queue, "d", 2) == {
        "a": Place(0, 0, placed=1),
        "b": Place(1, 0, placed=1),
        "d": Place(2, 0, placed=1),
        "c": Place(3, 0),
    }
    assert moved(queue, "b", 4)["b"] == Place(4, 0, placed=-1)
    assert {place.placed for who, place in moved(queue, "b", 4).items() if who != "b"} == {0}


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
