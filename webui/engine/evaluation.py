"""What samplers ask of a model, and the types on both sides of the question.

A sampler never calls a model: it yields :class:`Evaluation` values and is sent the denoised
latents. Every model family is seen as "denoised = D(x, σ)" in the variance-exploding convention of
Karras et al. 2022 (https://arxiv.org/abs/2206.00364): ``x = x₀ + σ·noise``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from webui.engine.levels import NoiseLevels


class Denoiser(Protocol):
    """A loaded model as the step loop sees it.

    ``weights_key`` is equal for two denoisers exactly when they compute the same function (weights,
    adapters, attention processors); ``dtype`` is what it computes in; ``levels`` its noise levels.
    """

    @property
    def weights_key(self) -> Hashable: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def levels(self) -> NoiseLevels: ...

    def with_levels(self, levels: NoiseLevels) -> Denoiser:
        """The same network, taken to have been trained on other noise levels.

        It finds its timesteps in ``levels``, and is asked for in other batches.
        """
        ...

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        """Denoised latents [B, C, h, w] float32 on ``x``'s device.

        ``x`` [B, C, h, w] float32, ``sigma`` [B] float32 **on the CPU** (so that reading it never
        waits for the device), ``cond`` [B, T, D]. Rows do not influence one another. ``cond`` is
        the same tensor object from step to step while the same images are drawn together.
        """
        ...


class ConditioningSource(Protocol):
    """What to draw at which step: a constant, or a prompt schedule."""

    def at(self, step: int, steps: int) -> Conditioning:
        """The conditioning for step ``step`` (0-based) of ``steps``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """An encoded prompt: ``embeddings`` [T, D]. The simplest source: the same at every step."""

    embeddings: Tensor

    @property
    def key(self) -> Hashable:
        """What two conditionings must share to be stacked into one batch."""
        return (tuple(self.embeddings.shape), self.embeddings.dtype)

    def at(self, step: int, steps: int) -> Conditioning:  # noqa: ARG002
        """Itself."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """What guidance steers by: the parts of the prompt, joined by AND, with their weights (one of
    weight 1 for an ordinary prompt), the negative prompt, and the prompt "" where guidance measures
    from it (None where it does not, or where the negative prompt is empty itself)."""

    positive: tuple[tuple[ConditioningSource, float], ...]
    negative: ConditioningSource
    empty: ConditioningSource | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One row of a forward pass: ``model`` at latents ``x`` [C, h, w] and noise level ``sigma``.

    Evaluations with different ``extra`` are never put into one batch.
    """

    x: Tensor
    sigma: float
    cond: ConditioningSource
    model: Denoiser
    extra: Hashable = ()


@dataclass(frozen=True, slots=True, eq=False)
class Guided:
    """What guidance returns, each [C, h, w]; ``uncond`` is None where it was not evaluated."""

    denoised: Tensor
    cond: Tensor
    uncond: Tensor | None = None


Guiding = Generator[list[Evaluation], list[Tensor], Guided]
"""Guidance in the middle of its work: yields evaluations, is sent their results in order."""

Guide = Callable[[Tensor, float], Guiding]
"""``guide(x, sigma)``; a sampler says ``out = yield from guide(x, sigma)``."""

Sampling = Generator[list[Evaluation], list[Tensor], Tensor]
"""A sampler in the middle of its work: returns the final latents [C, h, w]."""


class SamplerFunction(Protocol):
    """A solver: from latents ``x`` [C, h, w] at ``sigmas[0]`` to latents at ``sigmas[-1]``.

    ``sigmas`` [steps + 1] descending, float32 on the CPU; ``noise()`` draws the image's next fresh
    standard normal noise [C, h, w].
    """

    def __call__(
        self, x: Tensor, sigmas: Tensor, guide: Guide, noise: Callable[[], Tensor], /
    ) -> Sampling: ...
