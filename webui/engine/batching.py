"""Which evaluations go into the next forward pass: pure policy of the step loop.

Groups take turns with ageing: the group whose oldest member has waited longest is next, so while
``g`` groups wait none waits for more than ``g`` turns (a group that does not fit into one batch
counts once per batch).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Batching = Literal["exact", "shared"]

SIZES = (1, 2, 4, 8)
"""Batch sizes of ``shared``: few, so that compiled graphs fit."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One evaluation that waits: its job, its batch key and the turn it began to wait at."""

    job: str
    key: Hashable
    since: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The next forward pass: ``members`` index what waits, ``size`` counts rows with padding."""

    key: Hashable
    members: tuple[int, ...]
    size: int


def next_batch(
    waiting: Sequence[Waiting], batching: Batching, limits: Mapping[Hashable, int]
) -> Batch | None:
    """The batch to evaluate now, None when nothing waits.

    ``exact`` never mixes jobs and never pads; ``shared`` mixes them, at most 8 at a time, and pads
    to 1, 2, 4 or 8. ``limits`` holds the largest batch that fits into memory for keys where that
    was learnt. Members keep their order, oldest first, so an image's evaluations stay together.
    """
    groups: dict[Hashable, list[int]] = {}
    for i, one in enumerate(waiting):
        group = one.key if batching == "shared" else (one.key, one.job)
        groups.setdefault(group, []).append(i)
    if not groups:
        return None
    chosen = min(groups.values(), key=lambda g: (min(waiting[i].since for i in g), -len(g)))
    chosen.sort(key=lambda i: waiting[i].since)
    key = waiting[chosen[0]].key
    members = tuple(chosen[: _most(len(chosen), batching, limits.get(key))])
    return Batch(key, members, padded_size(len(members)) if batching == "shared" else len(members))


def padded_size(count: int) -> int:
    """The smallest of 1, 2, 4, 8 that holds ``count`` rows (1 ≤ count ≤ 8)."""
    return next(size for size in SIZES if size >= count)


def smaller(size: int) -> int | None:
    """The limit to learn when a batch of ``size`` rows did not fit: half; None if there is none."""
    return size // 2 or None


def _most(count: int, batching: Batching, limit: int | None) -> int:
    most = SIZES[-1] if batching == "shared" else count
    return most if limit is None else min(most, limit)
