from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from webui.engine.noise import NoiseStream, philox_normal

# torch.randn((3, 4), device="cuda") after torch.manual_seed(0)
FIRST_DRAW_OF_SEED_0 = [
    [-0.92466259, -0.42534415, -2.6438457, 0.14518388],
    [-0.12086647, -0.57972564, -0.62285122, -0.32838709],
    [-1.07454231, -0.36314407, -1.67105067, 2.26550497],
]


def philox_block(seed: int, draw: int, i: int) -> tuple[int, int]:
    """One block, written down with Python's integers."""
    c, key = [draw, 0, i, 0], [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [q >> 32 ^ c[1] ^ key[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ key[1], p & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c[0], c[1]


def test_nvidia_noise_is_what_an_nvidia_gpu_draws() -> None:
    np.testing.assert_allclose(philox_normal(0, 0, (3, 4)), FIRST_DRAW_OF_SEED_0, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 - 1, 2**40 + 3])
def test_later_draws_advance_the_counter(seed: int) -> None:
    for draw in (0, 1, 70):
        x, y = philox_block(seed, draw, 5)
        u, v = (x + 0.5) / 2**32, (y + 0.5) / 2**32
        expected = np.sqrt(-2 * np.log(u)) * np.sin(2 * np.pi * v)
        assert philox_normal(seed, draw, (8,))[5] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("source", ["NV", "CPU", "GPU"])
def test_a_stream_is_repeatable_and_each_draw_is_fresh(source: str) -> None:
    first, again = NoiseStream(7, (4, 8, 8), source), NoiseStream(7, (4, 8, 8), source)
    draws = [first() for _ in range(3)]
    assert [torch.equal(draw, again()) for draw in draws] == [True] * 3
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], NoiseStream(8, (4, 8, 8), source)())
    assert draws[0].shape == (4, 8, 8)
    assert draws[0].dtype == torch.float32


def test_cpu_noise_is_torchs() -> None:
    stream = NoiseStream(3, (4, 2, 2), "CPU")
    generator = torch.Generator().manual_seed(3)
    for _ in range(2):
        assert torch.equal(stream(), torch.randn((4, 2, 2), generator=generator))


def test_streams_do_not_touch_the_global_generator() -> None:
    before = torch.get_rng_state()
    for source in ("NV", "CPU", "GPU"):
        NoiseStream(3, (4, 2, 2), source)()
    assert torch.equal(before, torch.get_rng_state())


def test_noise_is_standard_normal() -> None:
    noise = philox_normal(11, 0, (4, 128, 128)).ravel()
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert abs((noise**3).mean()) < 0.05
    assert np.abs(noise).max() < 6.7  # the most a 32-bit word can give


def test_a_large_latent_is_drawn_quickly() -> None:
    philox_normal(1, 0, (4, 128, 128))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        philox_normal(1, 0, (4, 128, 128))
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1
