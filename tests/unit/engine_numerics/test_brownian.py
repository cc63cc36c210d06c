"""The Brownian path of SDE samplers against torchsde's, which A1111 draws from."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics.toys import SHAPE
from webui.engine.brownian import BrownianNoise, BrownianPath
from webui.engine.noise import NoiseStream

POINTS = [14.614642, 7.0, 2.123456789, 0.5, 0.11, 0.0291672]


def draw(seed: int) -> Tensor:
    return NoiseStream(seed, SHAPE)()


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> Any:
    """torchsde's tree over ``POINTS``, drawing A1111's noise "NV"."""
    torchsde = pytest.importorskip("torchsde")
    module = torchsde._brownian.brownian_interval
    monkeypatch.setattr(module, "_randn", lambda size, dtype, device, seed: draw(int(seed)))
    return torchsde.BrownianTree(POINTS[-1], torch.zeros(SHAPE), POINTS[0], entropy=77)


def test_increments_are_torchsdes(tree: Any) -> None:
    noise = BrownianNoise(77, POINTS, draw)
    for high, low in pairwise(POINTS):
        expected = -tree(low, high) / math.sqrt(high - low)
        torch.testing.assert_close(noise(), expected, rtol=1e-4, atol=1e-4)


def test_the_path_does_not_depend_on_what_was_asked_before() -> None:
    asked = BrownianPath(5, 0.03, 14.6, draw)
    values = {level: asked(level) for level in (14.6, 3.0, 0.7, 0.03)}
    for level, value in values.items():
        assert torch.equal(BrownianPath(5, 0.03, 14.6, draw)(level), value)
    assert torch.equal(values[0.03], torch.zeros(SHAPE))


def test_increments_are_standard_normal_and_independent() -> None:
    noise = BrownianNoise(3, POINTS, lambda seed: NoiseStream(seed, (4, 64, 64))())
    stretches = torch.stack([noise().flatten() for _ in POINTS[1:]])
    assert stretches.mean(dim=1).abs().max() < 0.03
    torch.testing.assert_close(torch.cov(stretches), torch.eye(5), rtol=0, atol=0.06)


def test_asking_beyond_the_last_stretch_is_an_error() -> None:
    noise = BrownianNoise(3, [2.0, 1.0], draw)
    noise()
    with pytest.raises(IndexError):
        noise()
