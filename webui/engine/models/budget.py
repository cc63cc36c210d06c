"""What to evict so that something else fits: pure policy."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resident:
    """Something in memory: its size in bytes, seconds to load it again, and when it was last used.

    ``last_used`` is any number that grows.
    """

    key: Hashable
    size: int
    seconds: float
    last_used: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to evict, in order, and how many bytes will still be ``short`` after that."""

    evict: tuple[Hashable, ...] = ()
    short: int = 0


def plan(
    resident: Sequence[Resident],
    leased: Collection[Hashable],
    wanted: int,
    free: int,
    soon: Collection[Hashable] = (),
) -> Plan:
    """Make ``wanted`` bytes fit where ``free`` bytes (may be negative) are free.

    Never evicts what is leased. Of the rest, what ``soon`` will be needed goes last; else what is
    cheapest to load again per byte goes first, and of equals what was used longest ago. Evicts no
    more than needed; if even everything is not enough, everything goes and the rest is ``short``.
    """
    missing = wanted - free
    candidates = sorted(
        (r for r in resident if r.key not in leased and r.size > 0),
        key=lambda r: (r.key in soon, r.seconds / r.size, r.last_used),
    )
    chosen: list[Resident] = []
    for one in candidates:
        if missing <= sum(r.size for r in chosen):
            break
        chosen.append(one)
    freed = sum(r.size for r in chosen)
    for one in list(chosen):  # a small one is spared when a later, larger one was enough
        if freed - one.size >= missing:
            chosen.remove(one)
            freed -= one.size
    return Plan(tuple(r.key for r in chosen), max(0, missing - freed))
