"""Pictures of prompts that change, drawn by the real worker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.drawing import Drawer, pixels_of
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img

BASE = Txt2Img(sampler="Euler", steps=8, seed=3, width=64, height=64, cfg_scale=5, best_of=1)


@pytest.fixture(scope="module")
def drawer() -> Drawer:
    return Drawer()


def pixels(drawer: Drawer, model: ModelRef, prompt: str, negative: str = "") -> np.ndarray:
    request = replace(BASE, prompt=prompt, negative_prompt=negative)
    return pixels_of(drawer.images(request, model)[0])


def test_a_prompt_that_changes_is_neither_of_its_sides(
    drawer: Drawer, folder_model: ModelRef
) -> None:
    red, blue = (pixels(drawer, folder_model, f"{c} circle") for c in ("red", "blue"))
    mixed = pixels(drawer, folder_model, "[red:blue:3] circle")
    late = pixels(drawer, folder_model, "[red:blue:6] circle")
    assert not np.array_equal(mixed, red)
    assert not np.array_equal(mixed, blue)
    # The later the change, the nearer to what the picture began as.
    assert np.abs(late - red).mean() < np.abs(mixed - red).mean()


@pytest.mark.parametrize(
    ("changing", "plain"),
    [
        ("[red:blue:0] circle", "blue circle"),
        ("[red:blue:0.0] circle", "blue circle"),
        ("[red:blue:8] circle", "red circle"),
        ("[red:blue:1.5] circle", "red circle"),
        ("[red|red] circle", "red circle"),
        ("red circle # blue\n<lora:ink:0.8>", "red circle \n"),
    ],
)
def test_what_comes_to_the_same_is_the_same_bit_for_bit(
    changing: str, plain: str, drawer: Drawer, folder_model: ModelRef
) -> None:
    assert np.array_equal(
        pixels(drawer, folder_model, changing), pixels(drawer, folder_model, plain)
    )


def test_alternation_break_and_and_are_seen(drawer: Drawer, folder_model: ModelRef) -> None:
    prompts = ["red circle", "[red|blue] circle", "red BREAK circle", "red circle AND blue:0.5"]
    found = [pixels(drawer, folder_model, prompt) for prompt in prompts]
    found.append(pixels(drawer, folder_model, "red circle", "[blue:4]"))
    found.append(pixels(drawer, folder_model, "red circle", "blue"))
    for i, one in enumerate(found):
        assert all(not np.array_equal(one, other) for other in found[i + 1 :])
