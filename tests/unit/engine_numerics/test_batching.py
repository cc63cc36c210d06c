from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.engine.batching import Batching, Waiting, next_batch, padded_size, smaller

WAITING = st.lists(
    st.builds(
        Waiting,
        job=st.sampled_from("abc"),
        key=st.sampled_from(["77", "154"]),
        since=st.integers(0, 5),
    ),
    max_size=40,
)
MODES = st.sampled_from(["exact", "shared"])
LIMITS = st.dictionaries(st.sampled_from(["77", "154"]), st.sampled_from([1, 2, 4]))


def waiting(*rows: tuple[str, str, int]) -> list[Waiting]:
    return [Waiting(job, key, since) for job, key, since in rows]


@pytest.mark.parametrize(
    ("rows", "batching", "members", "size"),
    [
        # one image with guidance: one pass of two
        ([("a", "k", 0), ("a", "k", 0)], "exact", (0, 1), 2),
        # two jobs: exact keeps them apart, shared draws them together
        ([("a", "k", 0), ("b", "k", 0), ("a", "k", 0)], "exact", (0, 2), 2),
        ([("a", "k", 0), ("b", "k", 0), ("a", "k", 0)], "shared", (0, 1, 2), 4),
        # unequal conditioning lengths are two passes
        ([("a", "77", 0), ("a", "154", 0)], "shared", (0,), 1),
        # the group that has waited longest is next, however small
        ([("a", "k", 3), ("a", "k", 3), ("b", "other", 2)], "shared", (2,), 1),
        # of two that have waited as long, the larger
        ([("a", "x", 1), ("b", "y", 1), ("b", "y", 1)], "shared", (1, 2), 2),
        # of two as large, the first
        ([("a", "x", 1), ("b", "y", 1)], "exact", (0,), 1),
        # who has waited longer goes first within a group, too
        ([("a", "k", 4)] * 7 + [("b", "k", 1)] * 2, "shared", (7, 8, 0, 1, 2, 3, 4, 5), 8),
        # exact takes a job's whole batch, without padding
        ([("a", "k", 0)] * 12, "exact", tuple(range(12)), 12),
    ],
)
def test_next_batch(
    rows: list[tuple[str, str, int]], batching: Batching, members: tuple[int, ...], size: int
) -> None:
    batch = next_batch(waiting(*rows), batching, {})
    assert batch is not None
    assert (batch.members, batch.size) == (members, size)


def test_nothing_waits() -> None:
    assert next_batch([], "shared", {}) is None


def test_a_learnt_limit_holds_for_its_key_only() -> None:
    rows = waiting(*[("a", "k", 0)] * 6, *[("a", "other", 0)] * 5)
    batch = next_batch(rows, "exact", {"k": 2})
    assert batch is not None
    assert len(batch.members) == 2
    batch = next_batch(rows, "exact", {"other": 2})
    assert batch is not None
    assert len(batch.members) == 6


def test_padding_and_halving() -> None:
    assert [padded_size(n) for n in range(1, 9)] == [1, 2, 4, 4, 8, 8, 8, 8]
    assert [smaller(n) for n in (12, 8, 5, 2, 1)] == [6, 4, 2, 1, None]


@given(WAITING, MODES, LIMITS)
def test_a_batch_holds_what_may_go_together(
    rows: list[Waiting], batching: Batching, limits: dict[Hashable, int]
) -> None:
    batch = next_batch(rows, batching, limits)
    assert (batch is None) == (not rows)
    if batch is None:
        return
    members = [rows[i] for i in batch.members]
    assert {one.key for one in members} == {batch.key}
    assert len(set(batch.members)) == len(batch.members)
    assert batch.size <= limits.get(batch.key, 10_000)
    if batching == "exact":
        assert len({one.job for one in members}) == 1
        assert batch.size == len(members)
    else:
        assert batch.size in (1, 2, 4, 8)
        assert len(members) <= batch.size < 2 * len(members)
    assert min(one.since for one in members) == min(one.since for one in rows)


@given(WAITING, MODES, LIMITS)
def test_a_batch_is_as_full_as_it_may_be(
    rows: list[Waiting], batching: Batching, limits: dict[Hashable, int]
) -> None:
    batch = next_batch(rows, batching, limits)
    if batch is None:
        return
    job = rows[batch.members[0]].job
    able = [r for r in rows if r.key == batch.key and (batching == "shared" or r.job == job)]
    most = 8 if batching == "shared" else len(able)
    assert len(batch.members) == min(len(able), most, limits.get(batch.key, most))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=12),
    MODES,
)
def test_nothing_starves(askers: list[tuple[str, str]], batching: Batching) -> None:
    """All ask again once they are answered; nobody waits longer than all groups' turns."""
    rows = [Waiting(job, key, 0) for job, key in askers]
    groups = len({(r.key, r.job if batching == "exact" else "") for r in rows})
    longest = groups + len(rows) // 8
    for turn in range(1, 60):
        batch = next_batch(rows, batching, {})
        assert batch is not None
        for i in batch.members:
            assert turn - rows[i].since <= longest
            rows[i] = Waiting(rows[i].job, rows[i].key, turn)
