"""What enlarges pictures, by name: the methods every installation has, and model files."""

from __future__ import annotations

from webui.core.models import ModelRef

NONE = "None"
LANCZOS = "Lanczos"
NEAREST = "Nearest"
BUILT_IN = (NONE, LANCZOS, NEAREST)
"""As A1111 names them; "None" leaves a picture as it is, and resizes by Lanczos where it must."""
FAMILY = "upscaler"
"""The engine's family of the model files."""
TILE = 192
TILE_OVERLAP = 8
"""A1111's: the side of the squares that a model sees at once, and by how much they overlap."""


def built_in(name: str) -> ModelRef | None:
    """The reference of a built-in method, in any spelling; None if it is none of them.

    Model files are referred to in the same way: their family is "upscaler", too.
    """
    for known in BUILT_IN:
        if known.casefold() == name.strip().casefold():
            return ModelRef(known, "", "file", FAMILY, "epsilon", 0, known)
    return None


def is_model(upscaler: ModelRef) -> bool:
    """Whether it is a file, not a built-in method."""
    return bool(upscaler.path)
