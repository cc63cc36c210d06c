"""Variation seeds and seeds of another size: A1111's noise, and which image has which seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from webui.core.requests import Txt2Img
from webui.core.seeds import MAX_SEED, image_seed, variation_seed
from webui.engine.noise import NoiseStream, Variation, philox_normal, slerp
from webui.engine.pipelines.stages import noise_of

SHAPE = (4, 8, 6)


def numpy_slerp(t: float, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column by column, with numpy: the angle between the columns [h] of each channel."""
    out = np.empty_like(a)
    for c in range(a.shape[0]):
        for x in range(a.shape[2]):
            p, q = a[c, :, x], b[c, :, x]
            omega = np.arccos(p @ q / (np.linalg.norm(p) * np.linalg.norm(q)))
            out[c, :, x] = (np.sin((1 - t) * omega) * p + np.sin(t * omega) * q) / np.sin(omega)
    return out


@pytest.mark.parametrize("strength", [0.01, 0.3, 0.5, 0.99])
def test_noise_is_mixed_as_a1111_mixes_it(strength: float) -> None:
    stream = NoiseStream(7, SHAPE, variation=Variation(1234, strength))
    expected = numpy_slerp(
        strength,
        philox_normal(7, 0, SHAPE).astype(np.float64),
        philox_normal(1234, 0, SHAPE).astype(np.float64),
    )
    np.testing.assert_allclose(stream().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("source", ["NV", "CPU"])
def test_the_ends_are_the_two_seeds_themselves(source: str) -> None:
    first, other = (NoiseStream(seed, SHAPE, source)() for seed in (7, 1234))
    none = NoiseStream(7, SHAPE, source, variation=Variation(1234, 0.0))()
    whole = NoiseStream(7, SHAPE, source, variation=Variation(1234, 1.0))()
    assert torch.equal(none, first)
    torch.testing.assert_close(whole, other)


@pytest.mark.parametrize("source", ["NV", "CPU"])
def test_only_the_initial_noise_varies(source: str) -> None:
    plain = NoiseStream(7, SHAPE, source)
    varied = NoiseStream(7, SHAPE, source, variation=Variation(1234, 0.5))
    assert not torch.equal(plain(), varied())
    for _ in range(2):
        assert torch.equal(plain(), varied())


def test_equal_and_parallel_noise_stays_finite() -> None:
    noise = NoiseStream(7, SHAPE)()
    torch.testing.assert_close(slerp(0.3, noise, noise.clone()), noise)
    row = NoiseStream(7, (4, 1, 6))()  # columns of one element are always parallel
    other = NoiseStream(8, (4, 1, 6))()
    torch.testing.assert_close(slerp(0.25, row, other), 0.75 * row + 0.25 * other)


def test_the_seed_counts_up_only_without_a_variation() -> None:
    assert [image_seed(5, i) for i in range(3)] == [5, 6, 7]
    assert [image_seed(5, i, 0.2) for i in range(3)] == [5, 5, 5]
    assert [variation_seed(MAX_SEED, i) for i in range(3)] == [MAX_SEED, 0, 1]


def test_each_image_of_a_request_has_its_own_variation() -> None:
    request = Txt2Img(seed=7, variation_seed=100, variation_strength=0.4, batch_size=3)
    device = torch.device("cpu")
    for index in range(3):
        a, b = (philox_normal(s, 0, SHAPE).astype(np.float64) for s in (7, 100 + index))
        noise = noise_of(request, index, SHAPE, device)()
        np.testing.assert_allclose(noise.numpy(), numpy_slerp(0.4, a, b), atol=1e-5)
    plain = noise_of(Txt2Img(seed=7, variation_seed=100), 2, SHAPE, device)()
    np.testing.assert_array_equal(plain.numpy(), philox_normal(9, 0, SHAPE))


def a1111_resized(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """What A1111 makes of one image's noise: signed offsets, the larger side cut."""
    x = own.clone()
    dx, dy = (own.shape[2] - other.shape[2]) // 2, (own.shape[1] - other.shape[1]) // 2
    w = other.shape[2] if dx >= 0 else other.shape[2] + 2 * dx
    h = other.shape[1] if dy >= 0 else other.shape[1] + 2 * dy
    for c in range(own.shape[0]):
        for row in range(h):
            for column in range(w):
                x[c, max(dy, 0) + row, max(dx, 0) + column] = other[
                    c, max(-dy, 0) + row, max(-dx, 0) + column
                ]
    return x


@pytest.mark.parametrize("source", ["NV", "CPU"])
@pytest.mark.parametrize("other", [(4, 4, 4), (4, 5, 3), (4, 12, 3), (4, 3, 12), (4, 11, 9)])
def test_noise_of_another_size_is_pasted_into_the_middle(
    source: str, other: tuple[int, int, int]
) -> None:
    stream = NoiseStream(7, SHAPE, source, drawn_at=other)
    own, there = NoiseStream(7, SHAPE, source), NoiseStream(7, other, source)
    assert torch.equal(stream(), a1111_resized(own(), there()))
    assert torch.equal(stream(), own()), "later noise is the seed's own, not skipping a draw"


def test_noise_of_this_size_stays_as_it_is() -> None:
    assert torch.equal(NoiseStream(7, SHAPE, drawn_at=SHAPE)(), NoiseStream(7, SHAPE)())


def test_a_resized_seed_varies_at_its_own_size() -> None:
    variation, other = Variation(1234, 0.4), (4, 6, 4)
    resized = NoiseStream(7, SHAPE, variation=variation, drawn_at=other)()
    assert torch.equal(resized[:, 1:7, 1:5], NoiseStream(7, other, variation=variation)())
    assert torch.equal(resized[:, 0], NoiseStream(7, SHAPE)()[:, 0])


def test_a_request_resizes_its_seed_when_both_sides_are_given() -> None:
    device, plain = torch.device("cpu"), philox_normal(8, 0, SHAPE)
    both = Txt2Img(seed=7, seed_resize_width=32, seed_resize_height=64)
    noise = noise_of(both, 1, SHAPE, device)().numpy()
    np.testing.assert_array_equal(noise[:, :, 1:5], philox_normal(8, 0, (4, 8, 4)))
    np.testing.assert_array_equal(noise[:, :, [0, 5]], plain[:, :, [0, 5]])
    one = noise_of(Txt2Img(seed=7, seed_resize_width=32), 1, SHAPE, device)()
    np.testing.assert_array_equal(one.numpy(), plain)
