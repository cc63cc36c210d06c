"""The eviction plan as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.engine.models.budget import Plan, Resident, plan

UNET = Resident("unet", 1700, 2.0, last_used=3)
TEXT = Resident("text", 500, 0.5, last_used=2)
VAE = Resident("vae", 160, 0.8, last_used=1)
HOST = Resident("host", 500, 0.01, last_used=9)
ALL = [UNET, TEXT, VAE]


@pytest.mark.parametrize(
    ("resident", "leased", "wanted", "free", "soon", "expected"),
    [
        pytest.param([], (), 10, 10, (), Plan(), id="it fits"),
        pytest.param([], (), 10, 3, (), Plan((), 7), id="nothing to evict"),
        pytest.param(ALL, (), 400, 0, (), Plan(("text",)), id="cheapest per byte first"),
        pytest.param([*ALL, HOST], (), 400, 0, (), Plan(("host",)), id="fast to reload first"),
        pytest.param(ALL, ("text",), 400, 0, (), Plan(("unet",)), id="never what is leased"),
        pytest.param(ALL, (), 400, 0, ("text",), Plan(("unet",)), id="what is needed soon last"),
        pytest.param(ALL, (), 600, 0, (), Plan(("unet",)), id="no more than needed"),
        pytest.param(ALL, (), 2100, 0, (), Plan(("text", "unet")), id="two of three"),
        pytest.param(ALL, ("unet",), 2000, 0, (), Plan(("text", "vae"), 1340), id="not enough"),
        pytest.param(ALL, (), 100, -300, (), Plan(("text",)), id="already too full"),
        pytest.param(
            [Resident("new", 5, 1, 2), Resident("old", 5, 1, 1)],
            (), 5, 0, (), Plan(("old",)), id="of equals the longest unused",
        ),
    ],
)  # fmt: skip
def test_plan(resident, leased, wanted, free, soon, expected) -> None:
    assert plan(resident, leased, wanted, free, soon) == expected


sizes = st.integers(0, 50)


@given(
    st.lists(st.tuples(sizes, st.floats(0.01, 10)), max_size=8),
    st.sets(st.integers(0, 7)),
    sizes,
    st.integers(-50, 100),
)
def test_a_plan_is_enough_or_is_everything(held, leased, wanted, free) -> None:
    resident = [Resident(i, size, seconds) for i, (size, seconds) in enumerate(held)]
    result = plan(resident, leased, wanted, free)
    freed = sum(r.size for r in resident if r.key in result.evict)
    movable = sum(r.size for r in resident if r.key not in leased)
    assert not leased.intersection(result.evict)
    assert free + freed + result.short >= wanted
    assert result.short == max(0, wanted - free - movable)
    for one in resident:  # none was evicted in vain
        needed = free + freed - one.size < wanted or result.short
        assert needed or one.key not in result.evict
