"""Quantiles of the beta distribution, without a library for statistics."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TERMS = 80
_HALVINGS = 60
_TINY = 1e-300


def beta_quantile(shares: Floats, a: float, b: float) -> Floats:
    """Where a beta(``a``, ``b``) distribution has the given ``shares`` [n] below it, in [0, 1].

    ``a`` and ``b`` 0.05 to 10. Bisection, to the last bits of a double.
    """
    low, high = np.zeros_like(shares), np.ones_like(shares)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = beta_share(middle, a, b) < shares
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(shares >= 1, 1.0, np.where(shares <= 0, 0.0, (low + high) / 2))


def beta_share(x: Floats, a: float, b: float) -> Floats:
    """The regularised incomplete beta function Iₓ(a, b) for ``x`` [n] in (0, 1).

    By its continued fraction (Abramowitz & Stegun 26.5.8), on the side of the mean where that
    converges fast.
    """
    turned = x > (a + 1) / (a + b + 2)
    p, q = np.where(turned, b, a), np.where(turned, a, b)
    y = np.where(turned, 1 - x, x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    with np.errstate(divide="ignore"):
        front = np.exp(scale + p * np.log(y) + q * np.log1p(-y)) / p
    share = front / _fraction(y, p, q)
    return np.where(turned, 1 - share, share)


def _fraction(x: Floats, a: Floats, b: Floats) -> Floats:
    """The continued fraction's denominator, by Lentz's method."""
    c, d = np.ones_like(x), np.zeros_like(x)
    value = np.ones_like(x)
    for term in range(1, _TERMS):
        m, odd = divmod(term, 2)
        if odd:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / _not_zero(1 + part * d)
        c = _not_zero(1 + part / c)
        value = value * c * d
    return value


def _not_zero(x: Floats) -> Floats:
    return np.where(np.abs(x) < _TINY, _TINY, x)
