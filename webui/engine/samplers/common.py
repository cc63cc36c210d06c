"""Parts that several solvers share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Noise = Callable[[], Tensor]
"""Draws an image's next fresh standard normal noise [C, h, w]."""

_MOST_GAMMA = math.sqrt(2) - 1


@dataclass(frozen=True, slots=True)
class Churn:
    """Noise added before each step: Karras et al. 2022, algorithm 2, lines 4–6.

    ``amount`` (S_churn, 0 to some 100) is spread over all steps; it acts at levels from ``above``
    (S_tmin) to ``below`` (S_tmax), with noise ``scale`` (S_noise, about 1) times as strong.
    """

    amount: float = 0.0
    above: float = 0.0
    below: float = math.inf
    scale: float = 1.0

    def __call__(self, x: Tensor, sigma: float, steps: int, noise: Noise) -> tuple[Tensor, float]:
        """``x`` [C, h, w] with more noise, and its level, of a run of ``steps`` steps.

        Like k-diffusion it takes a draw at every level, in use or not, once ``amount`` is set.
        """
        if self.amount == 0:
            return x, sigma
        fresh = noise()
        gamma = min(self.amount / steps, _MOST_GAMMA)
        if not self.above <= sigma <= self.below:
            return x, sigma
        raised = sigma * (1 + gamma)
        return x + fresh * (self.scale * math.sqrt(raised**2 - sigma**2)), raised


STILL = Churn()
"""No churn."""


def ancestral_step(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """Where to step down to and how much noise to add: down² + up² = σ_next² (k-diffusion)."""
    up = min(sigma_next, eta * sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5)
    return (sigma_next**2 - up**2) ** 0.5, up


def exponential_step(x: Tensor, target: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """The flow's exact solution for a constant D = ``target``: x goes to it as σ goes to 0.

    First-order DPM-Solver++ (Lu et al. 2022, https://arxiv.org/abs/2211.01095, eq. 4.4), which is
    also DDIM's and Euler's step.
    """
    ratio = sigma_next / sigma
    return ratio * x + (1 - ratio) * target
