"""Pictures as a CLIP model wants them, by its ``preprocessor_config.json``.

Does what transformers' CLIPImageProcessor does: resize (to the shorter edge, or to a fixed width
and height), cut out the middle, rescale, normalise. Pure functions of tensors on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from webui.core.errors import ModelError

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
_MODES = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
_MOST = 1024
_LONGEST = 4096
"""A very long picture's long edge is resized to no more: all but its middle is cut away."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to a picture. Sizes are (height, width); None leaves the step out.

    ``shortest`` resizes the shorter edge to so many pixels, ``size`` both edges.
    """

    shortest: int | None = 224
    size: Size | None = None
    crop: Size | None = (224, 224)
    mode: str = "bicubic"
    scale: float = 1 / 255
    mean: tuple[float, ...] = OPENAI_MEAN
    std: tuple[float, ...] = OPENAI_STD

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """From a ``preprocessor_config.json``; ``ModelError`` when it asks for something else."""
        shortest, size = _sizes(config)
        crop = None
        if config.get("do_center_crop", True):
            crop = _pair(config.get("crop_size", 224), "crop_size")
        mode = _MODES.get(config.get("resample", 3))
        if mode is None:
            raise ModelError("The CLIP model's preprocessing has an unknown resample method.")
        normalises = config.get("do_normalize", True)
        rescales = config.get("do_rescale", True)
        return cls(
            shortest=shortest,
            size=size,
            crop=crop,
            mode=mode,
            scale=_number(config.get("rescale_factor", 1 / 255)) if rescales else 1.0,
            mean=_triple(config.get("image_mean", OPENAI_MEAN)) if normalises else (0.0,) * 3,
            std=_triple(config.get("image_std", OPENAI_STD)) if normalises else (1.0,) * 3,
        )

    @property
    def output(self) -> Size | None:
        """The size that comes out, None when it depends on the picture."""
        return self.crop or self.size


def prepare(pictures: Sequence[Tensor], how: Preprocessing) -> Tensor:
    """uint8 [3, h, w] pictures of any sizes to one float32 [B, 3, H, W]."""
    return torch.stack([prepare_one(picture, how) for picture in pictures])


def prepare_one(picture: Tensor, how: Preprocessing) -> Tensor:
    """uint8 [3, h, w] to float32 [3, H, W]."""
    x = picture
    target = how.size or _target(x.shape[-2], x.shape[-1], how.shortest)
    if target is not None and target != tuple(x.shape[-2:]):
        x = _resized(x, target, how.mode)
    if how.crop is not None:
        x = centre(x, how.crop)
    shape = (3, 1, 1)
    mean = torch.tensor(how.mean, dtype=torch.float32).view(shape)
    std = torch.tensor(how.std, dtype=torch.float32).view(shape)
    return (x.float() * how.scale - mean) / std


def centre(x: Tensor, size: Size) -> Tensor:
    """The middle of [3, h, w]; where that is smaller than ``size``, black is put around it."""
    (height, width), (h, w) = size, x.shape[-2:]
    left, top = max(width - w, 0) // 2, max(height - h, 0) // 2
    right, bottom = max(width - w, 0) - left, max(height - h, 0) - top
    if left or top or right or bottom:
        x = F.pad(x, (left, right, top, bottom))
        h, w = x.shape[-2:]
    y0, x0 = (h - height) // 2, (w - width) // 2
    return x[:, y0 : y0 + height, x0 : x0 + width]


def _resized(x: Tensor, size: Size, mode: str) -> Tensor:
    antialias = mode in ("bilinear", "bicubic")
    return F.interpolate(x[None], size=size, mode=mode, antialias=antialias)[0]


def _target(h: int, w: int, shortest: int | None) -> Size | None:
    if shortest is None:
        return None
    longest = min(int(shortest * max(h, w) / min(h, w)), max(_LONGEST, shortest))
    return (shortest, longest) if h <= w else (longest, shortest)


def _sizes(config: Mapping[str, Any]) -> tuple[int | None, Size | None]:
    if not config.get("do_resize", True):
        return None, None
    size = config.get("size", 224)
    if isinstance(size, int):
        return _edge(size, "size"), None
    if isinstance(size, dict) and size.get("shortest_edge"):
        return _edge(size["shortest_edge"], "size"), None
    return None, _pair(size, "size")


def _pair(value: Any, name: str) -> Size:
    if isinstance(value, dict) and {"height", "width"} <= value.keys():
        return _edge(value["height"], name), _edge(value["width"], name)
    edge = _edge(value, name)
    return edge, edge


def _edge(value: Any, name: str) -> int:
    if type(value) is not int or not 1 <= value <= _MOST:
        raise ModelError(f"The CLIP model's preprocessing has an unusable {name}.")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        raise ModelError("The CLIP model's preprocessing has an unusable number.")
    return float(value)


def _triple(value: Any) -> tuple[float, ...]:
    numbers = tuple(value) if isinstance(value, (list, tuple)) else (value,) * 3
    right = len(numbers) == 3 and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers
    )
    if not right:
        raise ModelError("The CLIP model's preprocessing has an unusable mean or std.")
    return tuple(float(n) for n in numbers)
