"""Seeds of a batch: pure policy."""

from __future__ import annotations

import secrets

MAX_SEED = 2**32 - 1


def resolve_seed(seed: int) -> int:
    """``seed`` itself, or a random one in [0, 2³²) for -1."""
    return secrets.randbelow(MAX_SEED + 1) if seed < 0 else seed


def image_seed(seed: int, index: int, variation_strength: float = 0.0) -> int:
    """The seed of image ``index`` of a request, within 32 bits.

    As in A1111: seed + index; with a ``variation_strength`` above 0 every image has the same seed,
    and its :func:`variation_seed` counts up instead.
    """
    return (seed + (0 if variation_strength else index)) % (MAX_SEED + 1)


def variation_seed(seed: int, index: int) -> int:
    """The variation seed of image ``index``: it counts up whatever the strength is."""
    return (seed + index) % (MAX_SEED + 1)
