"""Seeds of a batch: pure policy."""

from __future__ import annotations

import secrets

MAX_SEED = 2**32 - 1


def resolve_seed(seed: int) -> int:
    """``seed`` itself, or a random one in [0, 2³²) for -1."""
    return secrets.randbelow(MAX_SEED + 1) if seed < 0 else seed


def image_seed(seed: int, index: int) -> int:
    """The seed of image ``index`` of a request: seed + index, as in A1111, within 32 bits."""
    return (seed + index) % (MAX_SEED + 1)
