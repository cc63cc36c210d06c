"""Noise for one image: every source draws image i of a batch exactly as it is drawn alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_AT_ONCE = 8192  # elements whose words stay in a processor's cache
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_TO_UNIT = 2.0**-32
_TO_ANGLE = 2.0**-32 * 2 * math.pi
_SAME = 0.9995  # mean cosine above which two noises count as one
_PARALLEL = 1e-6  # sine below which two columns have no plane to turn in


@dataclass(frozen=True, slots=True)
class Variation:
    """Another seed's noise, mixed into an image's initial noise with ``strength`` 0..1."""

    seed: int
    strength: float


class NoiseStream:
    """An image's standard normal noise: the first call gives its initial noise, later ones fresh.

    ``seed`` 0..2⁶⁴ − 1, ``shape`` (C, h, w). ``source`` is one of ``core.samplers.NOISE_SOURCES``:
    "NV" what an NVIDIA GPU draws (:func:`philox_normal`), computed the same on every device; "CPU"
    and "GPU" torch's own generator there. A ``variation`` takes part in the initial noise only, and
    takes no draw of ``seed``; nor does ``drawn_at`` (C, h, w): the initial noise, variation
    included, is drawn at that shape and pasted into the middle of this shape's (A1111's "resize
    seed from"; see :func:`pasted`). Tensors are float32 on ``device``.
    """

    def __init__(
        self,
        seed: int,
        shape: Sequence[int],
        source: str = "NV",
        device: torch.device | str = "cpu",
        variation: Variation | None = None,
        drawn_at: Sequence[int] | None = None,
    ) -> None:
        self._seed = seed
        self._source = source
        self._variation = variation if variation is not None and variation.strength else None
        self._shape = tuple(shape)
        self._drawn_at = None if drawn_at is None or (*drawn_at,) == self._shape else (*drawn_at,)
        self._device = torch.device(device)
        self._draws = 0
        self._generator: torch.Generator | None = None
        if source != "NV":
            place = self._device if source == "GPU" else torch.device("cpu")
            self._generator = torch.Generator(place).manual_seed(seed)

    def __call__(self) -> Tensor:
        """The next draw [C, h, w]."""
        first = self._draws == 0
        noise = self._draw()
        return (self._initial(noise) if first else noise).to(self._device)

    def of_seed(self, seed: int) -> NoiseStream:
        """Another seed's noise of the same shape and source, plain, from its first draw on."""
        return NoiseStream(seed, self._shape, self._source, self._device)

    def _initial(self, noise: Tensor) -> Tensor:
        """The initial noise, made of the seed's own."""
        variation = self._variation
        if self._drawn_at is not None:
            here = (self._source, self._device, variation)
            return pasted(NoiseStream(self._seed, self._drawn_at, *here)(), noise.to(self._device))
        if variation is None:
            return noise
        other = NoiseStream(variation.seed, self._shape, self._source, self._device)
        return slerp(variation.strength, noise, other._draw())

    def _draw(self) -> Tensor:
        """The next draw of the seed itself, where it is made."""
        if self._generator is None:
            noise = torch.from_numpy(philox_normal(self._seed, self._draws, self._shape))
        else:
            place = self._generator.device
            noise = torch.randn(self._shape, generator=self._generator, device=place)
        self._draws += 1
        return noise


def slerp(strength: float, low: Tensor, high: Tensor) -> Tensor:
    """Noise on the way from ``low`` (``strength`` 0) to ``high`` (1), both [C, h, w].

    Spherical interpolation, sin((1 − t)ω)/sin ω · low + sin(tω)/sin ω · high, with an angle ω for
    each column of each channel, as A1111 has it: the angle is taken along the height. Noise that
    is the same on both sides stays what it is, and so do columns that are parallel.
    """
    cosine = (_unit(low) * _unit(high)).sum(dim=1, keepdim=True)
    if cosine.mean() > _SAME:
        return low * strength + high * (1 - strength)
    omega = torch.acos(cosine.clamp(-1, 1))
    sine = torch.sin(omega)
    of_low, of_high = torch.sin((1 - strength) * omega), torch.sin(strength * omega)
    mixed = (of_low / sine) * low + (of_high / sine) * high
    return torch.where(sine.abs() > _PARALLEL, mixed, (1 - strength) * low + strength * high)


def pasted(noise: Tensor, onto: Tensor) -> Tensor:
    """The middle of ``noise`` [C, h, w] in the middle of ``onto`` [C, h', w'], as A1111 has it.

    Where ``noise`` is larger by an odd number of columns or rows, one of ``onto``'s stays.
    """
    (_, height, width), (_, onto_height, onto_width) = noise.shape, onto.shape
    rows, taken_rows = _overlap(height, onto_height)
    columns, taken_columns = _overlap(width, onto_width)
    result = onto.clone()
    result[:, rows, columns] = noise[:, taken_rows, taken_columns]
    return result


def _overlap(length: int, onto: int) -> tuple[slice, slice]:
    """Which places of ``onto`` are taken, and by which of ``length``, centres together."""
    margin = (onto - length) // 2
    count = length + 2 * min(margin, 0)
    to, taken = max(margin, 0), max(-margin, 0)
    return slice(to, to + count), slice(taken, taken + count)


def _unit(noise: Tensor) -> Tensor:
    return noise / torch.linalg.vector_norm(noise, dim=1, keepdim=True)


def philox_normal(seed: int, draw: int, shape: Sequence[int]) -> NDArray[np.float32]:
    """The ``draw``-th draw of standard normal noise by A1111's rule "NV".

    What ``torch.randn(shape, device="cuda")`` after ``manual_seed(seed)`` gives wherever the GPU
    has a thread for each element (a GPU's threads take turns beyond some 100 000 elements: latents
    above 1024 × 1024 or so, where the rule goes on as if they did not).

    Element i is one Philox4x32-10 block at counter (draw, 0, i, 0) with the seed as key (Salmon et
    al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), its first two words turned into a
    normal value by Box and Muller.
    """
    normal = np.empty(math.prod(shape), np.float32)
    for start in range(0, len(normal), _AT_ONCE):
        part = normal[start : start + _AT_ONCE]
        x, y = _philox_words(seed, draw, start, len(part))
        u = x * _TO_UNIT + _TO_UNIT / 2
        v = y * _TO_ANGLE + _TO_ANGLE / 2
        part[:] = np.sqrt(-2.0 * np.log(u)) * np.sin(v)
    return normal.reshape(tuple(shape))


def _philox_words(
    seed: int, draw: int, start: int, count: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first two 32-bit words of ``count`` blocks from ``start``, held in 64-bit integers."""
    c0 = np.full(1, draw & 0xFFFFFFFF, np.uint64)
    c1 = np.zeros(1, np.uint64)
    c2 = np.arange(start, start + count, dtype=np.uint64)
    c3 = np.zeros(1, np.uint64)
    key0, key1 = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
    for _ in range(_ROUNDS):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> _HALF) ^ c1 ^ np.uint64(key0),
            product1 & _LOW,
            (product0 >> _HALF) ^ c3 ^ np.uint64(key1),
            product0 & _LOW,
        )
        key0 = (key0 + _KEY_STEPS[0]) & 0xFFFFFFFF
        key1 = (key1 + _KEY_STEPS[1]) & 0xFFFFFFFF
    return c0, c1
