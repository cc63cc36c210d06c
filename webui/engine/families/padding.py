"""Convolutions that look past an edge at the opposite one, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from diffusers.models.downsampling import Downsample2D
from torch import nn

_LATE = [0, 1, 0, 1]
"""What diffusers' autoencoders add before a convolution that halves: one column and one row."""


@contextmanager
def wrapped(network: nn.Module) -> Iterator[None]:
    """Within the block every 2-D convolution of ``network`` pads with the opposite edge.

    What comes out is then as seamless as what goes in: rolling one rolls the other. Leaving puts
    back exactly what was there, also after an exception.
    """
    with ExitStack() as undo:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                _set(undo, module, "padding_mode", "circular")
            elif isinstance(module, Downsample2D) and module.padding == 0:
                _wrap_late_padding(undo, module)
        yield


def _wrap_late_padding(undo: ExitStack, module: Downsample2D) -> None:
    """Let the convolution do what ``module`` does itself, with zeros, when its padding is 0."""
    if isinstance(module.conv, nn.Conv2d):
        _set(undo, module, "padding", 1)
        _set(undo, module.conv, "_reversed_padding_repeated_twice", _LATE)


def _set(undo: ExitStack, module: Any, name: str, value: Any) -> None:
    undo.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)
