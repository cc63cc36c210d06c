"""Guidance and resized seeds through the worker: they act, and in a batch as alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.fakes.drawing import Drawer, pixels_of
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img

ONE = Txt2Img(
    prompt="a red circle",
    negative_prompt="blue",
    seed=4,
    steps=4,
    cfg_scale=30.0,
    width=64,
    height=64,
)


@pytest.mark.parametrize(
    "values",
    [
        {"cfg_rescale": 1.0},
        {"dynamic_threshold": 0.95, "guidance_start": 0.25},
        {"skip_early_cfg": 0.25},
        {"perp_neg": 1.0, "cfg_scale": 1.0},
        {"seed_resize_width": 32, "seed_resize_height": 96},
    ],
    ids=str,
)
def test_it_changes_a_picture_and_is_the_same_in_a_batch(
    values: dict[str, Any], folder_model: ModelRef
) -> None:
    drawer, request = Drawer(), replace(ONE, **values)
    (plain,) = drawer.images(replace(ONE, cfg_scale=request.cfg_scale), folder_model)
    (alone,) = drawer.images(request, folder_model)
    _, last = drawer.images(replace(request, seed=3, batch_size=2), folder_model)
    assert np.abs(pixels_of(alone) - pixels_of(plain)).max() > 2
    assert np.abs(pixels_of(alone) - pixels_of(last)).max() <= 2


def test_a_perpendicular_negative_that_is_empty_is_an_ordinary_one(folder_model: ModelRef) -> None:
    drawer, request = Drawer(), replace(ONE, negative_prompt="")
    (plain,) = drawer.images(request, folder_model)
    (perpendicular,) = drawer.images(replace(request, perp_neg=1.0), folder_model)
    assert perpendicular.pixels == plain.pixels
