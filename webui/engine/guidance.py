"""Guidance: generators that ask for evaluations and combine them."""

from __future__ import annotations

from torch import Tensor

from webui.engine.evaluation import (
    ConditioningSource,
    Denoiser,
    Evaluation,
    Guide,
    Guided,
    Guiding,
)


def cfg(
    model: Denoiser, positive: ConditioningSource, negative: ConditioningSource, scale: float
) -> Guide:
    """Classifier-free guidance: D = D(x|negative) + scale · (D(x|positive) − D(x|negative)).

    At ``scale`` 1 only the positive prompt is evaluated. Ho & Salimans 2022,
    https://arxiv.org/abs/2207.12598; the scale counts as in A1111 (1 is no guidance).
    """

    def guide(x: Tensor, sigma: float) -> Guiding:
        with_prompt = Evaluation(x, sigma, positive, model)
        if scale == 1:
            (cond,) = yield [with_prompt]
            return Guided(cond, cond)
        cond, uncond = yield [with_prompt, Evaluation(x, sigma, negative, model)]
        return Guided(uncond + scale * (cond - uncond), cond, uncond)

    return guide
