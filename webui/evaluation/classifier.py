"""Names what a square window of a picture shows, by a small network of four convolutions.

It was trained on rendered pictures only (`python -m tools.starter.classifier`) and runs in numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from webui.evaluation.names import GLYPHS
from webui.evaluation.regions import Box
from webui.evaluation.shapes import SHAPES

Array = np.ndarray

WEIGHTS = Path(__file__).with_name("judge.safetensors")
CLASSES: tuple[str, ...] = (*GLYPHS, *SHAPES, "")
"""What it tells apart; the last is "nothing recognisable"."""
CROP = 40
CONTEXT = 1.25
"""A window's side, in longer sides of the object's box."""
LAYERS = 4
LEAST_SURE = 0.5
"""A name counts from this probability on."""


def window(pixels: Array, box: Box, side: int = CROP, context: float = CONTEXT) -> Array:
    """The square around a box of uint8 or float pixels [h, w, 3]: uint8 [side, side, 3].

    Beyond the picture its edge goes on.
    """
    reach = max(box.longer * context, 8.0) / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    pad = int(np.ceil(max(0.0, reach - x, reach - y,
                          x + reach - pixels.shape[1], y + reach - pixels.shape[0])))  # fmt: skip
    wide = np.pad(np.asarray(pixels, np.uint8), ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    x, y = x + pad, y + pad
    edges = (x - reach, y - reach, x + reach, y + reach)
    image = Image.fromarray(wide).resize((side, side), Image.Resampling.BILINEAR, box=edges)
    return np.asarray(image)


def normalised(windows: Array) -> Array:
    """uint8 windows [N, s, s, 3] as the network sees them: float32 [N, 3, s, s], about -2..2."""
    return np.moveaxis((np.asarray(windows, np.float32) - 128) / 64, -1, 1)


@cache
def weights() -> Mapping[str, Array]:
    """The network's weights as float32."""
    return {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}


def convolved(x: Array, kernel: Array, bias: Array) -> Array:
    """3x3 convolution with zeros around: x [N, C, h, w], kernel [D, C, 3, 3] -> [N, D, h, w]."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    out = np.tensordot(views, kernel, axes=((1, 4, 5), (1, 2, 3)))
    return np.moveaxis(out + bias, -1, 1)


def halved(x: Array) -> Array:
    """The greatest of every 2x2 cells: [N, C, h, w] -> [N, C, h / 2, w / 2]."""
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))


def probabilities(windows: Array, tensors: Mapping[str, Array] | None = None) -> Array:
    """How likely each of CLASSES is, for uint8 windows [N, 40, 40, 3]: float32 [N, 30]."""
    tensors = tensors or weights()
    x = normalised(windows)
    for layer in range(LAYERS):
        kernel, bias = tensors[f"conv{layer}.weight"], tensors[f"conv{layer}.bias"]
        x = np.maximum(convolved(x, kernel, bias), 0)
        x = halved(x) if layer < LAYERS - 1 else x
    logits = x.mean(axis=(2, 3)) @ tensors["head.weight"].T + tensors["head.bias"]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def name_objects(pixels: Array, boxes: Sequence[Box]) -> list[str]:
    """What is in each box of a picture [h, w, 3]; '' where that cannot be told."""
    if not boxes:
        return []
    chances = probabilities(np.stack([window(pixels, box) for box in boxes]))
    best = chances.argmax(axis=1)
    return [
        CLASSES[index] if chance[index] >= LEAST_SURE else ""
        for index, chance in zip(best, chances, strict=True)
    ]
