"""Noise of SDE samplers as A1111 draws it: increments of a Brownian path over the noise levels.

The path depends on the seed alone, not on the levels it is asked for, so that a picture stays much
the same with more steps. It is torchsde's ``BrownianTree`` as k-diffusion uses it: the value at the
top is drawn, then each interval is halved by a Brownian bridge until the level asked for is met.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

Draw = Callable[[int], Tensor]
"""Standard normal noise [C, h, w] of a seed 0..2³² − 1."""

_DIGITS = 6
"""Levels are told apart to so many digits behind the point."""
_POOL = 24
"""The entropy pool that torchsde's tree has numpy make seeds with, in words."""


class BrownianNoise:
    """Standard normal noise [C, h, w] for one stretch after another.

    ``points`` are noise levels, descending and above 0: call i gives the path's increment from
    ``points[i]`` to ``points[i + 1]``, divided by the root of the way. ``seed`` is the image's.
    """

    def __init__(self, seed: int, points: Sequence[float], draw: Draw) -> None:
        self._path = BrownianPath(seed, points[-1], points[0], draw)
        self._points = points
        self._passed = 0
        self._value = self._path(points[0])

    def __call__(self) -> Tensor:
        """The next stretch's noise; ``IndexError`` after the last."""
        high, low = self._points[self._passed], self._points[self._passed + 1]
        before, self._value = self._value, self._path(low)
        self._passed += 1
        return (self._value - before) / math.sqrt(high - low)


class BrownianPath:
    """Brownian motion over [``low``, ``high``] from 0, made where it is asked for.

    Asking for descending levels keeps some 40 tensors in memory and draws about 20 a level.
    """

    def __init__(self, seed: int, low: float, high: float, draw: Draw) -> None:
        top = draw(_seed(seed)) * math.sqrt(high - low)
        self._top = _Interval(round(low, _DIGITS), round(high, _DIGITS), top, (0, 0))
        self._seed, self._draw = seed, draw

    def __call__(self, level: float) -> Tensor:
        """The path's value [C, h, w] at ``level``."""
        level = min(max(round(level, _DIGITS), self._top.low), self._top.high)
        node, value = self._top, self._top.increment * 0
        while level not in (node.low, node.high):
            left, right = node.halves or self._halve(node)
            if level <= left.high:
                node, right.halves = left, None
            else:
                node, value, left.halves = right, value + left.increment, None
        return value if level == node.low else value + node.increment

    def _halve(self, node: _Interval) -> tuple[_Interval, _Interval]:
        """The two halves of an interval: a Brownian bridge at its middle (Lévy's construction)."""
        middle = round((node.low + node.high) / 2, _DIGITS)
        before, after = middle - node.low, node.high - middle
        whole = node.high - node.low
        noise = self._draw(_seed(self._seed, node.place))
        first = node.increment * (before / whole) + noise * math.sqrt(before * after / whole)
        number, depth = node.place
        node.halves = (
            _Interval(node.low, middle, first, (2 * number, depth + 1)),
            _Interval(middle, node.high, node.increment - first, (2 * number + 1, depth + 1)),
        )
        return node.halves


class _Interval:
    """The path's ``increment`` between two levels; ``place``: its number and depth in the tree."""

    __slots__ = ("halves", "high", "increment", "low", "place")

    def __init__(self, low: float, high: float, increment: Tensor, place: tuple[int, int]) -> None:
        self.low, self.high, self.increment, self.place = low, high, increment, place
        self.halves: tuple[_Interval, _Interval] | None = None


def _seed(entropy: int, place: tuple[int, int] | None = None) -> int:
    """The seed that numpy derives for a node, or for the tree's top."""
    key = () if place is None else place
    sequence = np.random.SeedSequence(entropy, spawn_key=key, pool_size=_POOL)
    return int(sequence.generate_state(1)[0])
